"""What the page's script gets: coordinates, labels, paths and lists, packed. Pure."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lambdas.report.finding import Columns

RANGE = 4095
"""Coordinates are whole numbers from 0 to RANGE: finer than any screen shows the plot."""
AXES = 4
"""Components to choose from."""
_MOST_CHARACTERS = 40_000_000
"""A text that is longer is not packed to see how small it gets: that would take many seconds."""


@dataclass(frozen=True)
class Cut:
    """How much of the data is left: ``rows`` of a list at most, and ``characters`` at the end of a path or at
    the beginning of a label where these are only shown."""

    rows: int
    characters: int


CUTS = (Cut(50_000, 100), Cut(10_000, 40), Cut(2_000, 20), Cut(500, 12), Cut(50, 8), Cut(0, 4))
"""The first at which the data is small enough is taken: with usual names, the very first."""


def fitted(document: Callable[[Cut], dict[str, Any]], most_bytes: int) -> tuple[Cut, str]:
    """The data of the first cut that is packed in ``most_bytes`` or less, or that of the last."""
    for cut in CUTS[:-1]:
        text = _text(document(cut))
        if len(text) <= _MOST_CHARACTERS and len(small := _packed(text)) <= most_bytes:
            return cut, small
    return CUTS[-1], _packed(_text(document(CUTS[-1])))


def lists(named: Iterable[tuple[str, Columns, Sequence[list[Any]]]], cut: Cut) -> dict[str, Any]:
    """What can be downloaded, by name; the first rows of each."""
    return {name: {"columns": columns, "rows": rows[: cut.rows]} for name, columns, rows in named if rows}


def shown_paths(paths: Sequence[str], listed: Mapping[str, Any], cut: Cut) -> dict[str, Any]:
    """``prefix`` that all paths have; ``paths`` without it, cut; ``whole``: those that were cut and are in a
    list, by row."""
    prefix, names = without_common_prefix(paths)
    whole = {
        value: names[value]
        for one in listed.values()
        for place, (_, kind) in enumerate(one["columns"])
        if kind == "path"
        for value in (row[place] for row in one["rows"])
        if len(names[value]) > cut.characters
    }
    ends = [f"…{name[-cut.characters :]}" if len(name) > cut.characters else name for name in names]
    return {"prefix": prefix, "paths": ends, "whole": whole}


def shown_labels(names: Iterable[str], cut: Cut) -> list[str]:
    """Labels, cut."""
    return [f"{name[: cut.characters]}…" if len(name) > cut.characters else name for name in names]


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def _packed(text: str) -> str:
    """Gzipped, in base64: nothing of it can be taken for HTML. The same in, the same out."""
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()


def coordinates(scores: np.ndarray) -> list[list[int]]:
    """Of the first components, at most AXES: whole numbers for each photo."""
    first = scores[:, :AXES].astype(np.float64)
    low, high = first.min(axis=0), first.max(axis=0)
    scaled = (first - low) / np.where(high > low, high - low, 1) * RANGE
    whole: list[list[int]] = np.rint(scaled).astype(int).T.tolist()
    return whole


def without_common_prefix(paths: Sequence[str]) -> tuple[str, list[str]]:
    """The folders that all paths begin with, and what is left of each."""
    first, last = min(paths), max(paths)
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    prefix = first[: first.rfind("/", 0, same) + 1]
    return prefix, [path.removeprefix(prefix) for path in paths]
