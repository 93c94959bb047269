"""When a run that could not be dealt with is tried again, and when it is given up. Pure.

:meth:`lambdas.runs.run_service.RunService.guarded` is the guard around each run: what goes wrong behind it is
noted on the run's record, costs no other run, and is tried again after a pause that doubles each time.
"""

from __future__ import annotations

from lambdas.contract.documents import UnreadableError
from lambdas.contract.run import Ending, FailureKind, RunRecord, Setback
from lambdas.runs.clocks import is_before

FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 3600.0
LIMIT = 12
"""Setbacks in a row after which a run is given up: three hours and more, which most outages do not last."""
LASTING_LIMIT = 5
"""The same where what was read was not understood: some 20 minutes of the reconciler's passes, in which the
other release may come back."""
MAX_REASON_LENGTH = 500

GIVEN_UP = "GIVEN_UP"


def set_back(seen: Setback | None, error: Exception, now: float) -> Setback:
    """The setback that follows ``seen``. ``now``: Unix seconds."""
    count = (seen.count if seen else 0) + 1
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (count - 1))
    return Setback(count, described(error), now + pause, lasting=isinstance(error, UnreadableError))


def described(error: Exception) -> str:
    """What went wrong, for people: the sentence where there is one, else also what kind of error it is."""
    text = str(error) if isinstance(error, UnreadableError) else f"{type(error).__name__}: {error}"
    return text[:MAX_REASON_LENGTH]


def waits(setback: Setback | None, now: float) -> bool:
    """Whether it is too early to try again."""
    if setback is None or now == setback.not_before:
        return False
    return is_before(now, setback.not_before, longest=LONGEST_PAUSE_SECONDS)


def is_hopeless(setback: Setback | None) -> bool:
    """Whether trying again has gone on for long enough."""
    return setback is not None and setback.count >= (LASTING_LIMIT if setback.lasting else LIMIT)


def given_up(setback: Setback) -> Ending:
    """The end of a run that nothing more is tried with."""
    return Ending(
        GIVEN_UP,
        f"The stack could not deal with the run, {setback.count} times in a row: {setback.reason}",
        "Mend what the message names (another release's object, a permission, a missing object); "
        "then upload the manifest again: finished parts are not lost.",
        FailureKind.OURS,
    )


def end_of(record: RunRecord) -> Ending | None:
    """Why the run is given up; None while it is not."""
    return given_up(record.setback) if record.setback and is_hopeless(record.setback) else None
