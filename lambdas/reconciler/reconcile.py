"""The use case: look at the ledger and at EMR, repair what does not agree, start what may start."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from lambdas.contract.documents import UnreadableError
from lambdas.contract.run import (
    ON_CLUSTER,
    TRANSITIONS,
    Ending,
    RunRecord,
    RunState,
    ended,
    is_terminal,
    moved,
    stopping,
)
from lambdas.reconciler.looking import NO_TIME, TURN_FAILED, Look, look
from lambdas.reconciler.repairs import (
    Close,
    GiveUp,
    GiveUpTelling,
    Release,
    Repair,
    Requeue,
    Salvage,
    SetBack,
    Stop,
    StopOrphan,
    Tell,
    Track,
    is_being_launched,
)
from lambdas.runs.admission import Wait, release
from lambdas.runs.clocks import SECONDS_A_DAY
from lambdas.runs.cluster_port import Clusters
from lambdas.runs.dispatch import LEASE_SECONDS, Dispatcher, Outcome
from lambdas.runs.ports import UnreadableRecord
from lambdas.runs.run_service import RunService, Skipped, spent_while_idle
from lambdas.runs.setbacks import is_hopeless, set_back, waits
from lambdas.runs.tracking import Tracker

REPAIR_RESERVE_SECONDS = 2 * LEASE_SECONDS
"""Time that repairs leave for the queue: nobody in it waits because others are slow to repair."""
ALL_RUNS = "all runs"
"""In place of an id, among what was skipped: a part of the pass that failed for what runs share."""

_Done = TypeVar("_Done")


@dataclass(frozen=True)
class Gauges:
    """The state of the stack after the repairs. None: the ledger did not tell."""

    paused: bool | None
    """Whether people have paused launching."""
    queued: int | None
    on_cluster: int | None
    oldest_seconds: float | None
    """Age of the oldest active run."""
    skipped: int
    """Runs that something was wrong with in this pass, or that are left alone since an earlier one."""
    orphans: int
    """Clusters without a run that were found, and stopped."""
    overdue: int
    """Clusters older than their run allows that were found, and stopped."""
    certificate_days: float
    """How long the certificate of the clusters' nodes still holds; negative when it has ended."""


@dataclass(frozen=True)
class Reconciliation:
    """What one pass found and did. ``wait``: why the queue did not empty, None if it did."""

    repairs: tuple[Repair, ...]
    dispatched: Mapping[str, Outcome]
    """What became of each run that had its turn."""
    wait: Wait | None
    gauges: Gauges
    skipped: Mapping[str, str]
    """Why each run that was not dealt with was not, by its id."""


@dataclass(frozen=True)
class Reconciler:
    """The use case with its collaborators."""

    runs: RunService
    clusters: Clusters
    dispatcher: Dispatcher
    tracker: Tracker
    ledger_table: str
    """By which clusters of this stack are told from those of others."""
    certificate_expires_at: float
    """Unix seconds."""

    def reconcile(self, deadline: float) -> Reconciliation:
        """One pass. May be cut off, repeated, and run several times at once.

        ``deadline`` (Unix seconds) is when this process ends at the latest.
        """
        until = deadline - REPAIR_RESERVE_SECONDS
        skipped, done = dict[str, str](), list[Repair]()
        looking = partial(look, self.runs, self.clusters, self.ledger_table, until)
        seen = self._shared(looking, skipped) or Look((), {})
        skipped |= seen.left_out
        # Stopping, freeing and starting first: nobody waits for what is only told.
        tells = [repair for repair in seen.repairs if isinstance(repair, Tell)]
        others = [repair for repair in seen.repairs if not isinstance(repair, Tell)]
        self._repair(others, until, skipped, done)
        dispatched, wait = self._shared(partial(self.dispatcher.dispatch, deadline), skipped) or ({}, None)
        self._shared(partial(self.runs.publish_queue, wait, until=deadline - LEASE_SECONDS), skipped)
        self._repair(tells, until, skipped, done)
        for run_id, outcome in dispatched.items():
            if outcome is Outcome.SKIPPED:
                skipped.setdefault(run_id, TURN_FAILED)
        gauges = self._shared(partial(self._gauges, seen.repairs, skipped), skipped)
        return Reconciliation(
            repairs=tuple(done),
            dispatched=dispatched,
            wait=wait,
            gauges=gauges or self._unknown(seen.repairs, len(skipped)),
            skipped=skipped,
        )

    def _shared(self, part: Callable[[], _Done], skipped: dict[str, str]) -> _Done | None:
        """A part of the pass; None where what all runs share failed under it. The other parts go on."""
        did = self.runs.guarded(ALL_RUNS, part, noted=False)
        if isinstance(did, Skipped):
            skipped[ALL_RUNS] = did.reason
            return None
        return did

    def _repair(
        self, repairs: Iterable[Repair], until: float, skipped: dict[str, str], done: list[Repair]
    ) -> None:
        """Do them one after the other, while there is time; note why one was not done."""
        for repair in repairs:
            if self.runs.now() > until:
                skipped[repair.run_id] = NO_TIME
                continue
            # A stranger's trouble is not that of the run which it names.
            noted = not isinstance(repair, StopOrphan | Release)
            did = self.runs.guarded(repair.run_id, partial(self._do, repair), noted=noted)
            if isinstance(did, Skipped):
                skipped[repair.run_id] = did.reason
            else:
                done.append(repair)

    def _do(self, repair: Repair) -> None:
        match repair:
            case Track(_, cluster_id):
                self.tracker.track(cluster_id)
            case Requeue(run_id, lease_until):
                self._requeue(run_id, lease_until)
            case Stop(run_id, cluster_id, why, _, leads_to):
                self._stop(run_id, cluster_id, why, leads_to)
            case StopOrphan(_, cluster_id):
                self.clusters.terminate(cluster_id)
            case Release(run_id):
                self.runs.release(run_id, spent_eur=0.0)
            case SetBack(_, record, is_idle):
                self._set_back(record, is_idle=is_idle)
            case _:
                self._finish(repair)

    def _finish(self, repair: GiveUp | Salvage | Close | Tell | GiveUpTelling) -> None:
        """What ends runs, and what follows from their end."""
        match repair:
            case GiveUp(run_id, why):
                self._give_up(run_id, why)
            case Salvage(_, record, why):
                self._salvage(record, why)
            case Close(run_id):
                if (ended_run := self.runs.ledger.get(run_id)) is not None:
                    self.tracker.teller.close(ended_run)
            case Tell(run_id):
                self.tracker.teller.tell(run_id)
            case GiveUpTelling(run_id):
                self.tracker.teller.give_up(run_id)

    def _requeue(self, run_id: str, lease_until: float | None) -> None:
        def requeued(record: RunRecord) -> RunRecord:
            # Another lease is another claim, which is alive.
            if record.state is not RunState.CLAIMED or record.lease_until != lease_until:
                return record
            return moved(record, RunState.QUEUED, self.runs.now())

        self.runs.change(run_id, requeued)

    def _stop(self, run_id: str, cluster_id: str, why: Ending | None, leads_to: RunState) -> None:
        def stopped(record: RunRecord) -> RunRecord:
            if record.stopping is not None or record.cluster_id != cluster_id or why is None:
                return record
            return stopping(record, leads_to, why)

        # First the reason, then the stop: the tracker may hear of the end at once.
        _, record = self.runs.change(run_id, stopped)
        if record is not None and record.cluster_id == cluster_id:
            self.clusters.terminate(cluster_id)

    def _give_up(self, run_id: str, why: Ending) -> None:
        def given_up(record: RunRecord) -> RunRecord:
            now = self.runs.now()
            if is_terminal(record.state) or is_being_launched(record, now):
                return record
            if record.state not in ON_CLUSTER and not is_hopeless(record.setback):
                return record
            return _given_up(record, why, now)

        _, record = self.runs.change(run_id, given_up)
        if record is not None and is_terminal(record.state):
            self.tracker.teller.close(record)

    def _set_back(self, record: UnreadableRecord, *, is_idle: bool) -> None:
        ledger, salvaged = self.runs.ledger, record.salvaged
        # In this order for the reason that RunService.give_way tells.
        admissions = ledger.admissions()
        setback = set_back(salvaged.setback, UnreadableError(record.problem), self.runs.now())
        if ledger.set_back(record, setback) and is_idle:
            ledger.swap_admissions(
                admissions, release(admissions, salvaged.run_id, spent_while_idle(salvaged))
            )

    def _salvage(self, record: UnreadableRecord, why: Ending) -> None:
        # From here on it can be read, so what has still to be told of an end is no longer hopeless.
        after = dataclasses.replace(record.salvaged, setback=None)
        if not is_terminal(after.state):
            after = _given_up(after, why, self.runs.now())
        if self.runs.ledger.salvage(record, after):
            self.tracker.teller.close(after)

    def _gauges(self, found: Sequence[Repair], skipped: dict[str, str]) -> Gauges:
        """Of the ledger as it is now; who is left alone by it is ``skipped``, too."""
        ledger, now = self.runs.ledger, self.runs.now()
        active = ledger.active()
        skipped |= _left_alone(active, ledger.unreadable(), now)
        states = Counter(record.state for record in active)
        return dataclasses.replace(
            self._unknown(found, len(skipped)),
            paused=ledger.admissions().paused is not None,
            queued=states[RunState.QUEUED],
            on_cluster=sum(states[state] for state in ON_CLUSTER),
            oldest_seconds=max(
                (now - record.accepted_at for record in active if not record.closed), default=0.0
            ),
        )

    def _unknown(self, found: Sequence[Repair], skipped: int) -> Gauges:
        """What is known without the ledger."""
        return Gauges(
            paused=None,
            queued=None,
            on_cluster=None,
            oldest_seconds=None,
            skipped=skipped,
            orphans=sum(isinstance(repair, StopOrphan) for repair in found),
            overdue=sum(isinstance(repair, Stop) and repair.overdue for repair in found),
            certificate_days=(self.certificate_expires_at - self.runs.now()) / SECONDS_A_DAY,
        )


def _given_up(record: RunRecord, why: Ending, now: float) -> RunRecord:
    """The end of a run that nothing more is tried with: that of its stop, where it was to be stopped."""
    if record.stopping is None or record.stopping not in TRANSITIONS[record.state]:
        return ended(record, RunState.FAILED, why, now)
    return moved(record, record.stopping, now)  # keeps the reason of the stop


def _left_alone(
    active: Iterable[RunRecord], unreadable: Iterable[UnreadableRecord], now: float
) -> dict[str, str]:
    """Why each run that is left alone for a while is, by its id."""
    waiting = {r.run_id: r.setback.reason for r in active if r.setback and waits(r.setback, now)}
    return waiting | {record.salvaged.run_id: record.problem for record in unreadable}
