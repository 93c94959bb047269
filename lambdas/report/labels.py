"""Photos that do not fit their label: those that fit another one, alone or in runs, and those that fit none.

All by cosine distance between components. Thresholds do well on one half of the fruits of a real sample and
were judged on others, see docs/report.md. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lambdas.report.classes import SMALL
from lambdas.report.neighbours import Neighbours, nearest, of_each, unit

OWN = 5
"""The neighbour within its class by which a photo's place in it is measured: alike strangers are fewer."""
ERROR_RATIO = 1.3
"""The second neighbour of its own label is so many times as far as the second of another label."""
FEW = 30
"""Photos of a class below which neighbours of the own label are far by chance, so that more is asked for."""
FEW_ERROR_RATIO = 1.8
STRANGE = 4.0
"""The distance to neighbour OWN of the class, in units of what is usual: nothing fits that is above."""
AT_HOME = 0.9
"""An unusual view of the right thing is far from its class and still nearer to it than to any other: of what
is strange, its second neighbour of the own label is less than so many times as far as that of another."""
VERY_STRANGE = 8.0
"""Strange enough to be told all the same: pictures of one strange thing are near to each other."""
FEW_LABELS = 5
"""Labels below which the next one is far from everything, too, and says nothing."""
RUN_MARGIN = 0.2
"""The centre of another class is so much nearer than that of its own, in cosine distance."""
RUN_LENGTH = 3
_BLOCK_VALUES = 12_000_000
"""Similarities of photos to the centres of classes that are held at once: 48 MB."""


@dataclass(frozen=True)
class LabelError:
    """A photo that fits the label ``suggested``; ``ratio``: how many times as far its own is.

    ``is_sure``: neither class has fewer than FEW photos.
    """

    row: int
    suggested: int
    ratio: float
    is_sure: bool


@dataclass(frozen=True)
class LabelRun:
    """Several photos of one label that all lie nearer to the centre of the label ``suggested``."""

    rows: tuple[int, ...]
    label: int
    suggested: int


@dataclass(frozen=True)
class Outlier:
    """A photo that fits no label: ``times`` as far from its class as is usual."""

    row: int
    times: float


@dataclass(frozen=True)
class Misfits:
    """Each photo is in one list at most; the worst ones first."""

    errors: list[LabelError]
    runs: list[LabelRun]
    outliers: list[Outlier]


def misfits(units: np.ndarray, labels: np.ndarray, neighbours: Neighbours) -> Misfits:
    """Of photos ``units``, float32 [n, d] of length 1; ``labels`` int [n], where -1 is left aside."""
    own = own_distances(units, labels)
    usual = _usual(own[:, OWN - 1], labels)
    strange = _ratio(own[:, OWN - 1], usual[labels])
    others = _second_other(neighbours, labels)
    ratios = _ratio(own[:, 1], others)
    runs = _runs(units, labels)
    in_runs = {row for run in runs for row in run.rows}
    sizes = np.bincount(labels[labels >= 0], minlength=1)
    errors, outliers = [], []
    is_error = ratios > np.where(sizes[labels] < FEW, FEW_ERROR_RATIO, ERROR_RATIO)
    is_foreign = (strange > VERY_STRANGE) | (strange > STRANGE) & (
        (ratios > AT_HOME) | (np.count_nonzero(sizes) < FEW_LABELS)
    )
    for row in np.flatnonzero((labels >= 0) & (is_error | is_foreign)).tolist():
        suggested = _suggested(neighbours.rows[row], labels, int(labels[row]))
        fits = suggested is not None and _fits(units, labels, row, suggested, usual)
        if row in in_runs:
            continue
        if suggested is not None and fits and is_error[row]:
            is_sure = min(sizes[suggested], sizes[labels[row]]) >= FEW
            errors.append(LabelError(row, suggested, float(ratios[row]), bool(is_sure)))
        elif is_foreign[row]:
            outliers.append(Outlier(row, float(strange[row])))
    return Misfits(
        sorted(errors, key=lambda one: (not one.is_sure, -one.ratio)),
        runs,
        sorted(outliers, key=lambda one: -one.times),
    )


def own_distances(units: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Distances to the nearest OWN photos of the same label, ascending, infinite beyond: float32 [n, OWN]."""
    distances = np.full((len(labels), OWN), np.inf, np.float32)
    for members in of_each(labels):
        distances[members] = nearest(units[members], OWN).distances
    return distances


def _usual(distances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The median of each class, [classes + 1]; of a very uniform class, that of most classes.

    The last is of photos without a label, for which nothing is usual.
    """
    classes = int(labels.max(initial=-1)) + 1
    medians = np.full(classes + 1, np.nan)
    for members in of_each(labels):
        medians[labels[members[0]]] = np.median(distances[members])
    known = medians[np.isfinite(medians)]
    most = np.median(known) if len(known) else np.nan
    return np.asarray(np.maximum(medians, most))


def _ratio(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """``one / other``; 0 where either is not known (infinite)."""
    known = np.isfinite(one) & np.isfinite(other)
    least = np.finfo(np.float32).eps  # of copies the distance is nothing, or rounding
    return np.asarray(np.divide(one, np.maximum(other, least), out=np.zeros(len(one)), where=known))


def _second_other(neighbours: Neighbours, labels: np.ndarray) -> np.ndarray:
    """The distance to the second neighbour of another label; infinite where there are fewer."""
    near = np.where(neighbours.rows >= 0, labels[neighbours.rows], -1)
    is_other = (near >= 0) & (near != labels[:, None])
    second = is_other & (is_other.cumsum(axis=1) == 2)
    return np.asarray(np.where(second, neighbours.distances, np.inf).min(axis=1, initial=np.inf))


def _suggested(near: np.ndarray, labels: np.ndarray, own: int) -> int | None:
    """Which label most of the nearest ten of other labels have, the nearer the more; None: there are none."""
    others = labels[near[near >= 0]]
    others = others[(others >= 0) & (others != own)][:10]
    weights = 1 / np.arange(1, len(others) + 1)
    return int(np.bincount(others, weights).argmax()) if len(others) else None


def _fits(units: np.ndarray, labels: np.ndarray, row: int, label: int, usual: np.ndarray) -> bool:
    """Whether a photo lies among those of another label as its own do."""
    members = np.flatnonzero(labels == label)
    if len(members) < OWN:
        return True  # too few to tell
    distance = np.partition(1 - units[members] @ units[row], OWN - 1)[OWN - 1]
    return not distance > STRANGE * usual[label]


def _runs(units: np.ndarray, labels: np.ndarray) -> list[LabelRun]:
    """RUN_LENGTH photos or more that all lie in the same wrong place, so that each has neighbours there.

    Their own label's centre is that of the others: a class of few would follow the photo.
    """
    classes = int(labels.max(initial=-1)) + 1
    if classes < 2:
        return []
    sums = np.zeros((classes, units.shape[1]), np.float64)
    np.add.at(sums, labels[labels >= 0], units[labels >= 0])
    sizes = np.bincount(labels[labels >= 0], minlength=classes)
    labelled = np.flatnonzero((labels >= 0) & (sizes[labels] >= SMALL))
    centers = unit(sums).T
    groups: dict[tuple[int, int], list[int]] = {}
    height = max(1, _BLOCK_VALUES // classes)
    for begin in range(0, len(labelled), height):
        rows = labelled[begin : begin + height]
        mine = labels[rows]
        similar = units[rows] @ centers
        similar[:, sizes < SMALL] = -2
        without = unit(sums[mine] - units[rows])
        own = np.einsum("ij,ij->i", without, units[rows])
        similar[np.arange(len(rows)), mine] = -2
        nearest_class = similar.argmax(axis=1)
        is_far = similar.max(axis=1) - own > RUN_MARGIN
        for place in np.flatnonzero(is_far).tolist():
            groups.setdefault((int(mine[place]), int(nearest_class[place])), []).append(int(rows[place]))
    found = [LabelRun(tuple(rows), *pair) for pair, rows in groups.items() if len(rows) >= RUN_LENGTH]
    return sorted(found, key=lambda run: -len(run.rows))
