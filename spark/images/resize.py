"""The recipe's resize, Pillow's bicubic: by Pillow itself, and compiled for the processor at hand.

Both give the same bytes. Pillow sums value by value; the same sums over whole rows keep the processor's
vector units busy and take a quarter of the time (decision 14).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from itertools import count
from typing import Any

import numpy as np
from PIL import Image

Resize = Callable[[Image.Image, int], np.ndarray]
"""An RGB picture and the side of a square in pixels -> uint8 [side, side, 3]."""

_A = -0.5
"""The parameter of Keys' cubic convolution (1981, section IV) with the smallest error, which Pillow takes."""
COMPILED_WIDTH = 2048
"""Wider pictures stay with Pillow, whose weights nobody keeps: of a side of n pixels they take 16 n bytes."""
PILLOWS_FIRST = 500
"""Pictures that a process leaves to Pillow before it compiles: a small run is over before that has paid. To
import Numba and compile takes the CPU time that 2,000 pictures of 100 x 100 save (0.8 s; 0.41 ms each)."""
_BITS = 22
"""Pillow's fractional bits: 32, less 8 of a value and 2 for sums beyond black and white."""


_asked = count()


def bicubic(picture: Image.Image, side: int) -> np.ndarray:
    """A :data:`Resize` with the bytes of :func:`pillow_bicubic`, compiled if this process has many to do."""
    return (pillow_bicubic if next(_asked) < PILLOWS_FIRST else compiled_bicubic)(picture, side)


def pillow_bicubic(picture: Image.Image, side: int) -> np.ndarray:
    """A :data:`Resize` by Pillow, the oracle of the other."""
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))


def compiled_bicubic(picture: Image.Image, side: int) -> np.ndarray:
    """A :data:`Resize` with the bytes of :func:`pillow_bicubic`; a process' first call compiles it."""
    # Both passes round, so that their order matters: Pillow turns it round for some of the taller pictures.
    if picture.height > side or picture.width > COMPILED_WIDTH:
        return pillow_bicubic(picture, side)
    return _stretched(_turned(_stretched(_turned(np.asarray(picture)), side)), side)


def _turned(pixels: np.ndarray) -> np.ndarray:
    """uint8 [a, b, 3] -> [b, a, 3], contiguous; moved pixel by pixel, not byte by byte."""
    whole = np.ascontiguousarray(pixels).view("V3")[..., 0]
    return np.ascontiguousarray(whole.T)[..., None].view(np.uint8)


def _stretched(rows: np.ndarray, side: int) -> np.ndarray:
    """uint8 [n, m, 3] -> [side, m, 3]."""
    result = np.empty((side, *rows.shape[1:]), np.uint8)
    _compiled()(rows.reshape(len(rows), -1), *_weights(len(rows), side), result.reshape(side, -1))
    return result


@lru_cache(maxsize=1024)
def _weights(length: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """For each of ``side`` rows: the first of ``length`` rows that it is a sum of, and the weights in 2^-22.

    The cubic kernel is stretched when there is less room than before, cut off at the borders and normalised.

    Returns:
        int32 [side] and int32 [side, weights]; what would reach beyond the last row has the weight 0.
    """
    step = length / side
    stretch = max(step, 1.0)
    centers = (np.arange(side) + 0.5) * step
    first = np.maximum((centers - 2 * stretch + 0.5).astype(np.int32), 0)
    end = np.minimum((centers + 2 * stretch + 0.5).astype(np.int32), length)
    offsets = np.arange((end - first).max())
    distance = np.abs((offsets + first[:, None] - centers[:, None] + 0.5) * (1.0 / stretch))
    near = ((_A + 2) * distance - (_A + 3)) * distance * distance + 1
    far = (((distance - 5) * distance + 8) * distance - 4) * _A
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    weights[offsets >= (end - first)[:, None]] = 0
    weights *= 1.0 / weights.cumsum(axis=1)[:, -1:]  # summed in Pillow's order, equal to the last bit
    rounded = np.trunc(weights * 2**_BITS + np.where(weights < 0, -0.5, 0.5))
    return first, rounded.astype(np.int32)


@cache
def _compiled() -> Any:
    """:func:`_sum_rows` as machine code."""
    from numba import njit  # half a second, which nobody but the fast engine's workers need spend

    return njit(_sum_rows, nogil=True)


def _sum_rows(rows: np.ndarray, first: np.ndarray, weights: np.ndarray, result: np.ndarray) -> None:
    """Rows of uint8 ``result`` [side, m] become rounded sums of weighted rows of uint8 ``rows`` [n, m]."""
    sums = np.empty(rows.shape[1], np.int32)
    for y in range(len(result)):
        sums[:] = 1 << (_BITS - 1)
        for k in range(weights.shape[1]):
            weight, row = weights[y, k], min(first[y] + k, len(rows) - 1)
            for x in range(len(sums)):
                sums[x] += np.int32(rows[row, x]) * weight
        for x in range(len(sums)):
            result[y, x] = min(max(sums[x] >> _BITS, 0), 255)
