"""Exact nearest neighbours by cosine: all pairs, in blocks of matrix products. Pure."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

_BLOCK_VALUES = 12_000_000
"""Similarities that a thread holds at once: 48 MB."""


@dataclass(frozen=True)
class Neighbours:
    """Of each of n rows, nearest first. Where there are fewer than k others, the distance is infinite and the
    row -1."""

    rows: np.ndarray
    """int32 [n, k]"""
    distances: np.ndarray
    """Cosine distance, 0 to 2: float32 [n, k]."""


def unit(vectors: np.ndarray) -> np.ndarray:
    """The rows at length 1, float32 [n, d]; a row of zeros stays one."""
    values = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    result: np.ndarray = np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0)
    return result


def nearest(units: np.ndarray, k: int) -> Neighbours:
    """The k nearest other rows of each row of ``units``, float32 [n, d] of length 1; exact.

    90,000 rows of 50 values take about half a minute on two cores, and 150 MB.
    """
    count = len(units)
    found = min(k, max(count - 1, 0))
    rows = np.full((count, k), -1, np.int32)
    distances = np.full((count, k), np.inf, np.float32)
    if found == 0:
        return Neighbours(rows, distances)

    def search(begin: int, similar: np.ndarray) -> None:
        block = np.arange(len(similar))
        similar[block, begin + block] = -np.inf  # itself
        best = _largest(similar, found)
        values = np.take_along_axis(similar, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        end = begin + len(similar)
        rows[begin:end, :found] = np.take_along_axis(best, order, axis=1)
        distances[begin:end, :found] = 1 - np.take_along_axis(values, order, axis=1)

    in_blocks(units, search)
    return Neighbours(rows, np.maximum(distances, 0, out=distances))


def in_blocks(
    vectors: np.ndarray, look: Callable[[int, np.ndarray], None], *, once_a_pair: bool = False
) -> None:
    """Give ``look`` the products of some rows with all, float32 [rows, n], and the number of the first.

    ``once_a_pair``: not with all, but with themselves and those that follow: column 0 is the first row.

    On all cores: the matrix products are BLAS's, which takes them one after the other, and meanwhile another
    thread looks at what it was given. ``look`` may change it.
    """
    count = len(vectors)
    height = max(1, min(count, _BLOCK_VALUES // max(count, 1)))
    turned = np.ascontiguousarray(vectors.T)

    def block(begin: int) -> None:
        look(begin, vectors[begin : begin + height] @ turned[:, begin if once_a_pair else 0 :])

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(block, range(0, count, height)):
            pass


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    """Columns of the k largest values of each row [rows, n], in no order: int [rows, k].

    Of each of some groups of columns only the best is looked at first. The k best values are in the k groups
    whose best values are the highest, so nothing is lost.
    """
    rows, count = values.shape
    size = max(1, math.isqrt(count // k))  # as many groups to choose from as columns of those that are chosen
    groups = count // size
    if groups <= 2 * k:
        return np.argpartition(values, count - k, axis=1)[:, count - k :]
    # Group j: the columns j, j + groups, j + 2 groups, ...; what is left over at the end is taken besides.
    whole = groups * size
    highest = values[:, :whole].reshape(rows, size, groups).max(axis=1)
    chosen = np.argpartition(highest, groups - k, axis=1)[:, groups - k :]
    columns = (chosen[:, :, None] + groups * np.arange(size)).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(whole, count), (rows, count - whole))
    columns = np.concatenate([columns, rest], axis=1)
    candidates = np.take_along_axis(values, columns, axis=1)
    best = np.argpartition(candidates, candidates.shape[1] - k, axis=1)[:, -k:]
    return np.take_along_axis(columns, best, axis=1)


def of_each(labels: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of each label, int [n] of 0, 1, ...; those of -1 have none."""
    order = np.argsort(labels, kind="stable")
    begins = np.flatnonzero(np.diff(labels[order], prepend=-2))
    for rows in np.split(order, begins[1:]):
        if len(rows) and labels[rows[0]] >= 0:
            yield rows
