"""Photos that show the same view: the same file, or pixels that hardly differ, mirrored ones too. Pure.

Features cannot tell: a copy of a photo that was made smaller lies further from it than the next frame of a
turning fruit. So files are compared by their hash, and pictures by perceptual hashes whose candidates must
then agree pixel by pixel.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lambdas.report.neighbours import in_blocks
from lambdas.report.pictures import HASH_SIDE, signs_of

HASH_DISTANCE = 8
"""Of 256 signs, so many may differ."""
CORRELATION = 0.98
"""Of the fine structure of both pictures, at least."""
MOST_CANDIDATES = 2_000_000
"""Where more pictures are alike, the list would be of no use, and memory has an end."""
_HALF = HASH_SIDE * HASH_SIDE // 2
_RADIUS = 2
"""The mean of the pixels around, so far, is taken away from each: what is left is the fine structure."""
_AT_ONCE = 2_000
"""Pictures, or pairs, whose pixels are looked at once: some 100 MB."""


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
    pairs = []
    for begin in range(0, len(first), _AT_ONCE):
        one, other = first[begin : begin + _AT_ONCE], second[begin : begin + _AT_ONCE]
        fine, others = fine_structure(greys[one]), fine_structure(greys[other])
        as_is = np.einsum("ijk,ijk->i", fine, others)
        mirrored = np.einsum("ijk,ijk->i", fine, others[:, :, ::-1])
        kinds = np.where(as_is >= mirrored, Kind.VIEW, Kind.MIRRORED)
        best = np.minimum(np.maximum(as_is, mirrored), 1)
        for place in np.flatnonzero(best >= CORRELATION).tolist():
            a, b = int(rows[one[place]]), int(rows[other[place]])
            pairs.append(Pair(a, b, Kind(kinds[place]), float(best[place])))
    return pairs, is_complete


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
    left = MOST_CANDIDATES
    odd = signs[:, _HALF:]
    limit = 2 * _HALF - 2 * HASH_DISTANCE

    def look(begin: int, even_products: np.ndarray) -> None:
        nonlocal left
        one, other = np.nonzero(even_products >= limit - _HALF)  # of the odd half no more can come
        later = other > one
        one, other = one[later], other[later]
        odd_products = np.einsum("ij,ij->i", odd[begin + one], odd[begin + other])
        close = even_products[one, other] + np.abs(odd_products) >= limit
        with lock:
            if left > 0:
                found.append((begin + one[close], begin + other[close]))
            left -= int(close.sum())

    in_blocks(np.ascontiguousarray(signs[:, :_HALF]), look, once_a_pair=True)
    first, second = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((second, first))
    return first[order], second[order], left >= 0
