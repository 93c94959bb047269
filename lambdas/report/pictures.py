"""What the report keeps of a picture's pixels: a small grey square, its hash, and a thumbnail. Pure."""

from __future__ import annotations

from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

GREY_SIDE = 64
HASH_SIDE = 16
"""Frequencies of the cosine transform in each direction, the lowest: 256 signs."""
THUMBNAIL_SIDE = 96
_QUALITY = 72
_LARGEST_PIXELS = 64_000_000
"""What the featurize step refuses, see ``spark/images/limits.py``."""
_WHITE = (255, 255, 255)


def grey_of(data: bytes) -> np.ndarray | None:
    """The picture in small and grey, uint8 [GREY_SIDE, GREY_SIDE]; None for what is none."""
    picture = _open(data, GREY_SIDE, "L")
    if picture is None:
        return None
    return np.asarray(picture.resize((GREY_SIDE, GREY_SIDE), Image.Resampling.LANCZOS))


def thumbnail_of(data: bytes) -> bytes | None:
    """The picture as WebP, at most THUMBNAIL_SIDE pixels wide and high; None for what is none."""
    picture = _open(data, THUMBNAIL_SIDE, "RGB")
    if picture is None:
        return None
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BICUBIC)
    sink = BytesIO()
    picture.save(sink, "WEBP", quality=_QUALITY)
    return sink.getvalue()


def signs_of(greys: np.ndarray) -> np.ndarray:
    """A perceptual hash of each of ``greys``, uint8 [n, GREY_SIDE, GREY_SIDE]: +1 or -1, float32 [n, 256].

    The signs of the low frequencies of the cosine transform. In a mirror image the odd ones along a row have
    the other sign and the even ones the same: they are the two halves of the result, so that both distances
    come of one look, see :mod:`lambdas.report.same_views`.
    """
    values = greys.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    frequencies = _BASIS @ values @ _BASIS.T
    signs = np.where(frequencies > 0, np.float32(1), np.float32(-1))
    halves = [signs[:, :, parity::2].reshape(len(greys), -1) for parity in (0, 1)]
    return np.concatenate(halves, axis=1)


def _cosines() -> np.ndarray:
    """The lowest frequencies of the cosine transform DCT-II, without scale: [HASH_SIDE, GREY_SIDE]."""
    place = np.arange(GREY_SIDE) + 0.5
    waves = np.cos(np.pi / GREY_SIDE * np.arange(HASH_SIDE)[:, None] * place)
    return waves.astype(np.float32)


_BASIS = _cosines()


def _open(data: bytes, side: int, mode: Literal["L", "RGB"]) -> Image.Image | None:
    """The picture upright and in ``mode``, at least ``side`` pixels large if it was; None for what is none.

    Whatever a library trips over, it is a picture that the report does without.
    """
    try:
        with Image.open(BytesIO(data)) as picture:
            if picture.width * picture.height > _LARGEST_PIXELS:
                return None
            picture.draft(mode, (2 * side, 2 * side))  # a JPEG's own way to become smaller, and grey
            try:
                picture.load()
            except OSError:  # cut off: what was there is shown
                picture.tile = []
            ImageOps.exif_transpose(picture, in_place=True)
            if picture.has_transparency_data:
                opaque = Image.new("RGBA", picture.size, _WHITE)
                opaque.alpha_composite(picture.convert("RGBA"))
                return opaque.convert(mode)
            return picture.convert(mode)
    except Exception:  # Pillow's plugins do not agree on what a broken file raises
        return None
