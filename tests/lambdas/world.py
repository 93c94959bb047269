"""The launcher and the tracker around the same fakes, and a clock that tests can turn."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from lambdas.contract.layout import RunLayout
from lambdas.contract.plan import Plan
from lambdas.contract.report import StepError, StepReport
from lambdas.contract.run import RunRecord
from lambdas.contract.settings import LauncherSettings
from lambdas.launcher.accept import Acceptor, Result, Upload
from lambdas.launcher.withdraw import Deletion, withdraw
from lambdas.reconciler.reconcile import Reconciler, Reconciliation
from lambdas.runs.dispatch import Dispatcher
from lambdas.runs.run_service import RunService
from lambdas.runs.telling import Teller
from lambdas.runs.tracking import Tracker

from .fake_clusters import FakeClusters
from .fakes import FakeBuckets, FakeDoor, FakeLedger, FakeMeter, FakeObjects, FakeTopic

BUCKET = "data-bucket"
KEY = "manifests/fruits.json"
IMAGES = f"s3://{BUCKET}/images/"

SETTINGS = LauncherSettings(
    project="fruits",
    stack="eu",
    region="eu-west-1",
    data_bucket=BUCKET,
    ledger_table="runs",
    release_label="emr-7.12.0",
    service_role_arn="arn:aws:iam::123456789012:role/emr",
    instance_profile_arn="arn:aws:iam::123456789012:instance-profile/nodes",
    subnet_ids="subnet-1,subnet-2",
    node_security_group="sg-nodes",
    service_security_group="sg-service",
    security_configuration="fruits-eu-1",
    data_key_arn="arn:aws:kms:eu-west-1:123456789012:key/data",
    job_key="artifacts/job-1.zip",
    step_key="artifacts/step-1.py",
    bootstrap_key="",
    wheelhouse_prefix="",
    reference_wheelhouse_prefix="",
    arm_wheelhouse_prefix="",
    arm_reference_wheelhouse_prefix="",
    node_architectures="x86_64,arm64",
    node_python="/opt/fruits/venv/bin/python",
    model_name="mobilenet_v2",
    model_key="artifacts/mobilenet_v2-1.tflite",
    model_sha256="a" * 64,
    weights="imagenet",
    weights_key="artifacts/weights-1.h5",
    weights_sha256="b" * 64,
    max_clusters="20",
    max_eur_per_day="1000",
    launches_per_second="0.5",
    graviton_speed="1.0",
    workbench_address="door.example.org",
    workbench_setup_prefix="artifacts/workbench-1/",
)


LEDGER_INDEX: dict[str, Any] = {
    "AttributeDefinitions": [
        {"AttributeName": "run_id", "AttributeType": "S"},
        {"AttributeName": "active", "AttributeType": "S"},
        {"AttributeName": "listed", "AttributeType": "S"},
        {"AttributeName": "accepted_at", "AttributeType": "N"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": name,
            "KeySchema": [
                {"AttributeName": attribute, "KeyType": "HASH"},
                {"AttributeName": "accepted_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for name, attribute in (("active", "active"), ("recent", "listed"))
    ],
}
"""What a ledger table needs beside its name and key, as `infra.components.ledger` declares it."""


def manifest(**changes: Any) -> dict[str, Any]:
    return {"version": 1, "dataset": "fruits", "images": {"prefixes": [IMAGES]}} | changes


def workbench(**changes: Any) -> dict[str, Any]:
    return {"version": 1, "workbench": {"name": "explore", **changes}}


CERTIFICATE_EXPIRES_AT = 1_000_000.0 + 100 * 24 * 3600


class World:
    """A stack with three images in its bucket, at Unix time 1,000,000."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.objects = FakeObjects()
        self.ledger = FakeLedger()
        self.buckets = FakeBuckets({BUCKET: "eu-west-1"})
        self.buckets.keys[BUCKET] = [f"images/apple/{number}.jpg" for number in range(3)]
        self.clusters = FakeClusters(lambda: self.time)
        self.topic = FakeTopic()
        self.door = FakeDoor()
        self.meter = FakeMeter()
        self.uploads = 0
        self.configure()

    def emr_offers(self, *instance_types: str) -> None:
        """With the stack's own release, and knows no other."""
        by_release = {SETTINGS.release_label: frozenset(instance_types)}
        # The fake's own answer is the same for every release.
        self.clusters.instance_types = by_release.__getitem__  # type: ignore[method-assign]

    def configure(self, **caps: str) -> None:
        """Deploy again, with these caps."""
        settings = dataclasses.replace(SETTINGS, **caps)
        self.runs = RunService(self.objects, self.ledger, lambda: self.time)
        dispatcher = Dispatcher(settings, self.runs, self.clusters, self.door, self.sleep)
        self.acceptor = Acceptor(settings, self.runs, self.buckets, self.clusters, dispatcher)
        teller = Teller(self.runs, self.door, self.topic, self.meter)
        self.tracker = Tracker(self.runs, self.clusters, teller)
        self.reconciler = Reconciler(
            self.runs, self.clusters, dispatcher, self.tracker, settings.ledger_table, CERTIFICATE_EXPIRES_AT
        )

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def upload(self, document: Any, version_id: str = "v1", key: str = KEY) -> Upload:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.objects.upload(key, body, version_id)
        return Upload(key, version_id, "2026-01-02T03:04:05.678Z", self.sequencer())

    def sequencer(self) -> str:
        """A later one each time, as S3's."""
        self.uploads += 1
        return f"00{self.uploads:014X}"

    def launch(self, upload: Upload) -> Result:
        return self.acceptor.accept(upload, self.time + 300)

    def delete(self, deletion: Deletion) -> Result:
        return withdraw(self.runs, deletion)

    def reconcile(self) -> Reconciliation:
        return self.reconciler.reconcile(self.time + 300)

    def launched(self, **changes: Any) -> Result:
        """A run that was launched from a manifest with these changes."""
        return self.launch(self.upload(manifest(**changes)))

    def launched_cluster(self, **changes: Any) -> str:
        """The id of the only cluster, of such a run."""
        self.launched(**changes)
        (cluster_id,) = self.clusters.clusters
        return cluster_id

    def track_and_die(self, cluster_id: str) -> None:
        """The tracker is killed at the first object that it writes."""

        def die(key: str) -> None:
            raise KeyboardInterrupt

        self.objects.before_write = die
        with pytest.raises(KeyboardInterrupt):
            self.tracker.track(cluster_id)
        self.objects.before_write = lambda key: None

    def record(self) -> RunRecord:
        (record,) = self.ledger.records.values()
        return record

    def plan(self) -> Plan:
        return Plan.from_json(self.objects.text(self.keys().plan))

    def keys(self) -> RunLayout:
        record = self.record()
        return RunLayout(record.dataset, record.run_id)

    def status(self) -> dict[str, Any]:
        return self.status_of(self.record().run_id)

    def status_of(self, run_id: str) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.objects.text(RunLayout("fruits", run_id).status))
        return status

    def status_of_workbench(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.objects.text(self.keys().status))
        return status

    def rejection(self, name: str = "fruits") -> dict[str, Any]:
        rejection: dict[str, Any] = json.loads(self.objects.text(f"manifests-rejected/{name}.json"))
        return rejection

    def report(self, step: str, *, error: StepError | None = None, **figures: Any) -> None:
        """Leave a step's report, as the step does."""
        plan = self.plan()
        report = StepReport(
            step=step,
            run_id=plan.run_id,
            succeeded=error is None,
            engine=plan.engine,
            weights=plan.model.weights,
            weights_sha256=plan.model.weights_sha256,
            model_sha256=plan.model.sha256,
            error=error,
            **{"seconds": {"total": 1.5}, **figures},
        )
        self.objects.write(self.keys().step_report(step), report.to_json())
