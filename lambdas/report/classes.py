"""Classes that are alike, and classes that are too small. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lambdas.report.neighbours import Neighbours

ALIKE_SHARE = 0.1
"""Of the neighbours of a class' photos, so many belong to the other class, at least."""
SMALL = 10
"""Photos of a class below which neither its label errors can be told nor anything be learned of it."""


@dataclass(frozen=True)
class Alike:
    """Two labels, ``first < second``, and the share of one's photos among the neighbours of the other's: the
    larger of both directions."""

    first: int
    second: int
    share: float


def alike(neighbours: Neighbours, labels: np.ndarray) -> list[Alike]:
    """Pairs of classes whose photos lie among each other, the most alike first.

    Of a photo as many neighbours count as its class has others: at best, all of them are of its own.
    """
    classes = int(labels.max(initial=-1)) + 1
    near = neighbours.rows
    near_labels = np.where(near >= 0, labels[near], -1)
    others = np.append(np.bincount(labels[labels >= 0], minlength=classes) - 1, 0)[labels]
    counted = (near_labels >= 0) & (np.arange(near.shape[1]) < others[:, None])
    own = np.broadcast_to(labels[:, None], near.shape)[counted].astype(np.int64)
    # Of thousands of classes a table of all pairs has no room; few pairs have anything in common.
    cells, among = np.unique(own * classes + near_labels[counted], return_counts=True)
    one, other = np.divmod(cells, max(classes, 1))
    shares = among / np.bincount(one, among, minlength=classes)[one]
    most: dict[tuple[int, int], float] = {}
    for place in np.flatnonzero((shares >= ALIKE_SHARE) & (one != other)).tolist():
        pair = (int(min(one[place], other[place])), int(max(one[place], other[place])))
        most[pair] = max(most.get(pair, 0), float(shares[place]))
    pairs = [Alike(*pair, share) for pair, share in most.items()]
    return sorted(pairs, key=lambda pair: (-pair.share, pair.first, pair.second))


def too_small(labels: np.ndarray) -> list[tuple[int, int]]:
    """Label and number of photos of classes with fewer than SMALL, the smallest first."""
    counts = np.bincount(labels[labels >= 0])
    return sorted(
        ((label, int(count)) for label, count in enumerate(counts) if count < SMALL), key=lambda one: one[1]
    )
