"""Time, and moments that a process set by its clock, for others whose clocks may differ. Pure."""

from __future__ import annotations

SECONDS_A_MINUTE = 60
SECONDS_A_DAY = 24 * 3600
CLOCK_SKEW_SECONDS = 300
"""By how much two clocks may differ, EMR's and ours too."""


def is_before(now: float, until: float | None, longest: float) -> bool:
    """Whether ``now`` is no later than ``until``, which was set at most ``longest`` seconds ahead.

    Where it is further ahead, the clock was wrong that set it, and nobody waits for it.
    """
    return until is not None and now <= until <= now + longest + CLOCK_SKEW_SECONDS
