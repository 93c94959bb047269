"""One line of the table, and how two ways of doing the same are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

ROUNDS = 3
"""Of whatever is compared: shared machines have slow minutes, and the first of two may find a cold cache."""


@dataclass(frozen=True)
class Figure:
    """``bar`` is what was aimed at, ``at_least`` says in which direction."""

    name: str
    value: float
    bar: float | None = None
    at_least: bool = True

    @property
    def aim(self) -> str:
        """``>= 0.93``; empty without a bar."""
        return "" if self.bar is None else f"{'>=' if self.at_least else '<='} {self.bar:.3g}"

    @property
    def verdict(self) -> str:
        """Whether the bar was met; empty without one."""
        if self.bar is None:
            return ""
        met = self.value >= self.bar if self.at_least else self.value <= self.bar
        return "met" if met else "MISSED"


@dataclass(frozen=True)
class Turns:
    """Seconds of two ways, round by round."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """How many times as long the other way takes, in each round; sorted."""
        return sorted(theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True))

    def figures(self, name: str, bar: float) -> list[Figure]:
        """The median of the ratios, and how far they spread."""
        return spread(name, self.ratios, bar)


def in_turns(ours: Callable[[], float], theirs: Callable[[], float], rounds: int = ROUNDS) -> Turns:
    """Seconds of both, alternating, and each of them first in every other round."""
    seconds: dict[Callable[[], float], list[float]] = {ours: [], theirs: []}
    for turn in range(rounds):
        for way in (ours, theirs) if turn % 2 == 0 else (theirs, ours):
            seconds[way].append(way())
    return Turns(tuple(seconds[ours]), tuple(seconds[theirs]))


def spread(
    name: str, values: list[float], bar: float | None = None, *, at_least: bool = True
) -> list[Figure]:
    """The median, which has the bar, and beside it the lowest and the highest of several rounds."""
    return [
        Figure(name, median(values), bar, at_least),
        Figure(f"{name}.lowest", min(values)),
        Figure(f"{name}.highest", max(values)),
    ]
