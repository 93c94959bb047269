"""Photos that show the same view: the same file, or pixels that hardly differ, mirrored ones too. Pure.

Features cannot tell: a copy of a photo that was made smaller lies further from it than the next frame of a
turning fruit. So files are compared by their hash, and pictures by perceptual hashes whose candidates must
then agree pixel by pixel.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lambdas.report.neighbours import in_blocks
from lambdas.report.pictures import HASH_SIDE, signs_of

HASH_DISTANCE = 8
"""Of 256 signs, so many may differ."""
CORRELATION = 0.98
"""Of the fine structure of both pictures, at least."""
MOST_CANDIDATES = 500_000
"""Where more pictures are alike, the list would be of no use, and memory has an end. The first so many, in
the order of their rows, are looked at."""
_HALF = HASH_SIDE * HASH_SIDE // 2
_RADIUS = 2
"""The mean of the pixels around, so far, is taken away from each: what is left is the fine structure."""
_AT_ONCE = 2_000
"""Pictures whose hashes are made at once: some 100 MB."""
_PAIRS_AT_ONCE = 200
"""Pairs whose pixels a thread looks at once: some 20 MB."""


class Kind(StrEnum):
    """How two photos are the same."""

    FILE = "same file"
    VIEW = "same view"
    MIRRORED = "mirrored"


@dataclass(frozen=True)
class Pair:
    """Two photos by their rows, ``first < second``. ``correlation``: 1 for equal pictures."""

    first: int
    second: int
    kind: Kind
    correlation: float


def equal_files(digests: list[str]) -> list[Pair]:
    """Each further file of a content, beside the first one of it."""
    first_of: dict[str, int] = {}
    pairs = []
    for row, digest in enumerate(digests):
        first = first_of.setdefault(digest, row)
        if first != row:
            pairs.append(Pair(first, row, Kind.FILE, 1.0))
    return pairs


def alike_pictures(greys: np.ndarray, rows: np.ndarray) -> tuple[list[Pair], bool]:
    """All pairs among ``greys``, uint8 [m, 64, 64]: the pictures of ``rows``, int [m], ascending.

    Exact; the second value is False where there are more than MOST_CANDIDATES and the rest was left out.
    """
    parts = [signs_of(greys[begin : begin + _AT_ONCE]) for begin in range(0, len(greys), _AT_ONCE)]
    first, second, is_complete = _candidates(np.concatenate(parts))

    def look(begin: int) -> list[Pair]:
        one, other = (part[begin : begin + _PAIRS_AT_ONCE] for part in (first, second))
        seen, places = np.unique(np.concatenate([one, other]), return_inverse=True)
        structures = fine_structure(greys[seen])
        fine, others = structures[places[: len(one)]], structures[places[len(one) :]]
        as_is = np.einsum("ijk,ijk->i", fine, others)
        mirrored = np.einsum("ijk,ijk->i", fine, others[:, :, ::-1])
        kinds = np.where(as_is >= mirrored, Kind.VIEW, Kind.MIRRORED)
        best = np.minimum(np.maximum(as_is, mirrored), 1)
        return [
            Pair(int(rows[one[place]]), int(rows[other[place]]), Kind(kinds[place]), float(best[place]))
            for place in np.flatnonzero(best >= CORRELATION).tolist()
        ]

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = pool.map(look, range(0, len(first), _PAIRS_AT_ONCE))
        return [pair for pairs in found for pair in pairs], is_complete


def fine_structure(greys: np.ndarray) -> np.ndarray:
    """What is left of grey pictures without their coarse shades: float32 like ``greys``, each of length 1."""
    values = greys.astype(np.float32)
    fine = values - _around(values)
    lengths = np.sqrt(np.einsum("ijk,ijk->i", fine, fine))[:, None, None]
    return np.asarray(np.divide(fine, lengths, out=np.zeros_like(fine), where=lengths > 0))


def _around(values: np.ndarray) -> np.ndarray:
    """The mean of the square around each pixel, of pictures [n, height, width]."""
    width = 2 * _RADIUS + 1
    edged = np.pad(values, ((0, 0), (_RADIUS, _RADIUS), (_RADIUS, _RADIUS)), mode="edge")
    lines = np.zeros_like(edged[:, : values.shape[1]])
    sums = np.zeros_like(values)
    for shift in range(width):
        lines += edged[:, shift : shift + values.shape[1]]
    for shift in range(width):
        sums += lines[:, :, shift : shift + values.shape[2]]
    return sums / np.float32(width**2)


def _candidates(signs: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Pairs of rows whose hashes, as they are or one of them mirrored, differ by HASH_DISTANCE at most.

    Half the length of two hashes less half their product is the number of signs that differ; mirroring turns
    the sign of the odd half's product.
    """
    found: list[tuple[np.ndarray, np.ndarray]] = []
    lock = threading.Lock()
    count = 0
    odd = signs[:, _HALF:]
    limit = 2 * _HALF - 2 * HASH_DISTANCE

    def look(begin: int, even_products: np.ndarray) -> None:
        nonlocal count
        if count > MOST_CANDIDATES:  # blocks begin in order: those before this one have as many
            return
        possible = np.triu(even_products >= limit - _HALF, 1)  # of the odd half no more can come
        own = 0
        for row in np.flatnonzero(possible.any(axis=1)).tolist():
            others = np.flatnonzero(possible[row])
            odd_products = odd[begin + others] @ odd[begin + row]
            close = others[even_products[row, others] + np.abs(odd_products) >= limit]
            own += len(close)
            with lock:
                found.append((np.full(len(close), begin + row), begin + close))
                count += len(close)
            if own > MOST_CANDIDATES:
                return

    in_blocks(np.ascontiguousarray(signs[:, :_HALF]), look, once_a_pair=True)
    nothing = np.empty(0, np.int64)
    first, second = (np.concatenate(parts) for parts in zip((nothing, nothing), *found, strict=True))
    order = np.lexsort((second, first))[:MOST_CANDIDATES]
    return first[order], second[order], count <= MOST_CANDIDATES
