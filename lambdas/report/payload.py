"""What the page's script gets: coordinates, labels, paths and lists, packed. Pure."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import numpy as np

RANGE = 4095
"""Coordinates are whole numbers from 0 to RANGE: finer than any screen shows the plot."""
AXES = 4
"""Components to choose from."""


def packed(document: dict[str, Any]) -> str:
    """JSON, gzipped, in base64: nothing of it can be taken for HTML. The same in, the same out."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()


def coordinates(scores: np.ndarray) -> list[list[int]]:
    """Of the first components, at most AXES: whole numbers for each photo."""
    first = scores[:, :AXES].astype(np.float64)
    low, high = first.min(axis=0), first.max(axis=0)
    scaled = (first - low) / np.where(high > low, high - low, 1) * RANGE
    whole: list[list[int]] = np.rint(scaled).astype(int).T.tolist()
    return whole


def without_common_prefix(paths: list[str]) -> tuple[str, list[str]]:
    """The folders that all paths begin with, and what is left of each."""
    first, last = min(paths), max(paths)
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    prefix = first[: first.rfind("/", 0, same) + 1]
    return prefix, [path.removeprefix(prefix) for path in paths]
