"""The use case: a manifest version was uploaded or deleted.

A good version becomes a run in the ledger, and from then on the ledger answers for it: it is dispatched at
once if its turn has come, else by the reconciler. So an event has to be repeated only as long as its run is
not in the ledger.

Order of events, each of which may be the last before a crash, and what a redelivery then finds:

1. read, parse, preflight        nothing happened: starts again
2. write plan                 the same bytes again
3. insert (conditional put)   the run is known: nothing to do
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lambdas.contract import layout
from lambdas.contract.manifest.faults import Fault, ManifestError
from lambdas.contract.manifest.json_reader import MAX_BYTES
from lambdas.contract.manifest.schema import Manifest, parse_manifest
from lambdas.contract.plan import ManifestRef
from lambdas.contract.run import (
    Change,
    RunRecord,
    RunState,
    ended,
    is_terminal,
    ordered,
    run_id,
)
from lambdas.contract.settings import LauncherSettings
from lambdas.contract.status import QueuePlace, timestamp
from lambdas.runs.dispatch import MANIFEST_DELETED, SUPERSEDED, Dispatched, Dispatcher
from lambdas.runs.planning import cost_fault, estimate_of, make_plan, offer_fault
from lambdas.runs.ports import Buckets, Newest
from lambdas.runs.preflight import preflight
from lambdas.runs.run_service import RunService

LAUNCH_RESERVE_SECONDS = 60
"""Time that counting images leaves for the launch itself."""


class Outcome(StrEnum):
    """What became of an upload."""

    LAUNCHED = "launched"
    QUEUED = "queued"
    """The run waits for its turn, or for a second look at a launch in doubt; the reconciler sees to it."""
    CANCELLED = "cancelled"
    """A later version, or the deletion, of the manifest was heard of before."""
    DUPLICATE = "duplicate"
    """The run is in the ledger already."""
    REJECTED = "rejected"
    REFUSED = "refused"
    """EMR refused the cluster; the run failed."""
    IGNORED = "ignored"
    DELETED = "deleted"
    """The event told of a deletion, which was noted."""


_OUTCOMES = {
    Dispatched.LAUNCHED: Outcome.LAUNCHED,
    Dispatched.ADOPTED: Outcome.LAUNCHED,
    Dispatched.REFUSED: Outcome.REFUSED,
    Dispatched.OBSOLETE: Outcome.CANCELLED,
}


@dataclass(frozen=True)
class Upload:
    """One object version of the data bucket that was created. ``time``: ISO 8601, of the event;
    ``sequencer``: S3's, by which events of one key are ordered."""

    key: str
    version_id: str
    time: str
    sequencer: str


@dataclass(frozen=True)
class Deletion:
    """An object of the data bucket, or the one version of it that ``version_id`` names, was deleted."""

    key: str
    version_id: str | None
    sequencer: str


@dataclass(frozen=True)
class Result:
    """What became of one event; ``detail`` is a sentence for the log."""

    outcome: Outcome
    detail: str
    dataset: str = "unknown"
    engine: str = "unknown"
    run_id: str | None = None
    others: Mapping[str, Dispatched] = field(default_factory=dict)
    """Runs that waited, and had their turn in front of this one."""


@dataclass(frozen=True)
class Launcher:
    """The use case with its collaborators."""

    settings: LauncherSettings
    runs: RunService
    buckets: Buckets
    dispatcher: Dispatcher

    def launch(self, upload: Upload, deadline: float) -> Result:
        """Launch, queue, reject or recognise. May be called any number of times, also at once.

        ``deadline`` (Unix seconds) is when this process ends at the latest.
        """
        source = ManifestRef(self.settings.data_bucket, upload.key, upload.version_id)
        body = self.runs.objects.read(upload.key, upload.version_id, max_bytes=MAX_BYTES + 1)
        if body is None:
            return Result(Outcome.IGNORED, f"{upload.key} version {upload.version_id} is deleted since")
        try:
            manifest = parse_manifest(body)
        except ManifestError as error:
            return self._reject(source, upload.sequencer, error.faults)
        identity = run_id(manifest.dataset, source.bucket, source.key, source.version_id)

        def result(outcome: Outcome, detail: str) -> Result:
            return Result(outcome, detail, manifest.dataset, manifest.engine, identity)

        if known := self.runs.ledger.get(identity):
            return result(Outcome.DUPLICATE, f"the run is {known.state} already")
        images_listed, faults = self._check(manifest, deadline)
        if faults:
            return self._reject(source, upload.sequencer, faults, manifest.dataset)
        worst_case_eur = estimate_of(manifest, images_listed, self.settings.region).worst_case_eur
        record = self._record(manifest, source, upload.sequencer, worst_case_eur)
        plan = make_plan(
            manifest,
            run_id=identity,
            source=source,
            submitted_at=upload.time,
            images_listed=images_listed,
            settings=self.settings,
        )
        self.runs.objects.write(plan.layout.plan, plan.to_json())
        if not self.runs.ledger.insert(record):
            return result(Outcome.DUPLICATE, "another delivery accepted the run just now")
        self._accepted(record)
        done, wait = self.dispatcher.dispatch(deadline, record)
        own = done.pop(identity, Dispatched.OVERTAKEN)
        outcome = _OUTCOMES.get(own, Outcome.QUEUED)
        if outcome is Outcome.QUEUED:
            self.runs.publish(record, QueuePlace(self.runs.position(identity), wait))
        return dataclasses.replace(result(outcome, wait or f"dispatched: {own}"), others=done)

    def delete(self, deletion: Deletion) -> Result:
        """Cancel the runs of a deleted manifest that have not launched; stop the others if it says so."""
        sequencer = ordered(deletion.sequencer)
        if deletion.version_id is None:
            self.runs.ledger.note(deletion.key, Newest(sequencer, deleted=True))
        for record in self.runs.ledger.active():
            one_of_them = deletion.version_id in (None, record.manifest_version_id)
            if record.manifest_key == deletion.key and one_of_them and record.sequencer < sequencer:
                self._withdraw(record.run_id)
        return Result(Outcome.DELETED, f"{deletion.key} was deleted")

    def _withdraw(self, identity: str) -> None:
        def withdrawn(record: RunRecord) -> RunRecord:
            if record.state is RunState.QUEUED:
                return ended(record, RunState.CANCELLED, MANIFEST_DELETED, self.runs.now())
            if record.stop_when_deleted and not is_terminal(record.state) and record.stopping is None:
                # The reconciler stops the cluster: this Lambda may not.
                return dataclasses.replace(
                    record, stopping=RunState.CANCELLED, **dataclasses.asdict(MANIFEST_DELETED)
                )
            return record

        before, after = self.runs.change(identity, withdrawn)
        if after is not None and after != before:
            self.runs.publish(after)

    def _record(
        self, manifest: Manifest, source: ManifestRef, sequencer: str, worst_case_eur: float
    ) -> RunRecord:
        now = self.runs.now()
        return RunRecord(
            run_id=run_id(manifest.dataset, source.bucket, source.key, source.version_id),
            dataset=manifest.dataset,
            state=RunState.QUEUED,
            manifest_bucket=source.bucket,
            manifest_key=source.key,
            manifest_version_id=source.version_id,
            sequencer=ordered(sequencer),
            accepted_at=now,
            max_runtime_minutes=manifest.limits.max_runtime_minutes,
            worst_case_eur=worst_case_eur,
            stop_when_deleted=manifest.when_deleted == "stop",
            history=(Change(RunState.QUEUED, now),),
        )

    def _accepted(self, record: RunRecord) -> None:
        """This version is a run now: it replaces older ones that wait, unless it is the older one itself."""
        key, ledger = record.manifest_key, self.runs.ledger
        is_first = ledger.newest(key) is None
        if not ledger.note(key, Newest(record.sequencer, deleted=False)):
            return
        if not self._is_rejected_since(key, record.sequencer):
            self.runs.objects.delete(layout.rejection_key(key))
        for other in () if is_first else ledger.active():
            if other.manifest_key == key and other.sequencer < record.sequencer:
                _, after = self.runs.change(other.run_id, self._superseded)
                if after is not None and after.reason == SUPERSEDED.reason:
                    self.runs.publish(after)

    def _superseded(self, record: RunRecord) -> RunRecord:
        if record.state is not RunState.QUEUED:
            return record
        return ended(record, RunState.CANCELLED, SUPERSEDED, self.runs.now())

    def _check(self, manifest: Manifest, deadline: float) -> tuple[int, tuple[Fault, ...]]:
        """The images counted, and what only this stack can find wrong with the manifest."""

        def out_of_time() -> bool:
            return self.runs.now() > deadline - LAUNCH_RESERVE_SECONDS

        counted = preflight(manifest.images, self.settings.data_bucket, self.buckets, out_of_time)
        images, region = counted.images_listed, self.settings.region
        offered = self.dispatcher.clusters.instance_types(self.settings.release_label)
        not_offered = offer_fault(manifest.cluster, offered, self.settings)
        faults = (*counted.faults, not_offered) if not_offered else counted.faults
        if not faults and (too_dear := cost_fault(manifest, images, region)):
            faults = (too_dear,)
        worst_case_eur = estimate_of(manifest, images, region).worst_case_eur
        if not faults and worst_case_eur > self.settings.caps.max_eur_per_day:
            faults = (_beyond_budget(worst_case_eur, self.settings.caps.max_eur_per_day),)
        return images, faults

    def _reject(
        self, source: ManifestRef, sequencer: str, faults: tuple[Fault, ...], dataset: str = "unknown"
    ) -> Result:
        detail = f"{len(faults)} faults; the first: {faults[0].path} {faults[0].problem}"
        if not self._is_rejected_since(source.key, ordered(sequencer)):
            rejection = {
                "manifest": dataclasses.asdict(source),
                "sequencer": ordered(sequencer),
                "rejected_at": timestamp(self.runs.now()),
                "faults": [dataclasses.asdict(fault) for fault in faults],
                "schema": "lambdas/contract/manifest/manifest.schema.json, version 1",
            }
            text = json.dumps(rejection, indent=2) + "\n"
            self.runs.objects.write(layout.rejection_key(source.key), text)
        return Result(Outcome.REJECTED, detail, dataset)

    def _is_rejected_since(self, key: str, sequencer: str) -> bool:
        """Whether a version of the manifest later than this one was rejected already."""
        body = self.runs.objects.read(layout.rejection_key(key))
        return body is not None and str(json.loads(body).get("sequencer", "")) > sequencer


def _beyond_budget(worst_case_eur: float, cap: float) -> Fault:
    return Fault(
        "$.limits.max_runtime_minutes",
        f"lets the run cost up to {worst_case_eur:.2f} EUR, and this stack may spend {cap:.2f} EUR a day, so "
        "its turn would never come",
        "Lower it, cluster.workers or the instance size, or raise fruits:maxEurPerDay of the stack.",
    )
