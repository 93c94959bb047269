"""From any mode of Pillow's to RGB on white, within the memory of the result."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from spark.images.blocks import BLOCK_PIXELS, blocks

SIXTEEN_BITS = 65535


def to_rgb(picture: Image.Image) -> Image.Image:
    """The loaded picture in RGB: transparency on white, 16-bit grey scaled to 8 bits."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.width * picture.height <= BLOCK_PIXELS:
        return _block_rgb(picture)
    result = Image.new("RGB", picture.size)
    for box in blocks(picture.size):
        result.paste(_block_rgb(picture.crop(box)), box[:2])
    return result


def eight_bits(samples: np.ndarray, top: int) -> np.ndarray:
    """uint16 samples of 0 to ``top``, and none above it, as uint8 of 0 to 255, rounded."""
    scaled: np.ndarray = _levels(top)[samples]
    return scaled


def _block_rgb(block: Image.Image) -> Image.Image:
    if block.mode.startswith("I;16"):
        return _wide_rgb(block)
    if block.mode == "La":
        block = block.convert("LA")
    if block.has_transparency_data:
        layer = block.convert("RGBA")
        block = Image.new("RGBA", layer.size, "white")
        block.alpha_composite(layer)
    return block.convert("RGB")


def _wide_rgb(block: Image.Image) -> Image.Image:
    wide = np.asarray(block)
    grey = eight_bits(wide, SIXTEEN_BITS)
    hidden = block.info.get("transparency")
    if hidden is not None:
        grey[wide == hidden] = 255
    return Image.fromarray(grey).convert("RGB")


@lru_cache(maxsize=4)
def _levels(top: int) -> np.ndarray:
    levels: np.ndarray = ((np.arange(top + 1) * 255 + top // 2) // top).astype(np.uint8)
    return levels
