"""How long a run has been where it is, how long it will still take and what it has cost so far. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lambdas.contract.report import Progress
from lambdas.contract.run import ON_CLUSTER, RunState, is_terminal
from lambdas.runs.clocks import SECONDS_A_MINUTE


def seconds_in_state(status: Mapping[str, Any], now: float) -> float | None:
    """How long a run has been in its state at ``now`` (Unix seconds); None for one that has ended."""
    if is_terminal(RunState(status["state"])) or not status["history"]:
        return None
    return max(0.0, now - _at(status["history"][-1]))


def remaining_seconds(progress: Progress) -> float | None:
    """Until the running step has its last image, if it goes on at its rate; None while that is not known."""
    if not progress.images_total or progress.images_per_second <= 0:
        return None
    return round((progress.images_total - progress.images_done) / progress.images_per_second, 1)


def eur_so_far(status: Mapping[str, Any], now: float) -> float | None:
    """What a run on its cluster has used up to ``now`` (Unix seconds), at the pace at which its estimate
    expects euros; earlier attempts as they were measured. None for other runs, without an estimate, and
    where an older release did not say when it was launched."""
    launches = [entered for entered in status["history"] if entered["state"] == RunState.LAUNCHED]
    if RunState(status["state"]) not in ON_CLUSTER or not status["estimated_minutes"] or not launches:
        return None
    minutes = (now - _at(launches[-1])) / SECONDS_A_MINUTE
    eur_per_minute: float = status["estimated_eur"] / status["estimated_minutes"]
    return (status["actual_eur"] or 0.0) + eur_per_minute * minutes


def _at(entered: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(entered["at"]).timestamp()
