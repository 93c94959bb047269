"""The storm: everything is delivered, goes wrong and is repaired, until every run has ended."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from infra.local.chaos.verdict import Cluster, Evidence, Run
from infra.local.chaos.workload import Upload
from infra.local.cloud import LocalCloud
from lambdas.contract import s3uri
from lambdas.contract.faults import ManifestError
from lambdas.contract.layout import REJECTIONS, RUNS, RunLayout, rejection_key
from lambdas.contract.manifest import Manifest, parse_manifest
from lambdas.contract.report import StepReport
from lambdas.contract.run import LEDGER_TAG, RUN_TAG, RunState, cluster_name, is_terminal, run_id

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DELIVERIES_AT_ONCE = 3
RECONCILERS_AT_ONCE = 2
RECONCILE_PAUSE_SECONDS = 2.0
LAMBDA_RETRIES = 2
ORPHANS = 3
"""Clusters of this stack that nobody's run asked for, made by the storm."""
POLL_SECONDS = 3.0
QUIET_PASSES = 3
"""Reconciler passes after the end, which must find nothing to change."""


class StormNotOverError(TimeoutError):
    """Runs had not ended in time. The message says which."""


@dataclass
class Storm:
    """One storm in a running local cloud. ``log`` is told what goes on."""

    cloud: LocalCloud
    seed: int
    log: Callable[[str], None]
    accepted: dict[str, Manifest] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    """What the Lambdas answered; ``killed`` counts invocations that broke off."""

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed + 2)  # noqa: S311  # repeatable on purpose
        self._s3, self._emr = self.cloud.client("s3"), self.cloud.client("emr")
        self._orphans: set[str] = set()
        self._lambda, self._dynamodb = self.cloud.client("lambda"), self.cloud.client("dynamodb")

    def run(self, uploads: list[Upload], timeout_seconds: float) -> None:
        """Let it happen.

        Raises:
            StormNotOverError: runs were still under way after ``timeout_seconds``.
        """
        # The storm delivers the events itself: shuffled, repeated and late.
        self._s3.put_bucket_notification_configuration(Bucket=self.cloud.bucket, NotificationConfiguration={})
        deadline = time.monotonic() + timeout_seconds
        during, after = self._events(uploads)
        with self._reconcilers():
            self._deliver(during, orphans=ORPHANS)
            self.log(f"{len(during)} deliveries made; waiting for {len(self.accepted)} runs to end")
            self._await_end(deadline)
            self._deliver(after)
            self.log(f"{len(after)} deliveries replayed")
            self._await_end(deadline)
        for _ in range(QUIET_PASSES):
            self._invoke("reconciler", {})

    def evidence(self, max_clusters: int, max_eur_per_day: float) -> Evidence:
        """Everything to judge by, as it is now."""
        clusters = tuple(self.clusters())
        listed = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.cloud.bucket, Prefix=REJECTIONS
        )
        return Evidence(
            accepted=self.accepted,
            rejected={rejection_key(key) for key in self.rejected},
            rejections={entry["Key"] for page in listed for entry in page.get("Contents", ())},
            runs={run.run_id: run for run in self.runs()},
            clusters=tuple(cluster for cluster in clusters if cluster.run_id not in self._orphans),
            orphans=tuple(cluster for cluster in clusters if cluster.run_id in self._orphans),
            max_clusters=max_clusters,
            max_eur_per_day=max_eur_per_day,
        )

    def runs(self) -> Iterator[Run]:
        """Every run in the ledger."""
        read = TypeDeserializer().deserialize
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self.cloud.outputs["ledger_table"])
        for item in (item for page in pages for item in page["Items"]):
            values = {name: read(value) for name, value in item.items()}
            if "history" in values:
                states = tuple(RunState(change["state"]) for change in values["history"])
                yield Run(values["run_id"], states, int(values["attempt"]))

    def clusters(self) -> Iterator[Cluster]:
        """Every cluster that EMR knows."""
        for page in self._emr.get_paginator("list_clusters").paginate():
            for listed in page["Clusters"]:
                tags = self._emr.describe_cluster(ClusterId=listed["Id"])["Cluster"]["Tags"]
                identity = next((tag["Value"] for tag in tags if tag["Key"] == RUN_TAG), "")
                timeline = listed["Status"]["Timeline"]
                ended = timeline.get("EndDateTime")
                yield Cluster(
                    listed["Name"],
                    identity,
                    timeline["CreationDateTime"].timestamp(),
                    ended.timestamp() if ended else None,
                )

    def _events(self, uploads: list[Upload]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Upload everything; the deliveries of its events, shuffled: during the storm, and after it."""
        sequencers = (f"{number:016X}" for number in itertools.count(1))
        during: list[dict[str, Any]] = []
        after: list[dict[str, Any]] = []
        for upload in uploads:
            body = json.dumps(upload.manifest).encode()
            put = self._s3.put_object(Bucket=self.cloud.bucket, Key=upload.key, Body=body)
            version, self.rejected = put["VersionId"], self.rejected - {upload.key}
            try:
                manifest = parse_manifest(body)
            except ManifestError:
                self.rejected.add(upload.key)
            else:
                identity = run_id(manifest.dataset, self.cloud.bucket, upload.key, version)
                self.accepted[identity] = manifest
            created = _event("ObjectCreated:Put", self.cloud.bucket, upload.key, version, next(sequencers))
            during += [created] * upload.copies
            after += [created] * upload.replays
            if upload.deleted:
                marker = self._s3.delete_object(Bucket=self.cloud.bucket, Key=upload.key)["VersionId"]
                gone = "ObjectRemoved:DeleteMarkerCreated"
                during.append(_event(gone, self.cloud.bucket, upload.key, marker, next(sequencers)))
        self._chance.shuffle(during)
        self._chance.shuffle(after)
        return during, after

    def _deliver(self, events: list[dict[str, Any]], *, orphans: int = 0) -> None:
        with ThreadPoolExecutor(DELIVERIES_AT_ONCE) as pool:
            made = [pool.submit(self._make_orphan, number) for number in range(orphans)]
            made += [pool.submit(self._deliver_one, event) for event in events]
            try:
                for done in made:
                    done.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _deliver_one(self, event: dict[str, Any]) -> None:
        for _ in range(1 + LAMBDA_RETRIES):
            if (answer := self._invoke("launcher", event)) is not None:
                self.answers.update(result["outcome"] for result in answer)
                return

    def _invoke(self, function: str, event: dict[str, Any]) -> Any:
        """The function's answer; None when it raised or was killed."""
        name = self.cloud.outputs[f"{function}_function"]
        answer = self._lambda.invoke(FunctionName=name, Payload=json.dumps(event))
        if "FunctionError" in answer:
            self.answers[f"{function} broke off"] += 1
            return None
        return json.loads(answer["Payload"].read())

    def _make_orphan(self, number: int) -> None:
        """A cluster that names a run which the ledger does not know. A random fault may prevent it."""
        identity = f"orphan-{number:012x}"
        tags = {RUN_TAG: identity, LEDGER_TAG: self.cloud.outputs["ledger_table"]}
        self._orphans.add(identity)
        function = self.cloud.outputs["launcher_function"]
        settings = self._lambda.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        with contextlib.suppress(ClientError):
            self._emr.run_job_flow(
                Name=cluster_name(identity),
                ReleaseLabel=settings["FRUITS_RELEASE_LABEL"],
                Instances={"KeepJobFlowAliveWhenNoSteps": True, "TerminationProtected": True},
                JobFlowRole=settings["FRUITS_INSTANCE_PROFILE_ARN"],
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )

    @contextlib.contextmanager
    def _reconcilers(self) -> Iterator[None]:
        over = threading.Event()

        def keep_reconciling() -> None:
            while not over.is_set():
                self._invoke("reconciler", {})
                over.wait(RECONCILE_PAUSE_SECONDS)

        with ThreadPoolExecutor(RECONCILERS_AT_ONCE) as pool:
            running = [pool.submit(keep_reconciling) for _ in range(RECONCILERS_AT_ONCE)]
            try:
                yield
            finally:
                over.set()
        for reconciler in running:
            reconciler.result()

    def _await_end(self, deadline: float) -> None:
        while open_runs := [run for run in self.runs() if not is_terminal(run.states[-1])]:
            if time.monotonic() > deadline:
                some = ", ".join(f"{run.run_id} {run.states[-1]}" for run in open_runs[:5])
                raise StormNotOverError(f"{len(open_runs)} runs have not ended, among them {some}")
            time.sleep(POLL_SECONDS)


class InstantSteps:
    """Leaves the report of success that a real step would leave. Needs its client before the first."""

    s3: S3Client

    def __call__(self, arguments: Sequence[str]) -> None:
        *_, step, _, plan = arguments
        bucket, key = s3uri.split(plan)
        identity = key.removeprefix(RUNS).split("/")[0]
        report = StepReport(
            step=step,
            run_id=identity,
            succeeded=True,
            engine="fast",
            weights="none",
            weights_sha256="",
            model_sha256="",
            seconds={"total": 0.0},
        )
        target = RunLayout("", identity).step_report(step)
        self.s3.put_object(Bucket=bucket, Key=target, Body=report.to_json().encode())


def _event(name: str, bucket: str, key: str, version_id: str, sequencer: str) -> dict[str, Any]:
    s3_object = {"key": key, "versionId": version_id, "sequencer": sequencer}
    record = {
        "eventName": name,
        "eventTime": "2026-01-01T00:00:00.000Z",
        "s3": {"bucket": {"name": bucket}, "object": s3_object},
    }
    return {"Records": [record]}
