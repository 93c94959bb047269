"""Pictures made in code: ordinary ones, and those that users upload by accident."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def photo(seed: int, width: int = 60, height: int = 50) -> Image.Image:
    """A smooth colourful picture that differs by seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    sink = BytesIO()
    picture.save(sink, kind, **options)
    return sink.getvalue()


def jpeg(seed: int) -> bytes:
    return encoded(photo(seed), quality=90)


def bomb_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that declares ``width`` x ``height`` pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def animated_gif() -> bytes:
    return encoded(photo(1), "GIF", save_all=True, append_images=[photo(2)])


def hostile() -> dict[str, tuple[bytes, str]]:
    """Files that must be quarantined, with the reason."""
    return {
        "zero.jpg": (b"", "empty"),
        "truncated.jpg": (jpeg(3)[:-400], "corrupt"),
        "header_only.jpg": (jpeg(3)[:30], "corrupt"),
        "renamed_text.jpg": (b"not a picture, just words " * 20, "unreadable_format"),
        "animated.gif": (animated_gif(), "animated"),
        "bomb.png": (bomb_png(20_000, 20_000), "too_large"),
        "float.tiff": (encoded(Image.new("F", (8, 8), 0.5), "TIFF"), "unsupported_mode"),
    }


def unusual() -> dict[str, bytes]:
    """Files that look odd and are fine."""
    exif = Image.Exif()
    exif[0x0112] = 6
    grey16 = Image.fromarray(np.arange(0, 64 * 1000, 1000, dtype=np.uint16).reshape(8, 8))
    return {
        "png_named.jpg": encoded(photo(4), "PNG"),
        "cmyk.jpg": encoded(photo(5).convert("CMYK")),
        "sixteen_bit.png": encoded(grey16, "PNG"),
        "transparent.png": encoded(photo(6).convert("RGBA"), "PNG"),
        "palette.gif": encoded(photo(7).convert("P"), "GIF"),
        "wide.jpg": encoded(photo(8, 20_000, 30)),
        "rotated.jpg": encoded(photo(9), exif=exif),
        "UPPER.JPG": jpeg(10),
        "sp ace é%20+#.jpg": jpeg(11),
    }


def write_class_folders(folder: Path, classes: int, images: int) -> None:
    """``folder/class_<n>/<m>.jpg``, all different."""
    for kind in range(classes):
        (folder / f"class_{kind}").mkdir(parents=True)
        for number in range(images):
            (folder / f"class_{kind}" / f"{number}.jpg").write_bytes(jpeg(1000 * kind + number))
