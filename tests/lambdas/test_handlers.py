"""The Lambdas' entry points with AWS' events, wired to the real adapters as in the cloud."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from lambdas.contract.run import cluster_name, run_id
from lambdas.contract.settings import LauncherSettings, SettingsError
from lambdas.launcher import handler as launcher
from lambdas.reconciler import handler as reconciler

from .functions import Context, Stack, forget, metrics
from .world import manifest


def test_an_upload_with_an_odd_name_becomes_a_cluster_and_a_metric(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "manifests/my team/äpfel + birnen.json"
    document = manifest(images={"prefixes": [f"s3://{stack.bucket}/images/"]})
    event = stack.upload(key, json.dumps(document).encode())
    version = event["Records"][0]["s3"]["object"]["versionId"]
    identity = run_id("fruits", stack.bucket, key, version)

    (result,) = launcher.handler(event, Context())  # type: ignore[arg-type]  # the parts that are used
    assert result == {"outcome": "launched", "run_id": identity}
    assert len(stack.clusters(cluster_name(identity))) == 1
    assert stack.json(f"runs/{identity}/plan.json")["images_listed"] == 1
    assert stack.json(f"runs/{identity}/status.json")["state"] == "LAUNCHED"
    (metric,) = metrics(capsys.readouterr().out)
    assert (metric["stack"], metric["dataset"], metric["outcome"]) == ("fruits-eu", "fruits", "launched")
    (dimensions,) = metric["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    assert sorted(dimensions) == ["dataset", "engine", "outcome", "stack"]

    for _ in range(4):
        (again,) = launcher.handler(event, Context())  # type: ignore[arg-type]  # as above
        assert again == {"outcome": "duplicate", "run_id": identity}
    assert len(stack.clusters(cluster_name(identity))) == 1


def test_a_bad_manifest_is_rejected_by_name(stack: Stack) -> None:
    event = stack.upload("manifests/broken.json", b"{")
    (result,) = launcher.handler(event, Context())  # type: ignore[arg-type]  # as above
    assert result["outcome"] == "rejected"
    assert stack.json("manifests-rejected/broken.json")["faults"][0]["path"] == "$"


@pytest.mark.parametrize(
    "event",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "data"},
        {"Records": [{"eventTime": "", "s3": {"object": {"key": "images/a.json", "versionId": "1"}}}]},
    ],
)
def test_what_is_no_manifest_is_left_alone(stack: Stack, event: dict[str, Any]) -> None:
    assert launcher.handler(event, Context()) == []  # type: ignore[arg-type]  # as above


def test_a_broken_deployment_says_which_settings_are_missing() -> None:
    with pytest.raises(SettingsError, match="FRUITS_LEDGER_TABLE, FRUITS_RELEASE_LABEL"):
        LauncherSettings.from_env({"FRUITS_DATA_BUCKET": "data"})


@pytest.mark.parametrize("name", ["launcher", "tracker", "reconciler"])
def test_importing_a_handler_needs_no_environment_and_does_nothing(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import lambdas.{name}.handler"], env={}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_deleted_manifest_is_noted(stack: Stack) -> None:
    event = stack.upload("manifests/a.json", b"{}")
    event["Records"][0]["eventName"] = "ObjectRemoved:DeleteMarkerCreated"
    (result,) = launcher.handler(event, Context())  # type: ignore[arg-type]  # as above
    assert result["outcome"] == "deleted"


def test_a_pass_of_the_reconciler_shows_its_heartbeat_and_the_gauges(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reconciler.handler({}, Context()) == {"repaired": {}, "dispatched": {}, "skipped": 0}  # type: ignore[arg-type]  # as above
    lines = metrics(capsys.readouterr().out)
    measured = {
        metric["Name"]: line[metric["Name"]][0]
        for line in lines
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }
    assert {(line["stack"], line["service"]) for line in lines} == {("fruits-eu", "reconciler")}
    assert measured["ReconcilerHeartbeat"] == 1
    assert set(measured) == {
        "ReconcilerHeartbeat",
        "LaunchingPaused",
        "QueuedRuns",
        "RunningRuns",
        "OldestRunSeconds",
        "SkippedRuns",
        "OrphanClusters",
        "OverdueClusters",
        "LaunchesInDoubt",
        "NodeCertificateDaysLeft",
    }


def test_what_a_pass_repairs_and_starts_is_logged_with_the_run(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    document = manifest(images={"prefixes": [f"s3://{stack.bucket}/images/"]})
    event = stack.upload("manifests/a.json", json.dumps(document).encode())
    (launched,) = launcher.handler(event, Context())  # type: ignore[arg-type]  # as above
    (cluster_id,) = stack.clusters(cluster_name(launched["run_id"]))
    stack.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    stack.emr.get_waiter("cluster_terminated").wait(ClusterId=cluster_id, WaiterConfig={"Delay": 1})
    caplog.clear()
    result = reconciler.handler({}, Context())  # type: ignore[arg-type]  # as above
    assert result["repaired"] == {"Track": 1}
    (repaired,) = [record for record in caplog.records if record.message == "repaired: Track"]
    logged = vars(repaired)
    assert (logged["run_id"], logged["cluster_id"]) == (launched["run_id"], cluster_id)


def test_an_upload_that_starts_a_run_in_front_of_it_logs_that_run_too(
    stack: Stack, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = {"prefixes": [f"s3://{stack.bucket}/images/"]}
    monkeypatch.setenv("FRUITS_MAX_CLUSTERS", "0")
    event = stack.upload("manifests/a.json", json.dumps(manifest(images=images)).encode())
    (queued,) = launcher.handler(event, Context())  # type: ignore[arg-type]  # as above
    monkeypatch.setenv("FRUITS_MAX_CLUSTERS", "9")
    forget(launcher)
    caplog.clear()
    event = stack.upload("manifests/b.json", json.dumps(manifest(images=images)).encode())
    (own,) = launcher.handler(event, Context())  # type: ignore[arg-type]  # as above
    assert (queued["outcome"], own["outcome"]) == ("queued", "launched")
    logged = {vars(record)["run_id"] for record in caplog.records if "dispatched: launched" in record.message}
    assert logged == {queued["run_id"], own["run_id"]}
