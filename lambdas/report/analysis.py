"""All that is looked for in the photos of one run. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lambdas.report import same_views
from lambdas.report.classes import Alike, alike, too_small
from lambdas.report.labels import Misfits, misfits
from lambdas.report.neighbours import nearest, unit
from lambdas.report.published import Photos
from lambdas.report.same_views import Pair

NEIGHBOURS = 30
_PARTS = re.compile(r"(train|test|val|valid|dev|eval|holdout)(ing|idation|uation)?([-_ ]?(set|data|images))?")
"""Names of folders into which people split photos that are learned from and photos that are judged by."""


@dataclass(frozen=True)
class Analysis:
    """What was found. ``compared``: photos whose pixels were. ``parts``: names of the folders in which a data
    set is split for training and testing, by row; None for a photo in no such folder."""

    units: np.ndarray
    same: list[Pair]
    compared: int
    is_complete: bool
    parts: list[str | None]
    misfits: Misfits
    alike: list[Alike]
    small: list[tuple[int, int]]

    @property
    def leaks(self) -> list[Pair]:
        """Pairs of which one photo is to be learned from, and the other to judge what was learned."""
        return [
            pair for pair in self.same if len({self.parts[pair.first], self.parts[pair.second]} - {None}) > 1
        ]


def analyse(
    photos: Photos, greys: Sequence[np.ndarray | None] | None, *, is_trained: bool = True
) -> Analysis:
    """Look for everything. ``greys``: the small grey picture of each photo; None where it is not at hand.

    Of an untrained network, and of photos without labels, only what needs neither is looked for.
    """
    units = unit(photos.scores)
    same, compared, is_complete = _same(photos.digests, greys)
    is_comparable = is_trained and len(photos.names) > 0
    neighbours = nearest(units, NEIGHBOURS) if is_comparable else None
    found = misfits(units, photos.labels, neighbours) if neighbours else Misfits([], [], [])
    # What probably carries the wrong label would make a small class alike to that of its true one.
    sure = photos.labels.copy()
    sure[[one.row for one in found.errors]] = -1
    return Analysis(
        units=units,
        same=same,
        compared=compared,
        is_complete=is_complete,
        parts=[part_of(path) for path in photos.paths],
        misfits=found,
        alike=alike(neighbours, sure) if neighbours else [],
        small=too_small(photos.labels),
    )


def part_of(path: str) -> str | None:
    """The name of the first folder that is called as people call the parts of a data set for learning."""
    folders = path.split("/")[:-1]
    return next((name for name in folders if _PARTS.fullmatch(name.lower())), None)


def _same(digests: list[str], greys: Sequence[np.ndarray | None] | None) -> tuple[list[Pair], int, bool]:
    """Pairs, how many pictures were compared, and whether all pairs are there.

    Of equal files the first stands for all among the pictures.
    """
    files = same_views.equal_files(digests)
    if greys is None:
        return files, 0, True
    further = {pair.second for pair in files}
    rows = [row for row, grey in enumerate(greys) if grey is not None and row not in further]
    if len(rows) < 2:
        return files, sum(grey is not None for grey in greys), True
    pictures = np.stack([grey for row in rows if (grey := greys[row]) is not None])
    pairs, is_complete = same_views.alike_pictures(pictures, np.array(rows))
    return [*files, *pairs], sum(grey is not None for grey in greys), is_complete
