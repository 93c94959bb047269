"""What is different about a workbench in the life of a run: how it begins, and how it ends. Pure.

All else (claim, price, place, launch, status, telling) is that of every run. A workbench is ``RUNNING`` when
people can get in; it ends because somebody stops it: its hours are over, nobody computes, it is cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable

from lambdas.contract.cost.prices import MINUTES_AN_HOUR, OVERRUN_MINUTES
from lambdas.contract.run import Ending, FailureKind, RunRecord, RunState
from lambdas.contract.workbench import SETUP_STEP
from lambdas.runs.clocks import CLOCK_SKEW_SECONDS, SECONDS_A_MINUTE
from lambdas.runs.cluster_port import StepSnapshot, StepState

HOURS_OVER = "HOURS_OVER"
IDLE = "IDLE_WORKBENCH"
NEVER_OPENED = "NEVER_OPENED"


def is_set_up(steps: Iterable[StepSnapshot]) -> bool:
    """Whether JupyterHub refuses everything but the workbench's password: its step has proved it."""
    return any(step.name == SETUP_STEP and step.state is StepState.COMPLETED for step in steps)


def setup_failure(failure: str) -> Ending:
    """Why a workbench never opened. ``failure``: EMR's text, empty where it gave none."""
    detail = f": {failure}" if failure else "."
    return Ending(
        "STEP_FAILURE",
        f"The cluster could not be made a workbench{detail}",
        f"Read the stderr of step {SETUP_STEP} in the logs: its last line says what it could not do.",
        FailureKind.OURS,
    )


def end_of_workbench(
    record: RunRecord, used_seconds: float, active_at: float | None, now: float
) -> Ending | None:
    """Why the workbench has to be stopped; None while it may go on.

    ``used_seconds``: how long it has had clusters. ``active_at`` (Unix seconds): when a kernel was last busy,
    by what the workbench itself wrote; None where it wrote nothing. Then it counts from when it was opened,
    so that one which tells nothing ends, too.
    """
    if used_seconds > record.max_runtime_minutes * SECONDS_A_MINUTE:
        if record.state is not RunState.RUNNING:
            return _NEVER_OPENED
        hours = record.max_runtime_minutes // MINUTES_AN_HOUR
        return Ending(
            HOURS_OVER,
            f"The workbench was ended after its time, {hours} {'hour' if hours == 1 else 'hours'}, was over.",
            "Upload the manifest again for another one: it finds the notebooks again.",
        )
    if record.state is not RunState.RUNNING or record.idle_minutes is None:
        return None
    opened_at = record.changed_at
    # A time that is yet to come tells nothing, or it would keep the workbench alive until then.
    if active_at is None or active_at > now + CLOCK_SKEW_SECONDS:
        active_at = opened_at
    idle_seconds = now - max(opened_at, active_at)
    if idle_seconds <= record.idle_minutes * SECONDS_A_MINUTE:
        return None
    return Ending(
        IDLE,
        f"The workbench was ended because no kernel was busy for {record.idle_minutes} minutes.",
        "Upload the manifest again for another one: it finds the notebooks again.",
    )


_NEVER_OPENED = Ending(
    NEVER_OPENED,
    "The cluster was not made a workbench before its time was over.",
    f"Read the stderr of step {SETUP_STEP} in the logs.",
    FailureKind.OURS,
)


def is_overdue(record: RunRecord, used_seconds: float) -> bool:
    """Whether the workbench is older than its end by the reconciler explains: that did not work."""
    return used_seconds > (record.max_runtime_minutes + OVERRUN_MINUTES) * SECONDS_A_MINUTE
