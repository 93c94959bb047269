"""The Lambdas' entry points with AWS' events, wired to the real adapters as in the cloud."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import quote_plus

import pytest

from infra.local.emr import EmrEndpoint, lifecycle
from infra.local.emr.events import state_events
from infra.local.emr.lifecycle import Cluster, Fleet, Reason, ReasonCode
from infra.local.ministack import MiniStack, client
from lambdas.contract.metrics import METRICS
from lambdas.contract.run import cluster_name, run_id
from lambdas.contract.settings import LauncherSettings, ReconcilerSettings, SettingsError, TrackerSettings
from lambdas.launcher import handler as launcher
from lambdas.reconciler import handler as reconciler
from lambdas.tracker import handler as tracker

from .world import LEDGER_INDEX, SETTINGS, manifest


@dataclass
class Context:
    """What the handlers use of Lambda's context object."""

    aws_request_id: str = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


@dataclass(frozen=True)
class Stack:
    """The deployed resources, as a user and as AWS see them."""

    s3: Any
    emr: Any
    bucket: str
    instance_profile: str

    def upload(self, key: str, body: bytes) -> dict[str, Any]:
        """Put a manifest; the event that S3 sends for it."""
        version = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)["VersionId"]
        created = {
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-01-02T03:04:05.678Z",
            "s3": {
                "bucket": {"name": self.bucket},
                "object": {"key": quote_plus(key, safe="/"), "versionId": version, "sequencer": "01"},
            },
        }
        return {"Records": [created]}

    def json(self, key: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        return document

    def clusters(self, name: str) -> list[str]:
        return [c["Id"] for c in self.emr.list_clusters()["Clusters"] if c["Name"] == name]


@pytest.fixture
def stack(ministack: MiniStack, emr: EmrEndpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    unique = uuid.uuid4().hex[:12]
    bucket, table = f"data-{unique}", f"runs-{unique}"
    s3 = ministack.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="images/apple/1.jpg", Body=b"")
    ministack.client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        **LEDGER_INDEX,
    )
    topic = ministack.client("sns").create_topic(Name=f"runs-{unique}")["TopicArn"]
    iam = ministack.client("iam")
    iam.create_role(RoleName=unique, AssumeRolePolicyDocument="{}")
    profile = iam.create_instance_profile(InstanceProfileName=unique)["InstanceProfile"]["Arn"]
    iam.add_role_to_instance_profile(InstanceProfileName=unique, RoleName=unique)
    cloud = ministack.environment | {"AWS_ENDPOINT_URL_EMR": emr.url}
    clusters = client("emr", cloud)
    clusters.create_security_configuration(Name=unique, SecurityConfiguration="{}")
    settings = dataclasses.replace(
        SETTINGS,
        data_bucket=bucket,
        ledger_table=table,
        instance_profile_arn=profile,
        security_configuration=unique,
    )
    tracking = TrackerSettings(settings.prefix, bucket, table, topic)
    own = ReconcilerSettings("2030-01-01T00:00:00+00:00")
    environment = cloud | settings.to_env() | tracking.to_env() | own.to_env()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield Stack(s3, clusters, bucket, profile)
    for module in (launcher, tracker, reconciler):
        forget(module)


def forget(module: ModuleType) -> None:
    """The function's process ends, with all that it remembers."""
    for remembered in vars(module).values():
        if hasattr(remembered, "cache_clear"):
            remembered.cache_clear()


NAMES = {metric.name for metric in METRICS}


def metrics(output: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


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


def test_events_of_a_cluster_bring_its_run_up_to_date(
    stack: Stack, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    document = manifest(images={"prefixes": [f"s3://{stack.bucket}/images/"]}, notify=True)
    (launched,) = launcher.handler(
        stack.upload("manifests/a.json", json.dumps(document).encode()),
        Context(),  # type: ignore[arg-type]  # as above
    )
    (cluster_id,) = stack.clusters(cluster_name(launched["run_id"]))
    stack.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    stack.emr.get_waiter("cluster_terminated").wait(ClusterId=cluster_id, WaiterConfig={"Delay": 1})
    event = {
        "source": "aws.emr",
        "detail-type": "EMR Cluster State Change",
        "detail": {"clusterId": cluster_id, "state": "TERMINATED"},
    }
    capsys.readouterr()
    result = tracker.handler(event, Context())  # type: ignore[arg-type]  # as above
    assert result["run_id"] == launched["run_id"]
    status = stack.json(f"runs/{launched['run_id']}/status.json")
    assert status["state"] == result["state"]
    assert status["state"] in ("FAILED", "CANCELLED")
    assert status["message"]
    assert status["instance_hours"] == pytest.approx(3 * 60 / 3600, rel=0.01), "a minute at least is billed"
    lines = metrics(capsys.readouterr().out)
    measured = {name: line for line in lines for name in line if name in NAMES}
    runs = measured["Runs"]
    assert (runs["stack"], runs["dataset"], runs["engine"]) == ("fruits-eu", "fruits", "fast")
    assert runs["state"] == status["state"]
    assert measured["EstimatedEur"]["EstimatedEur"] == [status["estimated_eur"]]
    assert measured["ActualEur"]["ActualEur"] == [status["actual_eur"]]
    assert vars(caplog.records[-1])["run_id"] == launched["run_id"]


def fleet_events(cluster_id: str) -> list[dict[str, Any]]:
    """That a cluster's fleet has its machines; and that it has none and never will."""
    waiting = Cluster(cluster_id, "fruits-x", 0.0, (), (Fleet("if-1", "CORE", 0, 2),))
    timed_out = Reason(ReasonCode.INSTANCE_FLEET_TIMEOUT, "timed out")
    changes = (lifecycle.provisioned(waiting), lifecycle.shut_down(waiting, timed_out, 1.0))
    return [
        {"source": "aws.emr", "detail-type": event.detail_type, "detail": event.detail}
        for change in changes
        for event in state_events(waiting, change, 1.0)
    ]


def test_news_of_fleets_are_a_hint_to_look_at_the_cluster_and_end_no_run_by_themselves(stack: Stack) -> None:
    document = manifest(images={"prefixes": [f"s3://{stack.bucket}/images/"]})
    (launched,) = launcher.handler(
        stack.upload("manifests/a.json", json.dumps(document).encode()),
        Context(),  # type: ignore[arg-type]  # as above
    )
    run = launched["run_id"]
    (cluster_id,) = stack.clusters(cluster_name(run))
    before = stack.json(f"runs/{run}/status.json")
    provisioned, insufficient = fleet_events(cluster_id)
    # The cluster still starts: EMR goes on looking for machines.
    for event in (provisioned, insufficient):
        assert tracker.handler(event, Context())["state"] is None  # type: ignore[arg-type]  # as above
    assert stack.json(f"runs/{run}/status.json") == before

    stack.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    stack.emr.get_waiter("cluster_terminated").wait(ClusterId=cluster_id, WaiterConfig={"Delay": 1})
    # The event of the end was lost; that of the fleet came late.
    assert tracker.handler(insufficient, Context())["state"] == "CANCELLED"  # type: ignore[arg-type]  # as above
    assert stack.json(f"runs/{run}/status.json")["reason"] == "USER_REQUEST"


def test_events_of_other_clusters_are_left_alone(stack: Stack) -> None:
    other = stack.emr.run_job_flow(
        Name="somebody's", Instances={"InstanceCount": 1}, JobFlowRole=stack.instance_profile
    )["JobFlowId"]
    event = {"detail-type": "EMR Step Status Change", "detail": {"clusterId": other}}
    assert tracker.handler(event, Context()) == {"run_id": None, "state": None}  # type: ignore[arg-type]  # as above


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
    assert reconciler.handler({}, Context()) == {"repaired": {}, "dispatched": {}}  # type: ignore[arg-type]  # as above
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
