"""The recipe's resize, Pillow's bicubic: by Pillow itself, and by machine code of the same sums.

Both give the same bytes. Pillow sums value by value; whole rows keep the processor's vector units busy and
take a fifth of the time (decision 24).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image

from spark.images.machine_code import address, machine_code

Rgb = Image.Image | np.ndarray
"""An RGB picture: Pillow's, or uint8 [height, width, 3]."""
Resize = Callable[[Rgb, int], np.ndarray]
"""A picture and the side of a square in pixels -> uint8 [side, side, 3]."""

_A = -0.5
"""The parameter of Keys' cubic convolution (1981, section IV) with the smallest error, which Pillow takes."""
COMPILED_WIDTH = 2048
"""Wider pictures stay with Pillow, whose weights nobody keeps: of a side of n pixels they take 16 n bytes."""
_BITS = 22
"""Of the weights' fractions, as in ``pixels.c``."""


def is_stretched(size: tuple[int, int], side: int) -> bool:
    """Whether a picture of this width and height is for the machine code, where there is some.

    Both passes round, so that their order matters: Pillow turns it round for some of the taller pictures.
    """
    width, height = size
    return height <= side and width <= COMPILED_WIDTH


def bicubic(picture: Rgb, side: int) -> np.ndarray:
    """A :data:`Resize` with the bytes of :func:`pillow_bicubic`, in less time where it can.

    ``side``: a multiple of 32.
    """
    code = machine_code()
    width, height = picture.size if isinstance(picture, Image.Image) else picture.shape[1::-1]
    if code is None or not is_stretched((width, height), side):
        return pillow_bicubic(picture, side)
    pixels, result = np.ascontiguousarray(picture), np.empty((side, side, 3), np.uint8)
    first_x, weights_x = _weights(width, side)
    first_y, weights_y = _weights(height, side)
    code.stretch(
        *(address(pixels), height, width, side),
        *(address(first_x), address(weights_x), weights_x.shape[1]),
        *(address(first_y), address(weights_y), weights_y.shape[1]),
        address(result),
    )
    return result


def pillow_bicubic(picture: Rgb, side: int) -> np.ndarray:
    """A :data:`Resize` by Pillow, the oracle of the other."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))


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
