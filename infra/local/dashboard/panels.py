"""What a dashboard shows, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

PERIODS_SECONDS = (5, 10, 30, 60, 300, 900, 3600, 6 * 3600)
MAX_POINTS = 48


@dataclass(frozen=True)
class Window:
    """The time that is shown, in Unix seconds, and its periods, which follow from its length."""

    start: float
    end: float
    period: int

    @classmethod
    def between(cls, start: float, end: float) -> Window:
        """The shortest period of which not too many fit; the window grows to whole periods."""
        fitting = (p for p in PERIODS_SECONDS if (end - start) / p <= MAX_POINTS)
        period = next(fitting, PERIODS_SECONDS[-1])
        return cls(start // period * period, ceil(end / period) * period, period)


@dataclass(frozen=True)
class Series:
    """``points``: values by the Unix second at which their period begins, in order. ``color`` None: any."""

    label: str
    points: Mapping[float, float]
    color: str | None = None
    on_right: bool = False


@dataclass(frozen=True)
class Graph:
    """Series over time; none is without a point. ``right_unit`` is empty where no series is on the right."""

    title: str
    unit: str
    right_unit: str
    stacked: bool
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Numbers:
    """The last value of each metric by its label; None where there is none."""

    title: str
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class AlarmStates:
    """The state of each alarm by its name."""

    title: str
    states: Mapping[str, str]


Panel = Graph | Numbers | AlarmStates


@dataclass(frozen=True)
class Placed:
    """A panel and the columns of the 24 that it takes, in reading order."""

    width: int
    panel: Panel
