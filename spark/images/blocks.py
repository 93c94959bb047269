"""Large pictures in pieces, so that what is computed of a piece need not be held of the whole."""

from __future__ import annotations

from collections.abc import Iterator

BLOCK_PIXELS = 1 << 20


def blocks(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (left, upper, right, lower) of at most :data:`BLOCK_PIXELS` that cover a picture."""
    width, height = size
    across = min(width, BLOCK_PIXELS)
    down = max(1, BLOCK_PIXELS // across)
    for upper in range(0, height, down):
        for left in range(0, width, across):
            yield left, upper, min(left + across, width), min(upper + down, height)
