"""The use case: a run has ended, and those who wait for it learn of it: status, metrics, message.

By then its slot is free and its record final, so nothing that goes wrong here holds up another run. Each of
the three may fail by itself, is repeated until it is done, and not after that:

- the status is the same object again;
- the metrics are noted as told before they are emitted: at most once, since they are added up;
- the message is noted as told after it was sent: whoever is killed, or left without an answer, in between
  sends it again. Its subject, which names run and end, is the same then, and no other message's.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lambdas.contract.run import RunRecord, Telling, is_workbench
from lambdas.contract.status import Status
from lambdas.runs import notification
from lambdas.runs.door import Door
from lambdas.runs.ports import Meter, Topic
from lambdas.runs.run_metrics import of_ended_run
from lambdas.runs.run_service import CLOSING_SECONDS, RunDocuments, RunService, Skipped, is_left_untold
from lambdas.runs.setbacks import described, waits


@dataclass(frozen=True)
class Teller:
    """The use case with its collaborators."""

    runs: RunService
    door: Door
    topic: Topic
    meter: Meter

    def close(self, record: RunRecord, documents: RunDocuments | None = None) -> Status | Skipped | None:
        """Close the run, and tell of its end; None where somebody else does.

        ``documents``: the run's, where the caller has read them.
        """
        if is_workbench(record.run_id):
            # Before its place is free: what is next behind the door must not be shown to this one's guests.
            self.lock(record)
            self.door.forget_password(record.run_id)
        closed = self.runs.close(record)
        return None if closed is None else self._guarded(closed, documents)

    def lock(self, record: RunRecord) -> None:
        """See that the door does not lead to the workbench's cluster any more."""
        if record.door is not None:
            self.door.close(record.door)

    def tell(self, run_id: str) -> Status | Skipped | None:
        """Go on telling of the end of a closed run where that was cut off, or failed; None where there is
        nothing to do, or somebody is at it."""

        def begun(seen: RunRecord) -> RunRecord:
            now = self.runs.now()
            if not is_left_untold(seen, now) or waits(seen.setback, now):
                return seen
            return dataclasses.replace(seen, lease_until=now + CLOSING_SECONDS)

        before, after = self.runs.change(run_id, begun)
        return None if after is None or after == before else self._guarded(after, None)

    def give_up(self, run_id: str) -> None:
        """Tell nothing more of the run's end. Its setback, with the reason, stays on the record.

        Where its plan and reports can still not be read, nothing was told: then what the record says is.
        """
        with contextlib.suppress(Exception):  # the setback says it already
            self._tell_without_documents(run_id)
        self.runs.change(run_id, lambda seen: dataclasses.replace(seen, untold=()))

    def _tell_without_documents(self, run_id: str) -> None:
        record = self.runs.ledger.get(run_id)
        if record is None:
            return
        try:
            self.runs.documents(record)
        except Exception as error:
            self._tell(record, RunDocuments(None, (), plan_unreadable=described(error)))

    def _guarded(self, record: RunRecord, documents: RunDocuments | None) -> Status | Skipped | None:
        return self.runs.guarded(record.run_id, lambda: self._tell(record, documents))

    def _tell(self, record: RunRecord, documents: RunDocuments | None) -> Status | None:
        known = documents or self.runs.documents(record)
        status = self.runs.status(record, known)
        failures: list[Exception] = []
        left = [what for what in record.untold if what is not Telling.MESSAGE or _is_wanted(known)]
        if Telling.STATUS in left and _succeeds(lambda: self.runs.publish(record, known), failures):
            left.remove(Telling.STATUS)
        noted = self._note(record, [what for what in left if what is not Telling.METRICS])
        if noted is None:
            return None  # somebody else tells
        if Telling.METRICS in left:
            left.remove(Telling.METRICS)
            self.meter.emit(of_ended_run(record, status, known.reports))
        if Telling.MESSAGE in left and _succeeds(lambda: self._send(status), failures):
            left.remove(Telling.MESSAGE)
            self._note(noted, left)
        if failures:
            raise failures[0]
        return status

    def _send(self, status: Status) -> None:
        self.topic.publish(notification.subject(status), notification.body(status))

    def _note(self, record: RunRecord, untold: Sequence[Telling]) -> RunRecord | None:
        setback = record.setback if untold else None
        return self.runs.ledger.swap(
            record, dataclasses.replace(record, untold=tuple(untold), setback=setback)
        )


def _succeeds(action: Callable[[], object], failures: list[Exception]) -> bool:
    """Whether ``action`` did; if not, why is among ``failures``, and what comes next is done all the same."""
    try:
        action()
    except Exception as error:  # the guard around the run gets it, a little later
        failures.append(error)
        return False
    return True


def _is_wanted(documents: RunDocuments) -> bool:
    """Whether the manifest asks for a message. Where the plan cannot be read, nobody is left in the dark."""
    return documents.plan.notify if documents.plan else documents.plan_unreadable is not None
