"""What every Lambda does alike with a run: its record in the ledger, its slot, its plan and its status.

Each function may be cut off anywhere and called again, by anybody: what it does is done once, or done again
with the same effect.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from lambdas.contract.documents import UnreadableError, json_object
from lambdas.contract.plan import Plan, WorkbenchPlan, plan_from_json
from lambdas.contract.report import STEPS, StepReport
from lambdas.contract.run import RunRecord, RunState, Telling, is_terminal
from lambdas.contract.settings import Caps
from lambdas.contract.status import QueuePlace, Status, compose_status, timestamp
from lambdas.runs.admission import NOT_KNOWN_EUR, Wait, admit, release
from lambdas.runs.clocks import is_before
from lambdas.runs.endings import withdrawn
from lambdas.runs.ports import Ledger, Objects
from lambdas.runs.setbacks import described, set_back, waits

logger = logging.getLogger(__name__)

_Document = TypeVar("_Document")
_Done = TypeVar("_Done")

QUEUE_SHOWN = 20
"""So many queued runs are told their place; further behind it is not worth the requests."""
CLOSING_SECONDS = 60
"""How long whoever ended a run may take to close it, and to tell of it, before it is taken for dead (the
tracker's time-out)."""


@dataclass(frozen=True)
class RunDocuments:
    """What is kept of a run beside its record: the plan (None: there is none), and what steps reported.

    What is there and was not understood is missing here, and told in ``plan_unreadable`` or
    ``reports_unreadable``. People are told what can be read; what is decided by a document takes it from
    :meth:`sure_plan` or :meth:`sure_reports`.
    """

    plan: Plan | WorkbenchPlan | None
    reports: tuple[StepReport, ...]
    plan_unreadable: str | None = None
    reports_unreadable: tuple[str, ...] = ()

    def sure_plan(self) -> Plan | WorkbenchPlan | None:
        """The plan.

        Raises:
            UnreadableError: there is one, and it was not understood.
        """
        if self.plan_unreadable:
            raise UnreadableError(self.plan_unreadable)
        return self.plan

    def sure_reports(self) -> tuple[StepReport, ...]:
        """What the steps reported.

        Raises:
            UnreadableError: one of the reports was not understood.
        """
        if self.reports_unreadable:
            raise UnreadableError("; ".join(self.reports_unreadable))
        return self.reports


@dataclass(frozen=True)
class Skipped:
    """The run was not dealt with, for ``reason``, and the others were."""

    run_id: str
    reason: str


@dataclass(frozen=True)
class RunService:
    """``now`` gives Unix seconds."""

    objects: Objects
    ledger: Ledger
    now: Callable[[], float]

    def change(
        self, run_id: str, decide: Callable[[RunRecord], RunRecord]
    ) -> tuple[RunRecord | None, RunRecord | None]:
        """Replace a run's record by what ``decide`` makes of it, as often as others come first.

        Returns:
            The record before and after; the same one where ``decide`` returned it unchanged, and None
            where the ledger does not know the run.
        """
        while (seen := self.ledger.get(run_id)) is not None:
            after = decide(seen)
            if after == seen:
                return seen, seen
            if written := self.ledger.swap(seen, after):
                return seen, written
        return None, None

    def withdraw(self, run_id: str) -> RunRecord | None:
        """What becomes of a run whose manifest was deleted; None where the ledger does not know it."""
        before, after = self.change(run_id, lambda seen: withdrawn(seen, self.now()))
        if after is not None and after != before:
            # Withdrawn it is, whatever becomes of its status: the reconciler writes it again.
            self.guarded(run_id, lambda: self.publish(after))
        return after

    def admit(self, record: RunRecord, caps: Caps) -> Wait | None:
        """Take a slot, budget and a launch token for the run; or why it has to wait."""
        while True:
            seen = self.ledger.admissions()
            after = admit(seen, record.run_id, record.worst_case_eur, self.now(), caps)
            if isinstance(after, Wait):
                return after
            if self.ledger.swap_admissions(seen, after):
                return None

    def close(self, record: RunRecord) -> RunRecord | None:
        """Free the slot of a run that has ended, and make its record final.

        Returns:
            The record, for whoever closed it: they tell of the end, and have :data:`CLOSING_SECONDS` for it.
            None where somebody else closed it.
        """
        self.release(record.run_id, spent_eur(record))

        def closed(seen: RunRecord) -> RunRecord:
            if not needs_closing(seen):
                return seen
            lease_until = self.now() + CLOSING_SECONDS
            return dataclasses.replace(seen, closed=True, untold=tuple(Telling), lease_until=lease_until)

        before, after = self.change(record.run_id, closed)
        return after if before is not None and needs_closing(before) else None

    def publish(
        self, record: RunRecord, documents: RunDocuments | None = None, place: QueuePlace | None = None
    ) -> Status:
        """Write ``status.json`` for the run as it is now.

        Written again if the run moved meanwhile, so that the last of several concurrent writers is right.

        Args:
            record: the run as the caller knows it.
            documents: what belongs to it, where the caller has read that. Of a run that moved since, they
                are read again: whoever moved it may have seen more reports.
            place: where it stands while it is queued.
        """
        keys = record.layout
        read_at, written = record, None
        while (latest := self.ledger.get(record.run_id) or record) != written:
            if documents is None or latest != read_at:
                documents, read_at = self.documents(latest), latest
            status = self.status(latest, documents, place)
            self.objects.write(keys.status, status.to_json())
            written = latest
        return status

    def status(self, record: RunRecord, documents: RunDocuments, place: QueuePlace | None = None) -> Status:
        """The run's status as of now."""
        return compose_status(record, documents.plan, documents.reports, timestamp(self.now()), place)

    def publish_queue(self, wait: Wait | None, until: float) -> None:
        """Tell the first in the queue where they stand and what for, unless their status says it already, and
        as long as there is time (``until``: Unix seconds)."""
        for position, record in enumerate(self._head_of_queue(), start=1):
            if self.now() > until:
                return
            if not waits(record.setback, self.now()):
                self.guarded(record.run_id, partial(self._tell_place, record, QueuePlace(position, wait)))

    def _tell_place(self, record: RunRecord, place: QueuePlace) -> None:
        if _place_in(self.objects.read(record.layout.status)) != place:
            self.publish(record, place=place)

    def position(self, run_id: str) -> int | None:
        """The run's place in the queue, 1 is next; None where it is not among the first."""
        places = enumerate(self._head_of_queue(), start=1)
        return next((position for position, record in places if record.run_id == run_id), None)

    def _head_of_queue(self) -> Iterator[RunRecord]:
        return itertools.islice(self.ledger.queue(), QUEUE_SHOWN)

    def documents(self, record: RunRecord) -> RunDocuments:
        """The run's plan and reports as they are now."""
        keys = record.layout
        plan, plan_unreadable = self._read(keys.plan, plan_from_json)
        reports = [self._read(keys.step_report(step), StepReport.from_json) for step in STEPS]
        return RunDocuments(
            plan,
            tuple(report for report, _ in reports if report),
            plan_unreadable,
            tuple(why for _, why in reports if why),
        )

    def _read(self, key: str, parse: Callable[[bytes], _Document]) -> tuple[_Document | None, str | None]:
        """The document, or why it was not understood; neither where there is none."""
        body = self.objects.read(key)
        try:
            return (parse(body) if body else None), None
        except UnreadableError as error:
            return None, f"{key}: {error}"

    def guarded(self, run_id: str, action: Callable[[], _Done], *, noted: bool = True) -> _Done | Skipped:
        """What ``action`` returns, which is to concern this run alone.

        Whatever goes wrong in it is noted on the run's record, unless it says nothing of the run (``noted``
        False), and the run left alone for a while (:mod:`lambdas.runs.setbacks`): no other run waits for it.
        """
        try:
            return action()
        except Exception as error:  # the guard around each run is for all of them
            # Where in the code is of interest unless a document or record is at fault.
            trace = None if isinstance(error, UnreadableError) else error
            logger.warning("run %s was skipped: %s", run_id, described(error), exc_info=trace)
            if noted:
                self._note(run_id, error)
            return Skipped(run_id, described(error))

    def _note(self, run_id: str, error: Exception) -> None:
        def noted(seen: RunRecord) -> RunRecord:
            if waits(seen.setback, self.now()):
                return seen  # somebody who met it at the same time was first
            # A claim's lease stays: there may be a cluster. Whoever was telling of an end has stopped.
            lease_until = None if seen.closed else seen.lease_until
            setback = set_back(seen.setback, error, self.now())
            return dataclasses.replace(seen, setback=setback, lease_until=lease_until)

        # Also this may fail, of the same cause; then the pass alone says that the run was skipped.
        with contextlib.suppress(Exception):
            _, after = self.change(run_id, noted)
            if after is not None and isinstance(error, UnreadableError):
                self.publish(after)

    def give_way(self, run_id: str, is_idle: Callable[[RunRecord], bool]) -> None:
        """Let other runs have the place of one that holds it for nothing, and has not ended.

        In this order nobody can have admitted it anew in between: its claim would have changed the record,
        its admission the account.
        """
        while run_id in (admissions := self.ledger.admissions()).slots:
            record = self.ledger.get(run_id)
            if record is None or not is_idle(record):
                return
            if self.ledger.swap_admissions(admissions, release(admissions, run_id, spent_while_idle(record))):
                return

    def release(self, run_id: str, spent_eur: float) -> None:
        """Free the run's slot; nothing happens when it holds none."""
        while True:
            seen = self.ledger.admissions()
            after = release(seen, run_id, spent_eur)
            if after == seen or self.ledger.swap_admissions(seen, after):
                return


def spent_eur(record: RunRecord) -> float:
    """Of the worst case that was set aside for the run, what it used: all of it where that is not known."""
    had_none = not any(change.state is RunState.LAUNCHED for change in record.history)
    if had_none and record.cluster_id is None:
        return 0.0
    return record.worst_case_eur if record.actual_eur is None else record.actual_eur


def spent_while_idle(record: RunRecord) -> float:
    """Of the worst case that was set aside, what a run used that has no cluster, and has not ended: known as
    soon as its last attempt is over."""
    return spent_eur(record) if record.state is RunState.QUEUED else NOT_KNOWN_EUR


def _place_in(written: bytes | None) -> QueuePlace:
    """What a status says of the run's place, whoever wrote it; nothing where it is no status."""
    known = json_object(written)
    return QueuePlace(known.get("queue_position"), known.get("waits_for"))


def needs_closing(record: RunRecord) -> bool:
    """Whether the run has ended and not all that follows from it is done."""
    return is_terminal(record.state) and not record.closed


def is_left_open(record: RunRecord, now: float) -> bool:
    """Whether the run needs closing, and whoever ended it must have died over that."""
    return needs_closing(record) and now > record.changed_at + CLOSING_SECONDS


def is_left_untold(record: RunRecord, now: float) -> bool:
    """Whether the end of a closed run has still to be told, and nobody is at it."""
    return record.closed and bool(record.untold) and not is_before(now, record.lease_until, CLOSING_SECONDS)
