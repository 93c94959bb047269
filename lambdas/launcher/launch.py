"""The use case: a manifest version was uploaded, and exactly one cluster is to compute it.

Order of events, each of which may be the last before a crash, and what a redelivery then finds:

1. read, parse, survey        nothing happened: starts again
2. claim (conditional put)    stands back until the lease ends, then takes over
3. write plan and status      the same bytes again
4. RunJobFlow                 finds the cluster by its name and adopts it
5. record the cluster         the run is launched: nothing to do
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from lambdas.contract import layout
from lambdas.contract.faults import Fault, ManifestError
from lambdas.contract.jsontext import MAX_BYTES
from lambdas.contract.manifest import Manifest, parse_manifest
from lambdas.contract.plan import ManifestRef, Plan
from lambdas.contract.run import Ending, FailureKind, RunRecord, RunState, cluster_name, run_id
from lambdas.contract.settings import LauncherSettings
from lambdas.contract.status import compose_status, timestamp
from lambdas.launcher.cluster import run_job_flow
from lambdas.launcher.planning import cost_fault, make_plan
from lambdas.launcher.survey import Survey, survey
from lambdas.ports import Buckets, Clusters, LaunchInDoubtError, LaunchRefusedError, Ledger, Objects

LEASE_SECONDS = 50
"""How long a claim is presumed alive. From claim to cluster takes seconds; less than the minute that Lambda
waits before it repeats a failed asynchronous invocation, so that the repetition may take over."""
LAUNCH_CALL_SECONDS = 25
"""The longest that RunJobFlow may take (the client's timeouts). It is not begun later than this before the
lease ends, so whoever takes over afterwards is alone."""
LAUNCH_RESERVE_SECONDS = 60
"""Time that counting images leaves for the launch itself."""
CLOCK_SKEW_SECONDS = 300
"""By how much EMR's clock and ours may differ when a cluster is looked up by its creation time."""


class Outcome(StrEnum):
    """What became of an upload."""

    LAUNCHED = "launched"
    ADOPTED = "adopted"
    """An earlier delivery had made the cluster, and could not record it."""
    DUPLICATE = "duplicate"
    """The run was launched, or ended, before."""
    STOOD_BACK = "stood_back"
    """Another delivery is at it right now."""
    REJECTED = "rejected"
    REFUSED = "refused"
    """EMR refused the cluster; the run failed."""
    IGNORED = "ignored"


@dataclass(frozen=True)
class Upload:
    """One object version of the data bucket that was created. ``time``: ISO 8601, of the event."""

    key: str
    version_id: str
    time: str


@dataclass(frozen=True)
class Result:
    """What became of one upload; ``detail`` is a sentence for the log."""

    outcome: Outcome
    detail: str
    dataset: str = "unknown"
    engine: str = "unknown"
    run_id: str | None = None
    cluster_id: str | None = None


class LaunchDelayedError(RuntimeError):
    """The launch may or may not have happened. The claim is free again: the event must be redelivered."""


@dataclass(frozen=True)
class _Request:
    """A valid manifest on its way. ``deadline`` (Unix seconds) is when this process ends at the latest."""

    manifest: Manifest
    source: ManifestRef
    submitted_at: str
    deadline: float

    @property
    def run_id(self) -> str:
        return run_id(self.manifest.dataset, self.source.bucket, self.source.key, self.source.version_id)

    def result(self, outcome: Outcome, detail: str, cluster_id: str | None = None) -> Result:
        return Result(outcome, detail, self.manifest.dataset, self.manifest.engine, self.run_id, cluster_id)


@dataclass(frozen=True)
class Launcher:
    """The use case with its collaborators. ``now`` gives Unix seconds."""

    settings: LauncherSettings
    objects: Objects
    buckets: Buckets
    ledger: Ledger
    clusters: Clusters
    now: Callable[[], float]

    def launch(self, upload: Upload, deadline: float) -> Result:
        """Launch, reject or recognise. May be called any number of times with one upload, also at once.

        ``deadline`` (Unix seconds) is when this process ends at the latest.

        Raises:
            LaunchDelayedError: EMR gave no clear answer; call again later.
        """
        source = ManifestRef(self.settings.data_bucket, upload.key, upload.version_id)
        body = self.objects.read(upload.key, upload.version_id, max_bytes=MAX_BYTES + 1)
        if body is None:
            return Result(Outcome.IGNORED, f"{upload.key} version {upload.version_id} is deleted since")
        try:
            manifest = parse_manifest(body)
        except ManifestError as error:
            return self._reject(source, error.faults)
        request = _Request(manifest, source, upload.time, deadline)
        record = self.ledger.get(request.run_id)
        return self._first_launch(request) if record is None else self._relaunch(request, record)

    def _first_launch(self, request: _Request) -> Result:
        counted = self._survey(request)
        if counted.faults:
            return self._reject(request.source, counted.faults, request.manifest.dataset)
        claimed = RunRecord(
            run_id=request.run_id,
            dataset=request.manifest.dataset,
            state=RunState.CLAIMED,
            manifest_bucket=request.source.bucket,
            manifest_key=request.source.key,
            manifest_version_id=request.source.version_id,
            claimed_at=self.now(),
            lease_until=self.now() + LEASE_SECONDS,
        )
        if not self.ledger.claim(claimed):
            return request.result(Outcome.STOOD_BACK, "another delivery claimed the run just now")
        return self._create_cluster(request, claimed, counted.images_listed)

    def _relaunch(self, request: _Request, record: RunRecord) -> Result:
        """The run has a record: recognise it, or finish what an earlier delivery began."""
        if record.state is not RunState.CLAIMED:
            detail = f"the run is {record.state} already"
            return request.result(Outcome.DUPLICATE, detail, record.cluster_id)
        if self.now() < record.lease_until:
            return request.result(Outcome.STOOD_BACK, "another delivery is launching the run")
        claimed = self._lease(record)
        if claimed is None:
            return request.result(Outcome.STOOD_BACK, "another delivery took the run over just now")
        if cluster_id := self._find_cluster(claimed):
            return self._launched(request, cluster_id, Outcome.ADOPTED)
        counted = self._survey(request)
        if counted.faults:
            ending = Ending(
                "MANIFEST_REJECTED", str(counted.faults[0]), "See the rejection.", FailureKind.USER
            )
            self.ledger.enter(request.run_id, RunState.FAILED, ending=ending)
            return self._reject(request.source, counted.faults, request.manifest.dataset)
        claimed = self._lease(claimed)  # counting may have used the first one up
        if claimed is None:
            return request.result(Outcome.STOOD_BACK, "another delivery took the run over meanwhile")
        return self._create_cluster(request, claimed, counted.images_listed)

    def _lease(self, seen: RunRecord) -> RunRecord | None:
        """A fresh lease for us; None when somebody else was faster."""
        until = self.now() + LEASE_SECONDS
        return dataclasses.replace(seen, lease_until=until) if self.ledger.move_lease(seen, until) else None

    def _create_cluster(self, request: _Request, claimed: RunRecord, images_listed: int) -> Result:
        try:
            return self._plan_and_launch(request, claimed, images_listed)
        except Exception:
            # Free the claim at once, so that the repetition of this event need not stand back.
            self.ledger.move_lease(claimed, self.now())
            raise

    def _plan_and_launch(self, request: _Request, claimed: RunRecord, images_listed: int) -> Result:
        plan = make_plan(
            request.manifest,
            run_id=request.run_id,
            source=request.source,
            submitted_at=request.submitted_at,
            images_listed=images_listed,
            settings=self.settings,
        )
        self.objects.write(plan.layout.plan, plan.to_json())
        # Of an earlier version under the same name; this one is not wrong.
        self.objects.delete(layout.rejection_key(request.source.key))
        if self.now() > claimed.lease_until - LAUNCH_CALL_SECONDS:
            raise LaunchDelayedError(f"run {request.run_id} is not launched yet: its claim is too old")
        try:
            cluster_id = self.clusters.launch(run_job_flow(plan, request.manifest.cluster, self.settings))
        except LaunchRefusedError as error:
            return self._refused(request, plan, error)
        except LaunchInDoubtError as error:
            adopted = self._find_cluster(claimed)
            if adopted is None:
                raise LaunchDelayedError(f"run {request.run_id} is not launched yet: {error}") from error
            return self._launched(request, adopted, Outcome.ADOPTED, plan)
        return self._launched(request, cluster_id, Outcome.LAUNCHED, plan)

    def _survey(self, request: _Request) -> Survey:
        def out_of_time() -> bool:
            return self.now() > request.deadline - LAUNCH_RESERVE_SECONDS

        counted = survey(request.manifest.images, self.settings.data_bucket, self.buckets, out_of_time)
        if counted.faults:
            return counted
        fault = cost_fault(request.manifest, counted.images_listed, self.settings.region)
        return dataclasses.replace(counted, faults=(fault,) if fault else ())

    def _find_cluster(self, record: RunRecord) -> str | None:
        return self.clusters.find(cluster_name(record.run_id), record.claimed_at - CLOCK_SKEW_SECONDS)

    def _launched(
        self, request: _Request, cluster_id: str, outcome: Outcome, plan: Plan | None = None
    ) -> Result:
        # False when the tracker heard of the cluster before we could record it, which is as good.
        self.ledger.enter(request.run_id, RunState.LAUNCHED, cluster_id=cluster_id)
        self._first_status(request, plan)
        return request.result(outcome, f"cluster {cluster_id}", cluster_id)

    def _refused(self, request: _Request, plan: Plan, error: LaunchRefusedError) -> Result:
        ending = Ending(
            reason=error.code,
            message=f"EMR refused to create the cluster: {error.message}",
            remedy="Check cluster.instance_types and the stack's configuration (roles, subnets, release); "
            "then upload the manifest again.",
            kind=FailureKind.OURS,
        )
        self.ledger.enter(request.run_id, RunState.FAILED, ending=ending)
        self._first_status(request, plan)
        return request.result(Outcome.REFUSED, str(error))

    def _first_status(self, request: _Request, plan: Plan | None) -> None:
        record = self.ledger.get(request.run_id)
        if record is None:
            return
        status = compose_status(record, plan, (), timestamp(self.now()))
        # Only if there is none: the tracker may have written a later one meanwhile.
        self.objects.create(layout.RunLayout(record.dataset, record.run_id).status, status.to_json())

    def _reject(self, source: ManifestRef, faults: tuple[Fault, ...], dataset: str = "unknown") -> Result:
        rejection = {
            "manifest": dataclasses.asdict(source),
            "rejected_at": timestamp(self.now()),
            "faults": [dataclasses.asdict(fault) for fault in faults],
            "schema": "lambdas/contract/manifest.schema.json, version 1",
        }
        self.objects.write(layout.rejection_key(source.key), json.dumps(rejection, indent=2) + "\n")
        detail = f"{len(faults)} faults; the first: {faults[0].path} {faults[0].problem}"
        return Result(Outcome.REJECTED, detail, dataset)
