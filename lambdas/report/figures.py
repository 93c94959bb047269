"""The variance that each component holds, drawn by Matplotlib as SVG in the page's own colours. Pure."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

_INK, _BAR, _LINE = "#010203", "#040506", "#070809"
_VARIABLES = {_INK: "var(--ink)", _BAR: "var(--accent)", _LINE: "var(--second)"}
"""Stand-ins, which become the page's colours: light or dark is decided where it is looked at."""
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fruits",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
}


def variance_figure(ratio: list[float]) -> str:
    """SVG for a page: a bar a component (share of the total variance), and their sum as a line."""
    numbers = range(1, len(ratio) + 1)
    sums = [sum(ratio[:number]) for number in numbers]
    with rc_context(_STYLE):
        figure = Figure(figsize=(5.2, 2.7), layout="constrained")
        axes = figure.subplots()
        axes.bar(numbers, [100 * share for share in ratio], color=_BAR, width=0.8)
        axes.set_xlabel("component")
        axes.set_ylabel("of one component, %")
        axes.set_xlim(0.4, len(ratio) + 0.6)
        total = axes.twinx()
        total.plot(
            numbers, [100 * share for share in sums], color=_LINE, marker="." if len(ratio) < 80 else ""
        )
        total.set_ylim(0, 105)
        total.set_ylabel("of all up to it, %")
        total.annotate(
            f"{sums[-1]:.1%} with the {len(ratio)} that were kept",
            (len(ratio), 100 * sums[-1]),
            xytext=(0, -26),
            textcoords="offset points",
            ha="right",
            va="top",
        )
        sink = StringIO()
        figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None})
    return _for_the_page(sink.getvalue())


def _for_the_page(svg: str) -> str:
    """The drawing alone, as large as there is room, in the page's colours and font."""
    drawing = svg[svg.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'(<svg [^>]*?)width="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r'(<svg [^>]*?)height="[^"]*"', r'\1aria-hidden="true"', drawing, count=1)
    drawing = re.sub(r"font: (\d+)px [^;\"]*", r"font: \1px inherit", drawing)
    for stand_in, variable in _VARIABLES.items():
        drawing = drawing.replace(stand_in, variable)
    return drawing
