"""Samples, and what a person sees of a picture of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

SIDE = 24
COLOURS = np.random.default_rng(5).integers(0, 256, (256, 3))
DEEP_ALPHA_TOLERANCE = 2.2
"""Pillow keeps the high byte of a sample of 16 bits, and that of its alpha."""

CORRUPT, ANIMATED, UNSUPPORTED = "corrupt", "animated", "unsupported_mode"


@dataclass(frozen=True)
class Odd:
    """``shown``: [height, width, 3], 0-255, on white, or null where no picture is right. ``reasons``: of the
    quarantine that would be right, too. ``tolerance``: in steps of 255."""

    name: str
    data: bytes
    shown: np.ndarray | None
    reasons: frozenset[str] = frozenset()
    tolerance: float = 1.01


def odd(name: str, data: bytes, shown: np.ndarray | None, *reasons: str, tolerance: float = 1.01) -> Odd:
    return Odd(name, data, shown, frozenset(reasons), tolerance)


def samples(seed: int, top: int, channels: int = 1) -> np.ndarray:
    """Noise, with both ends of its range."""
    noise = np.random.default_rng(seed).integers(0, top + 1, (SIDE, SIDE, channels))
    noise[0, 0], noise[0, 1] = 0, top
    return noise


def on_white(values: np.ndarray, top: int, alpha: Any = 1.0) -> np.ndarray:
    """What grey or RGB ``values`` of 0 to ``top`` look like; ``alpha`` of 0 to 1."""
    lit = np.broadcast_to(values, (*values.shape[:2], 3)) * (255 / top)
    seen: np.ndarray = lit * alpha + 255 * (1 - alpha)
    return seen


def palette(colours: int) -> bytes:
    return COLOURS[:colours].astype(np.uint8).tobytes()
