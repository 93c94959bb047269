"""What every Lambda does alike with a run: its record in the ledger, its slot, its plan and its status.

Each function may be cut off anywhere and called again, by anybody: what it does is done once, or done again
with the same effect.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lambdas.contract.plan import Plan
from lambdas.contract.report import STEPS, StepReport
from lambdas.contract.run import RunRecord, RunState, is_terminal
from lambdas.contract.settings import Caps
from lambdas.contract.status import QueuePlace, Status, compose_status, timestamp
from lambdas.runs.admission import Wait, admit, release
from lambdas.runs.ports import Ledger, Objects

SECONDS_A_MINUTE = 60
QUEUE_SHOWN = 20
"""So many queued runs are told their place; further behind it is not worth the requests."""
CLOSING_SECONDS = 60
"""How long whoever ended a run may take to close it, before it is taken for dead (the tracker's time-out)."""


@dataclass(frozen=True)
class RunDocuments:
    """What is kept of a run beside its record: the plan (None: there is none), and what steps reported."""

    plan: Plan | None
    reports: tuple[StepReport, ...]


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

    def admit(self, record: RunRecord, caps: Caps) -> Wait | None:
        """Take a slot, budget and a launch token for the run; or why it has to wait."""
        while True:
            seen = self.ledger.admissions()
            after = admit(seen, record.run_id, record.worst_case_eur, self.now(), caps)
            if isinstance(after, Wait):
                return after
            if self.ledger.swap_admissions(seen, after):
                return None

    def close(self, record: RunRecord, documents: RunDocuments, tell: Callable[[Status], None]) -> Status:
        """Everything that follows from a run's end: status, message (``tell``), slot. Then it is closed.

        Closing comes last, so a run whose closing was cut off stays listed as active and is closed later.
        """
        status = self.publish(record, documents)
        tell(status)
        self.release(record.run_id, spent_eur(record))
        self.change(record.run_id, lambda seen: dataclasses.replace(seen, closed=True))
        return status

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
            status = compose_status(latest, documents.plan, documents.reports, timestamp(self.now()), place)
            self.objects.write(keys.status, status.to_json())
            written = latest
        return status

    def publish_queue(self, wait: Wait | None) -> None:
        """Tell the first in the queue where they stand and what for, unless their status says it already."""
        for position, record in enumerate(self._head_of_queue(), start=1):
            place = QueuePlace(position, wait)
            written = self.objects.read(record.layout.status)
            known = json.loads(written) if written else {}
            if (known.get("queue_position"), known.get("waits_for")) != (place.position, place.waits_for):
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
        plan = self.objects.read(keys.plan)
        reports = (self.objects.read(keys.step_report(step)) for step in STEPS)
        return RunDocuments(
            plan=Plan.from_json(plan) if plan else None,
            reports=tuple(StepReport.from_json(report) for report in reports if report),
        )

    def release(self, run_id: str, spent_eur: float) -> None:
        """Free the run's slot; nothing happens when it holds none."""
        while True:
            seen = self.ledger.admissions()
            after = release(seen, run_id, spent_eur)
            if after == seen or self.ledger.swap_admissions(seen, after):
                return


def spent_eur(record: RunRecord) -> float:
    """Of the worst case that was set aside for the run, what it used: all of it where that is not known."""
    if not any(change.state is RunState.LAUNCHED for change in record.history):
        return 0.0
    return record.worst_case_eur if record.actual_eur is None else record.actual_eur


def needs_closing(record: RunRecord) -> bool:
    """Whether the run has ended and not all that follows from it is done."""
    return is_terminal(record.state) and not record.closed


def is_left_open(record: RunRecord, now: float) -> bool:
    """Whether the run needs closing, and whoever ended it must have died over that."""
    return needs_closing(record) and now > record.changed_at + CLOSING_SECONDS
