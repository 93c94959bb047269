"""The dashboard as one HTML file that needs nothing else: no script, no network. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from infra.local.dashboard.chart import clock, color, number, svg
from infra.local.dashboard.panels import AlarmStates, Graph, Numbers, Panel, Placed, Window

STYLE = Path(__file__).with_name("page.css")
ALL_COLUMNS = 24
STATES = {"OK": "OK", "ALARM": "in alarm", "INSUFFICIENT_DATA": "no data yet"}
EXPLANATION = (
    "The stack's own CloudWatch dashboard, drawn from the local cloud's metrics. Beside a label: the total "
    "of bars, the last value of a line. What EMR measures of clusters, and Lambda of events, only AWS has."
)


def page(name: str, placed: Sequence[Placed], window: Window) -> str:
    """The text of the file. ``name``: the dashboard's."""
    day = datetime.fromtimestamp(window.start, UTC).date().isoformat()
    span = f"{clock(window.start, window)} to {clock(window.end, window)} UTC"
    sections = "\n".join(_section(one, window) for one in placed)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(name)}</title>
<style>
{STYLE.read_text()}</style>
</head>
<body>
<header><h1>{escape(name)}</h1><p>{day}, {span}, a point every {window.period} seconds</p></header>
<main>
{sections}
</main>
<footer>{EXPLANATION}</footer>
</body>
</html>
"""


def _section(placed: Placed, window: Window) -> str:
    kind = ' class="wide"' if placed.width == ALL_COLUMNS else ""
    return (
        f'<section{kind} style="--columns: {placed.width}"><h2>{escape(placed.panel.title)}</h2>'
        f"{_content(placed.panel, window)}</section>"
    )


def _content(panel: Panel, window: Window) -> str:
    match panel:
        case Graph():
            return svg(panel, window) + _legend(panel)
        case Numbers():
            return f'<dl class="numbers">{"".join(map(_number, panel.values.items()))}</dl>'
        case AlarmStates():
            return f'<ul class="alarms">{"".join(map(_alarm, panel.states.items()))}</ul>'


def _legend(graph: Graph) -> str:
    entries = []
    for place, series in enumerate(graph.series):
        values = list(series.points.values())
        swatch = f'<span class="swatch" style="background: {color(series, place)}"></span>'
        shown = number(sum(values) if graph.stacked else values[-1])
        entries.append(f"<li>{swatch}{escape(series.label)} <b>{shown}</b></li>")
    return f"<ul>{''.join(entries)}</ul>" if entries else ""


def _number(entry: tuple[str, float | None]) -> str:
    label, value = entry
    shown = '<dd class="none">no data</dd>' if value is None else f"<dd>{number(value)}</dd>"
    return f"<div><dt>{escape(label)}</dt>{shown}</div>"


def _alarm(entry: tuple[str, str]) -> str:
    name, state = entry
    swatch = '<span class="swatch"></span>'
    return (
        f'<li class="{escape(state)}">{swatch}{escape(name)} <b>{STATES.get(state, escape(state))}</b></li>'
    )
