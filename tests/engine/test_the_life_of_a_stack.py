"""A stack from its first preview to its end: what the engine does, and what is in the account after it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import CommandError

from infra.components.certificates import file_of, today, write_node_certificate
from infra.local.engine.stack import program
from tests.engine.conftest import Deployment, LocalAws
from tests.engine.first_up import SOME_OF_ALL, FirstUp

REPLACEMENT = ("create-replacement", "replace", "delete-replaced")


@pytest.fixture
def deployment(local_aws: LocalAws, build: Path, request: pytest.FixtureRequest) -> Deployment:
    """An empty stack of the parameter's name. Whatever a test leaves of it goes with its AWS."""
    return local_aws.deployment(request.param, program(build))


def test_the_first_preview_shows_everything_and_makes_nothing(first_up: FirstUp) -> None:
    assert first_up.previewed.operations == {"create"}
    assert first_up.previewed.warnings == []
    assert "advisor" not in first_up.previewed.text
    assert first_up.after_preview == {}


def test_an_up_that_fails_says_what_is_in_its_way_and_keeps_the_rest(first_up: FirstUp) -> None:
    assert "aws:s3:Bucket (fruits-live-data)" in first_up.refused
    assert "BucketAlreadyOwnedByYou" in first_up.refused
    assert "Traceback" not in first_up.refused
    assert first_up.after_refusal["vpc"]
    assert first_up.after_refusal["vpc"] == first_up.there["vpc"]


def test_after_an_engine_that_was_killed_the_next_up_makes_the_rest(first_up: FirstUp) -> None:
    assert len(first_up.created_before_the_kill) == SOME_OF_ALL
    assert first_up.made.operations == {"create"}
    there = first_up.there
    assert first_up.deployment.output("launcher_function") in there["function"]
    assert len(there["bucket"]) == 3
    assert len(there["function"]) == 3
    assert len(there["key"]) == len(there["alias"]) == 4
    assert sum(map(len, first_up.deployment.leftovers.values())) <= first_up.in_the_making


def test_a_stack_that_is_up_stays_as_it_is(live: Deployment) -> None:
    assert live.up(refresh=True, expect_no_changes=True).steps == []


@pytest.mark.parametrize("deployment", ["broken"], indirect=True)
def test_a_missing_artifact_fails_before_the_first_resource_is_shown(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.stack.workspace.program = program(tmp_path)
    with pytest.raises(CommandError) as failed:
        deployment.preview()
    told = str(failed.value)
    assert f"missing: {tmp_path / 'launcher.zip'}, " in told
    assert "run `make package WEIGHTS=<file>` first" in told
    assert "Traceback" not in told
    assert "aws:" not in told


@pytest.mark.parametrize("deployment", ["faulty"], indirect=True)
def test_every_fault_of_the_configuration_is_told_in_the_preview(deployment: Deployment) -> None:
    deployment.configure(maxClusters="many", maxEurPerDay="-1", alarmEmail="me@example.org")
    with pytest.raises(CommandError) as failed:
        deployment.preview()
    told = str(failed.value)
    assert "maxClusters: 'many' is not a whole number" in told
    assert "maxEurPerDay: -1.0 is not above 0; the default is 100.0" in told
    assert "alarmEmail: is no setting; did you mean alarmEmails? `pulumi config rm alarmEmail`" in told
    assert "Traceback" not in told
    assert "aws:" not in told.replace("aws:region", "")


def test_what_somebody_changed_or_deleted_by_hand_is_shown_by_refresh_and_repaired_by_up(
    live: Deployment,
) -> None:
    bucket, s3 = live.output("data_bucket"), live.client("s3")
    guarded = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(guarded, False))
    opened = {"Version": policy["Version"], "Statement": policy["Statement"][1:]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(opened))
    (group,) = [name for name in live.resources()["log group"] if "-launcher-" in name]
    live.client("logs").delete_log_group(logGroupName=group)
    live.client("lambda").delete_function(FunctionName=live.output("launcher_function"))

    shown = live.refresh()
    assert {kind for operation, kind in shown.counts if operation == "update"} == {
        "BucketPublicAccessBlock",
        "BucketPolicy",
    }
    assert {("delete", "LogGroup"), ("delete", "Function")} <= shown.counts.keys()
    live.up()
    assert live.up(refresh=True, expect_no_changes=True).steps == []
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == guarded
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == policy
    assert len(live.resources()["function"]) == 3


def test_an_upgrade_adds_and_updates_and_takes_nothing_from_running_clusters(
    live: Deployment, build: Path, tmp_path: Path
) -> None:
    bucket, s3 = live.output("data_bucket"), live.client("s3")
    before = keys_in(s3, bucket)
    functions = live.resources()["function"]

    newer = tmp_path / "build"
    shutil.copytree(build, newer)
    for name in ("job.zip", "step.py", "launcher.zip"):
        with (newer / name).open("ab") as file:
            file.write(b"# newer")
    model = json.loads((newer / "model" / "model.json").read_text())
    (newer / "model" / "stub.tflite").rename(newer / "model" / "newer.tflite")
    (newer / "model" / "model.json").write_text(
        json.dumps({**model, "file": "newer.tflite", "sha256": "c" * 64})
    )
    write_node_certificate(newer / file_of("eu-west-1"), "eu-west-1", today())
    for group, package in (("node", "numpy"), ("node-reference", "pandas")):
        wheelhouse = newer / f"wheelhouse-{group}-x86_64"
        wheelhouse.mkdir()
        (wheelhouse / "requirements.txt").write_text(f"{package}==2.0 --hash=sha256:0\n")
        (wheelhouse / f"{package}-2.0.whl").write_text("wheel")
    live.configure(nodePackages="wheelhouse")
    live.stack.workspace.program = program(newer)
    try:
        upgraded = live.up()
        after = keys_in(s3, bucket)
    finally:
        live.configure(nodePackages="preinstalled")
        live.stack.workspace.program = program(build)
        live.up()
    counts = upgraded.counts
    # Job, step, model, certificate, the bootstrap script, and the two files of each wheelhouse.
    assert counts.pop(("create", "BucketObjectv2")) == 9
    # Of the engine's state only: they are retained.
    assert counts.pop(("delete", "BucketObjectv2")) == 4
    # Running clusters keep what they were launched with, and a launch in this second is tried again.
    replaced = {operation: counts.pop((operation, "SecurityConfiguration")) for operation in REPLACEMENT}
    assert replaced == dict.fromkeys(REPLACEMENT, 1)
    assert dict(counts) == {("update", "Function"): 2}
    assert before < after
    assert live.resources()["function"] == functions


def keys_in(s3: Any, bucket: str) -> set[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {item["Key"] for page in pages for item in page.get("Contents", ())}


def test_a_stack_under_another_name_is_refused_before_it_loses_its_data(live: Deployment) -> None:
    there = live.resources()
    rename(live, "live", "other")
    try:
        renamed = live.aws.deployment("other", live.stack.workspace.program)
        with pytest.raises(CommandError) as refused:
            renamed.up()
    finally:
        rename(live, "other", "live")
    told = str(refused.value)
    assert "stack: this one was deployed as fruits-live and cannot become fruits-other" in told
    assert "`pulumi stack rename` it back" in told
    assert "Traceback" not in told
    assert live.resources() == there


def rename(deployment: Deployment, name: str, new: str) -> None:
    """Of the stack, and of the file of its settings."""
    workspace = deployment.stack.workspace
    workspace.pulumi_command.run(
        ["stack", "rename", new, "--stack", name],
        workspace.work_dir,
        workspace.env_vars,
        None,
    )
