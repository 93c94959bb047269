"""A graph over time as SVG. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from math import ceil, floor, log10

from infra.local.dashboard.panels import Graph, Series, Window

WIDTH, HEIGHT = 440.0, 190.0
TOP, BOTTOM, SIDE, BARE_SIDE = 24.0, 24.0, 44.0, 12.0
"""Margins of the plot; the right one is bare where no axis is."""
BAR_SHARE = 0.72
DOT_RADIUS, LONE_DOT_RADIUS = 2.4, 4.0
"""Of a point on a line, and of one by itself."""
COLORS = 8
"""How many the style sheet has."""
VALUE_TICKS = 4
TIME_TICKS = 5
TIME_STEPS_SECONDS = (5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400, 172800, 604800)


@dataclass(frozen=True)
class _Scale:
    """From values to heights, with its ticks."""

    ticks: tuple[float, ...]

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.ticks[-1]


def color(series: Series, place: int) -> str:
    """The series' own colour, or the one of its place in the graph."""
    return series.color or f"var(--c{place % COLORS})"


def number(value: float) -> str:
    """Three significant digits: ``0``, ``0.038``, ``4.25``, ``120``, ``1.2k``."""
    for factor, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{suffix}"
    return f"{value:.3g}"


def clock(at: float, window: Window) -> str:
    """The time of day in UTC, as exact as the periods are."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M" if window.period >= 60 else "%H:%M:%S")


def svg(graph: Graph, window: Window) -> str:
    """The graph; bars where it is stacked, else lines. An empty one says so."""
    if not graph.series:
        return _frame(
            graph, [f'<text class="empty" x="{WIDTH / 2}" y="{HEIGHT / 2}">no data in this time</text>']
        )
    right_edge = WIDTH - (SIDE if graph.right_unit else BARE_SIDE)
    left, right = (_scale(graph, on_right=side) for side in (False, True))
    plot = _Plot(window, left, right, right_edge)
    drawn = plot.bars(graph) if graph.stacked else plot.lines(graph)
    return _frame(graph, [*plot.axes(graph), *drawn])


def _frame(graph: Graph, parts: Iterable[str]) -> str:
    label = escape(graph.title, quote=True)
    return f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _scale(graph: Graph, *, on_right: bool) -> _Scale:
    shown = [series for series in graph.series if series.on_right is on_right]
    values = [value for series in shown for value in series.points.values()]
    heights = values
    if graph.stacked:
        sums: dict[float, float] = defaultdict(float)
        for series in shown:
            for at, value in series.points.items():
                sums[at] += value
        heights = list(sums.values())
    return _Scale(ticks(max(heights, default=0), whole=all(value == int(value) for value in values)))


def ticks(highest: float, *, whole: bool) -> tuple[float, ...]:
    """Round values from 0 to at least ``highest``; integers where all values are ``whole``."""
    rough = (highest or 1) / VALUE_TICKS
    power = 10 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    step = max(step, 1) if whole else step
    count = max(1, ceil(highest / step - 1e-9))
    return tuple(step * n for n in range(count + 1))


@dataclass(frozen=True)
class _Plot:
    window: Window
    left: _Scale
    right: _Scale
    right_edge: float

    def _x(self, at: float) -> float:
        share = (at - self.window.start) / (self.window.end - self.window.start)
        return SIDE + (self.right_edge - SIDE) * share

    def axes(self, graph: Graph) -> Iterator[str]:
        for value in self.left.ticks:
            y = self.left.y(value)
            yield f'<line class="grid" x1="{SIDE}" x2="{self.right_edge:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text class="tick left" x="{SIDE - 6}" y="{y + 3.5:.1f}">{number(value)}</text>'
        yield f'<text class="unit" x="4" y="12">{escape(graph.unit)}</text>'
        if graph.right_unit:
            for value in self.right.ticks:
                x, y = self.right_edge + 6, self.right.y(value)
                yield f'<text class="tick" x="{x:.1f}" y="{y + 3.5:.1f}">{number(value)}</text>'
            yield f'<text class="unit right" x="{WIDTH - 4}" y="12">{escape(graph.right_unit)}</text>'
        for at in times(self.window):
            time = clock(at, self.window)
            yield f'<text class="tick time" x="{self._x(at):.1f}" y="{HEIGHT - 7}">{time}</text>'

    def bars(self, graph: Graph) -> Iterator[str]:
        width = (self._x(self.window.start + self.window.period) - SIDE) * BAR_SHARE
        below: dict[float, float] = defaultdict(float)
        for place, series in enumerate(graph.series):
            for at, value in series.points.items():
                if not value:
                    continue
                top, foot = self.left.y(below[at] + value), self.left.y(below[at])
                below[at] += value
                x = self._x(at + self.window.period / 2) - width / 2
                size = f'width="{width:.1f}" height="{foot - top:.1f}"'
                fill = color(series, place)
                yield (
                    f'<rect x="{x:.1f}" y="{top:.1f}" {size} rx="1" fill="{fill}">'
                    f"{self._tip(series, at, value, graph.unit)}</rect>"
                )

    def lines(self, graph: Graph) -> Iterator[str]:
        for place, series in enumerate(graph.series):
            scale = self.right if series.on_right else self.left
            stroke = color(series, place)
            unit = graph.right_unit if series.on_right else graph.unit
            for run in _unbroken(list(series.points), self.window.period):
                points = [(at, self._middle(at), scale.y(series.points[at])) for at in run]
                path = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in points)
                yield f'<polyline points="{path}" stroke="{stroke}"/>'
                radius = DOT_RADIUS if len(run) > 1 else LONE_DOT_RADIUS
                for at, x, y in points:
                    tip = self._tip(series, at, series.points[at], unit)
                    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{stroke}">{tip}</circle>'

    def _middle(self, at: float) -> float:
        return self._x(at + self.window.period / 2)

    def _tip(self, series: Series, at: float, value: float, unit: str) -> str:
        return (
            f"<title>{escape(series.label)}: {number(value)} {escape(unit)}, {clock(at, self.window)}</title>"
        )


def times(window: Window) -> list[float]:
    """Round times within the window, few enough to be read."""
    length = window.end - window.start
    step = next((s for s in TIME_STEPS_SECONDS if length / s <= TIME_TICKS), TIME_STEPS_SECONDS[-1])
    first = -(-window.start // step) * step
    # Not at the very edges, where half of the text would be cut off.
    margin = length / 20
    wanted = (first + step * n for n in range(int(length // step) + 1))
    return [at for at in wanted if window.start + margin <= at <= window.end - margin]


def _unbroken(moments: Sequence[float], period: int) -> Iterator[list[float]]:
    """The moments in runs without a missing period: a line across a gap would show what nobody measured."""
    run: list[float] = []
    for at in moments:
        if run and at - run[-1] > period:
            yield run
            run = []
        run.append(at)
    if run:
        yield run
