"""The use case: a manifest version was uploaded.

A good version becomes a run in the ledger, and from then on the ledger answers for it: it is dispatched at
once if its turn has come, else by the reconciler. So an event has to be repeated only as long as its run is
not in the ledger.

Order of events, each of which may be the last before a crash, and what a redelivery then finds:

1. read, parse, preflight        nothing happened: starts again
2. write plan                    the plan is there, and holds: rates may be known better by now
3. insert (conditional put)      the run is known: nothing to do
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from lambdas.contract.documents import UnreadableError
from lambdas.contract.manifest.faults import Fault, ManifestError
from lambdas.contract.manifest.json_reader import MAX_BYTES
from lambdas.contract.manifest.schema import Manifest, parse_either
from lambdas.contract.manifest.workbench import WorkbenchManifest
from lambdas.contract.metrics import WORKBENCH
from lambdas.contract.plan import ManifestRef, RunPlan, plan_from_json
from lambdas.contract.run import WORKBENCH_PREFIX, Change, RunRecord, RunState, ended, ordered, run_id
from lambdas.contract.settings import LauncherSettings
from lambdas.contract.status import QueuePlace
from lambdas.launcher import rejection
from lambdas.runs.admission import Wait
from lambdas.runs.cluster_port import Clusters
from lambdas.runs.dispatch import Dispatcher, Outcome
from lambdas.runs.endings import SUPERSEDED
from lambdas.runs.examination import examine
from lambdas.runs.planning import make_plan
from lambdas.runs.ports import Buckets, Newest
from lambdas.runs.run_service import RunService
from lambdas.runs.workbench_examination import examine_workbench, make_workbench_plan, notebooks_fault

LAUNCH_RESERVE_SECONDS = 60
"""Time that counting images leaves for the launch itself."""

TOLD_AS: Mapping[Outcome, Outcome] = {
    Outcome.ADOPTED: Outcome.LAUNCHED,
    Outcome.IN_DOUBT: Outcome.QUEUED,
    Outcome.OVERTAKEN: Outcome.QUEUED,
    Outcome.SKIPPED: Outcome.QUEUED,
}
"""How the turn of an upload's run is told of the upload, where that is not the turn's own outcome."""


@dataclass(frozen=True)
class Upload:
    """One object version of the data bucket that was created. ``time``: ISO 8601, of the event;
    ``sequencer``: S3's, by which events of one key are ordered."""

    key: str
    version_id: str
    time: str
    sequencer: str


@dataclass(frozen=True)
class Result:
    """What became of one event; ``detail`` is a sentence for the log."""

    outcome: Outcome
    detail: str
    dataset: str = "unknown"
    engine: str = "unknown"
    run_id: str | None = None
    others: Mapping[str, Outcome] = field(default_factory=dict)
    """Runs that waited, and had their turn in front of this one."""


@dataclass(frozen=True)
class Acceptor:
    """The use case with its collaborators."""

    settings: LauncherSettings
    runs: RunService
    buckets: Buckets
    clusters: Clusters
    dispatcher: Dispatcher

    def accept(self, upload: Upload, deadline: float) -> Result:
        """Launch, queue, reject or recognise. May be called any number of times, also at once.

        ``deadline`` (Unix seconds) is when this process ends at the latest.
        """
        source = ManifestRef(self.settings.data_bucket, upload.key, upload.version_id)
        body = self.runs.objects.read(upload.key, upload.version_id, max_bytes=MAX_BYTES + 1)
        if body is None:
            return Result(Outcome.IGNORED, f"{upload.key} version {upload.version_id} is deleted since")
        try:
            manifest = parse_either(body)
        except ManifestError as error:
            return self._reject(source, upload.sequencer, error.faults)
        named, engine = _named(manifest)
        identity = run_id(named, source.bucket, source.key, source.version_id)

        def result(outcome: Outcome, detail: str) -> Result:
            return Result(outcome, detail, named.removeprefix(WORKBENCH_PREFIX), engine, identity)

        try:
            known = self.runs.ledger.get(identity)
        except UnreadableError as error:
            return result(Outcome.DUPLICATE, f"the run is known already: {error}")
        if known is not None:
            newest = self.runs.ledger.newest(upload.key)
            if newest is None or newest.sequencer < known.sequencer:
                self._replace_older(known)  # the delivery that accepted it did not come so far
            return result(Outcome.DUPLICATE, f"the run is {known.state} already")
        made, faults, notes = self._plan(manifest, identity, source, upload.time, deadline)
        if faults:
            dataset = named.removeprefix(WORKBENCH_PREFIX)
            return self._reject(source, upload.sequencer, faults, dataset, notes)
        record = self._record(self._write(made), manifest, upload.sequencer)
        if not self.runs.ledger.insert(record):
            return result(Outcome.DUPLICATE, "another delivery accepted the run just now")
        self._replace_older(record)
        outcome, detail, others = self._begin(record, deadline)
        return dataclasses.replace(result(outcome, detail), others=others)

    def _begin(self, record: RunRecord, deadline: float) -> tuple[Outcome, str, Mapping[str, Outcome]]:
        """What becomes of a new run and why, and of those that waited in front of it."""
        run_id, version = record.run_id, record.manifest_version_id
        if self.runs.objects.read(record.manifest_key, version, max_bytes=1) is None:
            # When the version was deleted there was no run yet that the deletion could find.
            after = self.runs.withdraw(run_id)
            is_cancelled = after is not None and after.state is RunState.CANCELLED
            detail = f"{record.manifest_key} version {version} was deleted meanwhile"
            return Outcome.CANCELLED if is_cancelled else Outcome.QUEUED, detail, {}
        done, wait = self.dispatcher.dispatch(deadline, record)
        turn = done.pop(run_id, Outcome.OVERTAKEN)
        outcome = TOLD_AS.get(turn, turn)
        if outcome is Outcome.QUEUED:
            # The run is in the ledger, so its event need not come again, whatever becomes of its status.
            self.runs.guarded(run_id, lambda: self._tell_place(record, wait))
        return outcome, wait or f"dispatched: {turn}", done

    def _write(self, plan: RunPlan) -> RunPlan:
        """The plan that holds: this one, or what another delivery wrote, which may have launched by it."""
        key = plan.layout.plan
        if self.runs.objects.create(key, plan.to_json()):
            return plan
        written = self.runs.objects.read(key)
        with contextlib.suppress(UnreadableError):
            if written and (earlier := plan_from_json(written)).cluster and earlier.estimate:
                return earlier
        self.runs.objects.write(key, plan.to_json())
        return plan

    def _tell_place(self, record: RunRecord, wait: Wait | None) -> None:
        self.runs.publish(record, place=QueuePlace(self.runs.position(record.run_id), wait))

    def _plan(
        self,
        manifest: Manifest | WorkbenchManifest,
        identity: str,
        source: ManifestRef,
        submitted_at: str,
        deadline: float,
    ) -> tuple[RunPlan, tuple[Fault, ...], tuple[str, ...]]:
        """What the run would be; what only this stack can find wrong with it, in which case it is not to be;
        and what was seen of the images besides."""
        settings, ledger, times = (
            self.settings,
            self.runs.ledger,
            {"run_id": identity, "submitted_at": submitted_at},
        )
        if isinstance(manifest, WorkbenchManifest):
            seen = examine_workbench(manifest, settings, ledger, self.buckets, self.clusters, source.key)
            bench = make_workbench_plan(manifest, seen, source=source, settings=settings, **times)
            name = manifest.workbench.name
            # Not of a stack without a door, whose launcher may not write there.
            kept = None if seen.faults else notebooks_fault(self.runs.objects, source.bucket, name)
            return bench, (*seen.faults, *([kept] if kept else [])), ()

        def out_of_time() -> bool:
            return self.runs.now() > deadline - LAUNCH_RESERVE_SECONDS

        found = examine(manifest, settings, self.buckets, self.clusters, ledger.measured(), out_of_time)
        plan = make_plan(
            manifest,
            source=source,
            listing=found.listing,
            choice=found.choice,
            expected=found.expected,
            settings=settings,
            **times,
        )
        return plan, found.faults, found.notes

    def _reject(
        self,
        source: ManifestRef,
        sequencer: str,
        faults: tuple[Fault, ...],
        dataset: str = "unknown",
        notes: tuple[str, ...] = (),
    ) -> Result:
        rejection.write(self.runs.objects, source, ordered(sequencer), faults, notes, self.runs.now())
        detail = f"{len(faults)} faults; the first: {faults[0].path} {faults[0].problem}"
        return Result(Outcome.REJECTED, detail, dataset)

    def _record(self, plan: RunPlan, manifest: Manifest | WorkbenchManifest, sequencer: str) -> RunRecord:
        now, source = self.runs.now(), plan.manifest
        of_workbench = manifest.workbench if isinstance(manifest, WorkbenchManifest) else None
        return RunRecord(
            run_id=plan.run_id,
            dataset=plan.dataset,
            state=RunState.QUEUED,
            manifest_bucket=source.bucket,
            manifest_key=source.key,
            manifest_version_id=source.version_id,
            sequencer=ordered(sequencer),
            accepted_at=now,
            max_runtime_minutes=plan.max_runtime_minutes,
            worst_case_eur=plan.estimate.worst_case_eur if plan.estimate else 0.0,
            stop_when_deleted=manifest.when_deleted == "stop",
            idle_minutes=of_workbench.idle_minutes if of_workbench else None,
            history=(Change(RunState.QUEUED, now),),
        )

    def _replace_older(self, record: RunRecord) -> None:
        """This version is a run now: it replaces older ones that wait, unless it is the older one itself."""
        key, ledger = record.manifest_key, self.runs.ledger
        is_first = ledger.newest(key) is None
        if not ledger.note(key, Newest(record.sequencer, deleted=False)):
            return
        rejection.remove(self.runs.objects, key, record.sequencer)
        for other in () if is_first else ledger.active():
            if other.manifest_key == key and other.sequencer < record.sequencer:
                _, after = self.runs.change(other.run_id, self._superseded)
                if after is not None and after.reason == SUPERSEDED.reason:
                    self.runs.guarded(after.run_id, partial(self.runs.publish, after))

    def _superseded(self, record: RunRecord) -> RunRecord:
        if record.state is not RunState.QUEUED:
            return record
        return ended(record, RunState.CANCELLED, SUPERSEDED, self.runs.now())


def _named(manifest: Manifest | WorkbenchManifest) -> tuple[str, str]:
    """What the run's id begins with, and what metrics call its engine."""
    if isinstance(manifest, WorkbenchManifest):
        return f"{WORKBENCH_PREFIX}{manifest.workbench.name}", WORKBENCH
    return manifest.dataset, manifest.engine
