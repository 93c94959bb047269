"""What the program declares, without creating anything."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.components.artifacts import ArtifactMissing
from infra.config import ConfigInvalid
from infra.local.cloud import variables_of
from infra.local.deploy import deploy, run
from infra.program import REPOSITORY
from lambdas.contract.layout import LIVE
from lambdas.contract.settings import Caps, CommandSettings, LauncherSettings, TrackerSettings
from tests.infra.conftest import ACCOUNT_ID, PREINSTALLED, RecordingProvider, as_list, preview

WITHOUT_RESOURCE_IN_AWS = {
    "elasticmapreduce:RunJobFlow",
    "elasticmapreduce:ListClusters",
    "elasticmapreduce:ListSupportedInstanceTypes",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
STOPPING = {"elasticmapreduce:SetTerminationProtection", "elasticmapreduce:TerminateJobFlows"}


def test_only_created_manifests_trigger_the_launcher(declared: RecordingProvider) -> None:
    (target,) = declared.one("BucketNotification")["lambdaFunctions"]
    assert target["events"] == ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    assert (target["filterPrefix"], target["filterSuffix"]) == ("manifests/", ".json")
    permission = next(p for p in declared.all_of("Permission") if p["principal"] == "s3.amazonaws.com")
    assert permission["sourceAccount"] == ACCOUNT_ID
    assert permission["sourceArn"].endswith("fruits-eu-data")


def test_the_ledger_is_on_demand_encrypted_and_restorable(declared: RecordingProvider) -> None:
    table = declared.one("Table")
    assert (table["billingMode"], table["hashKey"]) == ("PAY_PER_REQUEST", "run_id")
    assert table["pointInTimeRecovery"]["enabled"]
    assert table["serverSideEncryption"]["enabled"]


def test_no_action_has_a_wildcard_and_every_resource_is_named_where_aws_allows_it(
    declared: RecordingProvider,
) -> None:
    for role in ("launcher", "tracker", "reconciler", "emr-nodes", "emr-service"):
        statements = declared.statements(role)
        assert statements
        for statement in statements:
            actions = as_list(statement["Action"])
            assert not [action for action in actions if "*" in action]
            if "*" in as_list(statement["Resource"]):
                assert set(actions) <= WITHOUT_RESOURCE_IN_AWS | STOPPING


def test_the_reconciler_may_stop_no_cluster_but_those_of_its_own_ledger(declared: RecordingProvider) -> None:
    statements = [s for s in declared.statements("reconciler") if set(as_list(s["Action"])) == STOPPING]
    allowed, denied = sorted(statements, key=lambda statement: statement["Effect"])
    assert allowed["Resource"] == ["*"]
    assert denied["Effect"] == "Deny"
    assert denied["Resource"] == [f"arn:aws:elasticmapreduce:eu-west-1:{ACCOUNT_ID}:cluster/*"]
    assert denied["Condition"] == {
        "StringNotEquals": {"elasticmapreduce:ResourceTag/fruits:ledger": "fruits-eu-runs"}
    }


def test_the_reconciler_is_scheduled(declared: RecordingProvider) -> None:
    schedules = [rule.get("scheduleExpression") for rule in declared.all_of("EventRule")]
    assert sorted(filter(None, schedules)) == ["rate(5 minutes)"]


def test_caps_come_from_the_configuration(build: Path) -> None:
    caps = {"fruits:maxClusters": "3", "fruits:maxEurPerDay": "12.5", "fruits:launchesPerSecond": "2"}
    declared = preview(build, **caps)
    for name in ("launcher", "reconciler"):
        function = next(f for f in declared.all_of("Function") if name in f["handler"])
        settings = LauncherSettings.from_env(function["environment"]["variables"])
        assert settings.caps == Caps(3, 12.5, 2.0)


def test_the_ledger_lists_active_runs_from_a_sparse_index(declared: RecordingProvider) -> None:
    indexes = declared.one("Table")["globalSecondaryIndexes"]
    assert [(index["name"], index["hashKey"], index["rangeKey"]) for index in indexes] == [
        ("active", "active", "accepted_at"),
        ("recent", "listed", "accepted_at"),
    ]


def test_the_launcher_passes_exactly_two_roles_each_to_its_own_service(declared: RecordingProvider) -> None:
    passed = {
        statement["Condition"]["StringEquals"]["iam:PassedToService"]: statement["Resource"]
        for statement in declared.statements("launcher")
        if "iam:PassRole" in statement["Action"]
    }
    assert passed == {
        "elasticmapreduce.amazonaws.com": ["arn:test:iam/role:::fruits-eu-emr-service"],
        "ec2.amazonaws.com": ["arn:test:iam/role:::fruits-eu-emr-nodes"],
    }


def test_only_emr_of_this_account_may_take_the_service_role(declared: RecordingProvider) -> None:
    role = next(r for r in declared.all_of("Role") if "EMR itself" in r["description"])
    (statement,) = json.loads(role["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"Service": "elasticmapreduce.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT_ID}


def test_nodes_write_only_what_steps_produce(declared: RecordingProvider) -> None:
    written = {
        resource.split("/", 1)[1].removeprefix("bucket:::fruits-eu-data/")
        for statement in declared.statements("emr-nodes")
        if "s3:PutObject" in statement["Action"]
        for resource in statement["Resource"]
    }
    assert written == {
        "runs/*",
        "Results/*",
        "Results_PCA/*",
        "Results_CSV/*",
        "quarantine/*",
        "models/pca/*",
        "logs/*",
    }


def test_further_image_buckets_are_read_only_and_by_name(build: Path) -> None:
    declared = preview(build, **{"fruits:imageBuckets": '["my-photos"]'})
    for role in ("launcher", "emr-nodes"):
        allowed = {
            action
            for statement in declared.statements(role)
            if any("my-photos" in resource for resource in as_list(statement["Resource"]))
            for action in as_list(statement["Action"])
        }
        assert allowed <= {"s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"}
        assert "s3:ListBucket" in allowed


def test_functions_get_the_settings_that_their_handlers_read(declared: RecordingProvider) -> None:
    environments = {
        function["handler"]: function["environment"]["variables"] for function in declared.all_of("Function")
    }
    launcher = LauncherSettings.from_env(environments["lambdas.launcher.handler.handler"])
    tracker = TrackerSettings.from_env(environments["lambdas.tracker.handler.handler"])
    assert (launcher.project, launcher.stack) == ("fruits", "eu")
    assert tracker.prefix == launcher.prefix == "fruits-eu"
    assert launcher.release_label == "emr-7.12.0"
    assert launcher.model_key == "artifacts/model/stub.tflite"
    assert launcher.weights == "untrained"
    assert (launcher.bootstrap_key, launcher.wheelhouse_prefix) == ("", "")
    assert launcher.reference_wheelhouse_prefix == ""
    assert tracker.ledger_table == launcher.ledger_table


def test_functions_keep_their_logs_for_the_configured_time_and_retry(declared: RecordingProvider) -> None:
    assert {group["retentionInDays"] for group in declared.all_of("LogGroup")} == {30}
    assert {config["maximumRetryAttempts"] for config in declared.all_of("FunctionEventInvokeConfig")} == {2}


def test_every_function_is_traced_and_may_send_its_traces(declared: RecordingProvider) -> None:
    assert {function["tracingConfig"]["mode"] for function in declared.all_of("Function")} == {"Active"}
    for role in ("launcher", "tracker", "reconciler"):
        (traces,) = [s for s in declared.statements(role) if s["Sid"] == "SendTraces"]
        assert traces["Action"] == ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]


def test_an_email_address_is_subscribed_only_when_given(build: Path, declared: RecordingProvider) -> None:
    assert declared.all_of("TopicSubscription") == []
    subscribed = preview(build, **{"fruits:notificationEmail": "me@example.org"})
    assert subscribed.one("TopicSubscription")["endpoint"] == "me@example.org"


def test_artifacts_are_named_by_their_content(build: Path) -> None:
    keys = {inputs["key"] for inputs in preview(build).all_of("BucketObjectv2")} - {LIVE}
    assert len(keys) == 5
    assert {key.split("/")[0] for key in keys} == {"artifacts", "certificates"}
    assert any(
        re.fullmatch(r"certificates/node-certificates-eu-west-1-[0-9a-f]{12}\.zip", key) for key in keys
    )
    assert any(re.fullmatch(r"artifacts/job-[0-9a-f]{12}\.zip", key) for key in keys)


def test_the_wheelhouses_come_with_their_bootstrap_action(build: Path, tmp_path: Path) -> None:
    x86 = {"node-x86_64": "x", "node-reference-x86_64": "y"}
    # Half of what Graviton machines need is none.
    half = shutil.copytree(build, tmp_path / "half")
    settings, keys = with_wheelhouses(half, {**x86, "node-aarch64": "a"})
    assert settings.bootstrap_key in keys
    assert_uploaded(keys, settings.wheelhouses("x86_64"), "xy")
    assert (settings.architectures, settings.wheelhouses("arm64")) == (("x86_64",), ("", ""))
    whole = shutil.copytree(half, tmp_path / "whole")
    settings, keys = with_wheelhouses(whole, {"node-reference-aarch64": "b"})
    assert settings.architectures == ("x86_64", "arm64")
    assert_uploaded(keys, settings.wheelhouses("x86_64") + settings.wheelhouses("arm64"), "xyab")


def with_wheelhouses(build: Path, packages: dict[str, str]) -> tuple[LauncherSettings, set[str]]:
    """The launcher's settings, and what is uploaded, when these wheelhouses are there, too."""
    for name, package in packages.items():
        wheelhouse = build / f"wheelhouse-{name}"
        wheelhouse.mkdir()
        (wheelhouse / "requirements.txt").write_text(f"{package}==1 --hash=sha256:0\n")
        (wheelhouse / f"{package}-1-py3-none-any.whl").write_bytes(b"")
    declared = preview(build, **{"fruits:nodePackages": "wheelhouse"})
    function = next(f for f in declared.all_of("Function") if "launcher" in f["handler"])
    settings = LauncherSettings.from_env(function["environment"]["variables"])
    return settings, {inputs["key"] for inputs in declared.all_of("BucketObjectv2")}


def assert_uploaded(keys: set[str], prefixes: Iterable[str], packages: str) -> None:
    for prefix, package in zip(prefixes, packages, strict=True):
        wheelhouse = {key.removeprefix(prefix) for key in keys if key.startswith(prefix)}
        assert wheelhouse == {f"{package}-1-py3-none-any.whl", "requirements.txt"}


def test_everything_that_can_be_tagged_is(declared: RecordingProvider) -> None:
    tags = json.loads(declared.one("aws")["defaultTags"])["tags"]
    assert tags == {"project": "fruits", "stack": "eu", "managed-by": "pulumi"}
    unprovided = [
        args.name
        for args in declared.declared
        if args.custom and args.typ.startswith("aws:") and not args.provider
    ]
    assert unprovided == []


def test_a_missing_artifact_fails_the_preview_and_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match="run `make package WEIGHTS=<file>` first"):
        deploy(RecordingProvider(), stack="eu", config=PREINSTALLED, build=tmp_path)


def test_where_only_wheelhouses_are_missing_the_local_cloud_is_thought_of(
    build: Path, tmp_path: Path
) -> None:
    def refusal() -> str:
        with pytest.raises(ArtifactMissing) as refused:
            deploy(RecordingProvider(), stack="eu", config={"aws:region": "eu-west-1"}, build=copy)
        return str(refused.value)

    copy = shutil.copytree(build, tmp_path / "build")
    remedy = "; or, on the local cloud, `pulumi config set fruits:nodePackages preinstalled`"
    assert refusal().endswith(remedy)
    (copy / "step.py").unlink()
    assert remedy not in refusal()


def test_a_region_outside_the_eu_fails_the_preview_before_anything_is_declared(build: Path) -> None:
    provider = RecordingProvider()
    with pytest.raises(ConfigInvalid, match="London"):
        deploy(provider, stack="eu", config={"aws:region": "eu-west-2"}, build=build)
    assert provider.declared == []


def test_faults_of_configuration_and_build_are_shown_without_a_traceback() -> None:
    assert issubclass(ConfigInvalid, pulumi.RunError)
    assert issubclass(ArtifactMissing, pulumi.RunError)


def test_the_main_program_exports_what_a_person_needs_next(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: dict[str, Any] = {}
    monkeypatch.setattr("infra.program.BUILD", build)
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)

    def program() -> dict[str, pulumi.Output[str]]:
        runpy.run_path(str(REPOSITORY / "infra"), run_name="__main__")
        return exported

    outputs = run(RecordingProvider(), stack="eu", config=PREINSTALLED, program=program)
    assert outputs["upload_command"] == f"aws s3 cp manifest.json s3://{outputs['data_bucket']}/manifests/"
    assert outputs["manifest_prefix"].endswith("/manifests/")
    commands = CommandSettings.from_env(variables_of(outputs["shell"]))
    assert commands.data_bucket == outputs["data_bucket"]
    # What `fruits plan` says is what the launcher would: both know the same caps.
    assert commands.caps.max_eur_per_day > 0
