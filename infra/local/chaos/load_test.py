"""The load test: everything is delivered, goes wrong and is repaired, until every run has ended."""

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
from typing import Any

from infra.local.chaos import traces
from infra.local.chaos.invariants import Evidence, overlapping
from infra.local.chaos.queueing import Moment
from infra.local.chaos.services import Services
from infra.local.chaos.steps import InstantSteps
from infra.local.chaos.upgrade import Upgrade
from infra.local.chaos.workbenches import Workbenches
from infra.local.chaos.workload import ORPHANS, Poison, Upload, draw_service_failures, event
from infra.local.cloud import LocalCloud
from lambdas.contract.layout import RunLayout, rejection_key
from lambdas.contract.manifest.faults import ManifestError
from lambdas.contract.manifest.schema import Manifest, parse_manifest
from lambdas.contract.run import LEDGER_TAG, RUN_TAG, cluster_name, run_id

DELIVERIES_AT_ONCE = 3
RECONCILERS_AT_ONCE = 2
RECONCILE_PAUSE_SECONDS = 3.0
LAMBDA_RETRIES = 2
POLL_SECONDS = 3.0
QUIET_PASSES = 3
"""Reconciler passes after the end; the last one must find nothing to change."""


class NotOverError(TimeoutError):
    """Runs had not ended in time. The message says which."""


@dataclass
class LoadTest:
    """One load test in a running local cloud. ``log`` is told what goes on."""

    cloud: LocalCloud
    steps: InstantSteps
    upgrade: Upgrade
    workbenches: Workbenches
    seed: int
    log: Callable[[str], None]
    accepted: dict[str, Manifest] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    """What the launcher answered, and how many invocations broke off."""
    repairs: Counter[str] = field(default_factory=Counter)
    """What the reconciler did."""

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed + 2)  # noqa: S311  # repeatable on purpose
        self._s3, self._emr = self.cloud.client("s3"), self.cloud.client("emr")
        self._orphans: set[str] = set()
        self._services = Services(self.cloud)
        self._passes: list[tuple[float, float]] = []
        self._moments: list[Moment] = []
        self._late_repairs = 0
        self._mistreated: Counter[str] = Counter()
        self._poisons: dict[str, Poison] = {}
        """Of runs that are still to be poisoned."""
        self._poisoned: dict[str, Poison] = {}
        self._broken_off: list[dict[str, Any]] = []
        """Events that failed each time: in the failure queue, for somebody to give them back."""
        self._lambda = self.cloud.client("lambda")

    def run(self, uploads: list[Upload], timeout_seconds: float) -> None:
        """Let it happen.

        Raises:
            NotOverError: runs were still under way after ``timeout_seconds``.
        """
        # The load test delivers the events itself: shuffled, repeated and late.
        self._s3.put_bucket_notification_configuration(Bucket=self.cloud.bucket, NotificationConfiguration={})
        deadline = time.monotonic() + timeout_seconds
        for number in range(ORPHANS):
            self._make_orphan(number)
        during, after = self._events(uploads)
        self._drawn = draw_service_failures(self.seed, len(uploads))
        with self._reconcilers(), self.workbenches.looked_after(self._deliver_one):
            for part in self.upgrade.amid(during):
                if self.upgrade.has_ended:
                    # Not before: a dead topic held the older release's places for good, and it knows no
                    # workbenches.
                    self._services.fail(self._drawn)
                    part = [*part, *self.workbenches.during]
                    self._chance.shuffle(part)
                self._deliver(part)
            self._deliver([*self._broken_off])
            self.log(f"{len(during)} deliveries made; waiting for {len(self.accepted)} runs to end")
            self._await_end(deadline)
            self._deliver(after + self.workbenches.after)
            self.log(f"{len(after)} deliveries replayed")
            self._await_end(deadline)
            while self.workbenches.are_too_few:
                self._deliver(self.workbenches.once_more())
                self._await_end(deadline)
        self._services.recover()
        *_, last = (self._invoke("reconciler", {}) for _ in range(QUIET_PASSES))
        if last is None:
            raise NotOverError("the reconciler broke off although the load test was over")
        self._late_repairs = sum(last["repaired"].values()) + sum(last["dispatched"].values())

    def evidence(self, max_clusters: int, max_eur_per_day: float) -> Evidence:
        """Everything to judge by, as it is now."""
        clusters = tuple(traces.clusters(self.cloud))
        runs = {run.run_id: run for run in traces.runs(self.cloud)}
        return Evidence(
            accepted=self.accepted | self.workbenches.runs(runs),
            rejected={rejection_key(key) for key in self.rejected} | self.workbenches.rejected,
            rejections=traces.rejections(self.cloud),
            runs=runs,
            clusters=tuple(cluster for cluster in clusters if cluster.run_id not in self._orphans),
            orphans=tuple(cluster for cluster in clusters if cluster.run_id in self._orphans),
            slots=traces.slots(self.cloud),
            late_repairs=self._late_repairs,
            failures=self._failures(),
            max_clusters=max_clusters,
            max_eur_per_day=max_eur_per_day,
            poisoned=frozenset(self._poisoned),
            cancelled=frozenset(self.upgrade.cancelled | self.workbenches.cancelled),
            upgraded_at=self.upgrade.ended_at,
            unable_to_start={run for run, poison in self._poisoned.items() if not poison.lets_start},
            told=self._services.told(),
            passes=tuple(self._passes),
            moments=tuple(self._moments),
            workbenches={run: asked.workbench.hours for run, asked in self.workbenches.asked.items()},
            refused=frozenset(self.workbenches.refused),
            behind_door=self.workbenches.behind_door(),
            passwords=self.workbenches.passwords(),
        )

    def _failures(self) -> dict[str, int]:
        """How often everything that was to go wrong did."""
        return {
            **traces.failures(self.cloud),
            "event delivered again": self._mistreated["copies"],
            "event delivered again after its run had ended": self._mistreated["replays"],
            "manifest deleted": self._mistreated["deleted"],
            "manifest replaced by a newer version": self._mistreated["replaced"],
            "cluster that no run asked for": len(self._orphans),
            "reconciler begun beside another": overlapping(self._passes),
            **self.upgrade.effects(),
            **self.workbenches.effects(),
            **self._services.failures(self._drawn),
            **Counter(poison.value for poison in self._poisoned.values()),
        }

    def _events(self, uploads: list[Upload]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Upload everything; the deliveries of its events, shuffled: during the load test, and after it."""
        sequencers = (f"{number:016X}" for number in itertools.count(1))
        during: list[dict[str, Any]] = []
        after: list[dict[str, Any]] = []
        seen: set[str] = set()
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
                if upload.poison is not None:
                    self._poisons[identity] = upload.poison
            created = event("ObjectCreated:Put", self.cloud.bucket, upload.key, version, next(sequencers))
            during += [created] * upload.copies
            after += [created] * upload.replays
            self._mistreated.update(
                copies=upload.copies - 1,
                replays=upload.replays,
                deleted=upload.deleted,
                replaced=upload.key in seen,
            )
            seen.add(upload.key)
            if upload.deleted:
                marker = self._s3.delete_object(Bucket=self.cloud.bucket, Key=upload.key)["VersionId"]
                gone = "ObjectRemoved:DeleteMarkerCreated"
                during.append(event(gone, self.cloud.bucket, upload.key, marker, next(sequencers)))
        self._chance.shuffle(during)
        self._chance.shuffle(after)
        return during, after

    def _deliver(self, events: Sequence[dict[str, Any]]) -> None:
        with ThreadPoolExecutor(DELIVERIES_AT_ONCE) as pool:
            made = [pool.submit(self._deliver_one, one) for one in events]
            try:
                for done in made:
                    done.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _deliver_one(self, heard: dict[str, Any]) -> None:
        for _ in range(1 + LAMBDA_RETRIES):
            if (answer := self._invoke("launcher", heard)) is not None:
                outcomes = [result["outcome"] for result in answer]
                self.answers.update(outcomes)
                self.workbenches.heard(heard, outcomes)
                for result in answer:
                    self._poison(result["run_id"])
                return
        self._broken_off.append(heard)

    def _poison(self, run: str | None) -> None:
        """Do to a run that was accepted what is drawn for it, once. Not before the upgrade: in the older
        release one such run stopped all others, which is no fault of the newer."""
        if run is None or not self.upgrade.has_begun:
            return
        if (poison := self._poisons.pop(run, None)) is None:
            return
        plan = RunLayout("", run).plan
        match poison:
            case Poison.PLAN_SPOILED:
                self._s3.put_object(Bucket=self.cloud.bucket, Key=plan, Body=b"{")
            case Poison.PLAN_NEWER:
                body = json.load(self._s3.get_object(Bucket=self.cloud.bucket, Key=plan)["Body"])
                self._s3.put_object(
                    Bucket=self.cloud.bucket, Key=plan, Body=json.dumps({**body, "version": 2}).encode()
                )
            case Poison.REPORT_SPOILED:
                self.steps.spoiled.add(run)
            case Poison.RECORD_NEWER:
                traces.set_version(self.cloud, run, 2)
        self._poisoned[run] = poison

    def _invoke(self, function: str, payload: dict[str, Any]) -> Any:
        """The function's answer; None when it raised or was killed."""
        self.upgrade.invoked(function)
        name = self.cloud.outputs[f"{function}_function"]
        answer = self._lambda.invoke(FunctionName=name, Payload=json.dumps(payload))
        if "FunctionError" in answer:
            self.answers[f"{function} broke off"] += 1
            return None
        return json.loads(answer["Payload"].read())

    def _make_orphan(self, number: int) -> None:
        """A cluster that names a run which the ledger does not know, and that nobody may end."""
        identity = f"orphan-{number:012x}"
        tags = {RUN_TAG: identity, LEDGER_TAG: self.cloud.outputs["ledger_table"]}
        self._orphans.add(identity)
        function = self.cloud.outputs["launcher_function"]
        settings = self._lambda.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
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
                self._moments.append(traces.moment(self.cloud))
                began = time.time()
                if (answer := self._invoke("reconciler", {})) is not None:
                    self.repairs.update(answer["repaired"])
                    self.repairs.update(answer["dispatched"])
                self._passes.append((began, time.time()))
                self._moments.append(traces.moment(self.cloud))
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
        while open_runs := [run for run in traces.runs(self.cloud) if not run.closed or run.untold]:
            if time.monotonic() > deadline:
                some = ", ".join(f"{run.run_id} {run.states[-1]}" for run in open_runs[:5])
                raise NotOverError(
                    f"{len(open_runs)} runs have not ended, or are not told of, among them {some}"
                )
            time.sleep(POLL_SECONDS)
