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
    cells = (labels[:, None] * classes + near_labels)[counted]
    among = np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.float64)
    sums = among.sum(axis=1, keepdims=True)
    shares = np.divide(among, sums, out=np.zeros_like(among), where=sums > 0)
    most = np.maximum(shares, shares.T)
    first, second = np.nonzero(np.triu(most >= ALIKE_SHARE, 1))
    pairs = [Alike(int(a), int(b), float(most[a, b])) for a, b in zip(first, second, strict=True)]
    return sorted(pairs, key=lambda pair: -pair.share)


def too_small(labels: np.ndarray) -> list[tuple[int, int]]:
    """Label and number of photos of classes with fewer than SMALL, the smallest first."""
    counts = np.bincount(labels[labels >= 0])
    return sorted(
        ((label, int(count)) for label, count in enumerate(counts) if count < SMALL), key=lambda one: one[1]
    )
