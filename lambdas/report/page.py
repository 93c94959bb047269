"""The report as one HTML file that needs nothing else; a script is only for the plot and the downloads."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from lambdas.report import facts, figures, payload, thumbnails
from lambdas.report.analysis import Analysis
from lambdas.report.finding import Columns, Finding, Shown, brief, file_name, label_of
from lambdas.report.neighbours import of_each
from lambdas.report.pictures import THUMBNAIL_SIDE
from lambdas.report.published import Photos, Published

FOLDER = Path(__file__).parent
ENDS_OF = 5
"""Components whose ends are shown."""
PHOTOS_AT_AN_END = 5
MOST_BYTES = 6_000_000
"""Of the file, whatever the run holds."""
_MARGIN_BYTES = 5_000
"""For what the page says of lists that were cut."""
REFUSED_COLUMNS: Columns = [
    *((name, "text") for name in ("path", "label", "reason", "detail")),
    ("size_bytes", "number"),
]
UNTRAINED = (
    "The weights of this run are untrained: seeded random numbers. Everything ran as it would, but the "
    "features mean nothing, and neither does what is computed from them: components, and all that compares "
    "features."
)
PREFACE = (
    "What was looked for, in the order in which it usually matters. Everything is a hint to look at, not a "
    "verdict: the thresholds were chosen on an easy set of studio photos, and on harder ones more of what is "
    "listed will be right as it is."
)


def compose(
    published: Published,
    found: Analysis,
    findings: list[Finding],
    seen: Mapping[str, bytes],
    notices: list[str],
) -> str:
    """The text of the file.

    ``seen``: thumbnails (WebP) by the photo's row, or ``q`` and the place of a refused one; ``notices``: what
    the reader should know of this report.
    """
    photos = published.photos
    shown = [int(name) for name in seen if not name.startswith("q")]
    axes = payload.coordinates(photos.scores) if photos.scores.shape[1] > 1 else []
    named = listed(published, findings)
    drawn = {
        "axes": axes,
        "labels": photos.labels.tolist(),
        "usual": [thumbnails.typical(found.units, rows) for rows in of_each(photos.labels)],
        "shown": shown,
        "stands_for": thumbnails.stand_ins(found.units, photos.labels, shown),
    }

    def data(cut: payload.Cut) -> dict[str, Any]:
        lists = payload.lists(named, cut)
        names = {"names": payload.shown_labels(photos.names, cut), "lists": lists}
        return drawn | names | payload.shown_paths(photos.paths, lists, cut)

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = _with_code
    labels = len(photos.names) + bool((photos.labels < 0).any())
    render = partial(
        environment.get_template("page.html").render,
        title=f"{published.plan.dataset}: {len(photos.paths):,} photos",
        subtitle=facts.subtitle(published),
        dataset=published.plan.dataset,
        style=(FOLDER / "page.css").read_text(),
        script=f"{(FOLDER / 'scatter.js').read_text()}{(FOLDER / 'page.js').read_text()}",
        side=THUMBNAIL_SIDE,
        pictures={name: base64.b64encode(picture).decode() for name, picture in seen.items()},
        alts={name: _described(name, photos, published) for name in seen},
        warnings=[*([] if published.is_trained else [UNTRAINED]), *notices],
        preface=PREFACE,
        findings=findings,
        total=f"{len(photos.paths):,}",
        axes=list(range(1, len(axes) + 1)),
        labels=labels,
        example=brief(photos.names[0]) if photos.names else "",
        variance=figures.variance_figure(published.variance_ratio) if published.variance_ratio else "",
        variance_says=facts.variance(published),
        ends=_ends(photos.scores, photos, published.variance_ratio),
        facts=facts.table(published),
        phases=facts.phases(published),
        refused=_refused(published),
        refused_says=facts.refused(published),
        notes=published.status.get("notes") or [],
        made_by=facts.made_by(published, found),
        run_id=published.plan.run_id,
        quarantined=len(published.refused),
    )
    room = MOST_BYTES - _MARGIN_BYTES - len(render(kept=0, payload="").encode())
    cut, packed = payload.fitted(data, room)
    return render(kept=cut.rows, payload=packed)


def listed(published: Published, findings: list[Finding]) -> list[tuple[str, Columns, list[list[Any]]]]:
    """Name, columns and all rows of each list that the page offers."""
    refused = ("quarantine", REFUSED_COLUMNS, _refused_rows(published))
    return [*((one.id, one.columns, one.rows) for one in findings), refused]


def _with_code(text: str) -> Markup:
    """What stands between backticks, as on a terminal, in the font of code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped


def shown_besides(photos: Photos, found: Analysis) -> list[int]:
    """Rows of the photos that are shown whatever was found: the components' ends, each label's usual one."""
    numbers = range(min(ENDS_OF, photos.scores.shape[1]))
    ends = [row for number in numbers for end in _both_ends(photos, number) for row in end]
    return [*ends, *(thumbnails.typical(found.units, rows) for rows in of_each(photos.labels))]


def _both_ends(photos: Photos, component: int) -> tuple[list[int], list[int]]:
    """The photos with the lowest and highest scores; of each label one, if there are enough labels."""
    order = np.argsort(photos.scores[:, component], kind="stable")
    return _of_different_labels(order, photos.labels), _of_different_labels(order[::-1], photos.labels)


def _of_different_labels(order: np.ndarray, labels: np.ndarray) -> list[int]:
    _, firsts = np.unique(labels[order], return_index=True)
    places = np.sort(firsts) if len(firsts) >= PHOTOS_AT_AN_END else np.arange(len(order))
    rows: list[int] = order[places[:PHOTOS_AT_AN_END]].tolist()
    return rows


def _ends(scores: np.ndarray, photos: Photos, ratio: list[float]) -> list[dict[str, Any]]:
    def shown(rows: list[int]) -> list[Shown]:
        return [Shown(row, brief(photos.name(row) or "") or file_name(photos.paths[row])) for row in rows]

    found = []
    for number in range(min(ENDS_OF, scores.shape[1])):
        low, high = _both_ends(photos, number)
        share = f"{ratio[number]:.1%} of the variance" if number < len(ratio) else ""
        found.append({"number": number + 1, "share": share, "low": shown(low), "high": shown(high)})
    return found


def _described(name: str, photos: Photos, published: Published) -> str:
    if name.startswith("q"):
        return file_name(published.refused[int(name[1:])].path)
    return f"{label_of(int(name), photos)}, {file_name(photos.paths[int(name)])}"


def _refused(published: Published) -> list[dict[str, Any]]:
    return [
        {
            "photo": {"row": f"q{place}", "caption": file_name(one.path)},
            "reason": one.reason,
            "detail": one.detail,
        }
        for place, one in enumerate(published.refused[: facts.REFUSED_SHOWN])
    ]


def _refused_rows(published: Published) -> list[list[Any]]:
    return [[one.path, one.label, one.reason, one.detail, one.size_bytes] for one in published.refused]
