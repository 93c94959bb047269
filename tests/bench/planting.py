"""Faults to plant into a data set of photos, so that one can count which of them a report finds. Pure."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 100


def _saved(picture: Image.Image, quality: int) -> bytes:
    sink = BytesIO()
    picture.save(sink, "JPEG", quality=quality)
    return sink.getvalue()


def encoded_again(data: bytes) -> bytes:
    """As a JPEG of quality 60."""
    return _saved(Image.open(BytesIO(data)).convert("RGB"), 60)


def resized(data: bytes) -> bytes:
    """At 80 % of width and height."""
    picture = Image.open(BytesIO(data)).convert("RGB")
    size = (round(picture.width * 0.8), round(picture.height * 0.8))
    return _saved(picture.resize(size, Image.Resampling.LANCZOS), 90)


def mirrored(data: bytes) -> bytes:
    """Left for right."""
    return _saved(Image.open(BytesIO(data)).convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT), 90)


def cropped(data: bytes) -> bytes:
    """Without a tenth at each side."""
    picture = Image.open(BytesIO(data)).convert("RGB")
    x, y = picture.width // 10, picture.height // 10
    return _saved(picture.crop((x, y, picture.width - x, picture.height - y)), 90)


COPIES: dict[str, Callable[[bytes], bytes]] = {
    "encoded again": encoded_again,
    "resized": resized,
    "mirrored": mirrored,
    "cropped": cropped,
}


def foreign_pictures(count: int, seed: int) -> list[bytes]:
    """Pictures of no fruit, the KINDS of them by turns: letters, charts, chequers, noise, stripes, shapes,
    landscapes and faces."""
    rng = np.random.default_rng(seed)
    return [_saved(_DRAWN[number % len(_DRAWN)](rng), 90) for number in range(count)]


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3)
    return int(red), int(green), int(blue)


def _letters(rng: np.random.Generator) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(picture)
    for line in range(2, SIDE, 12):
        text = "".join(chr(97 + letter) if letter < 26 else " " for letter in rng.integers(0, 30, 16))
        pen.text((3, line), text, fill="black")
    return picture


def _chart(rng: np.random.Generator) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(picture)
    colour = _colour(rng)
    for bar, height in enumerate(rng.integers(10, 85, 7)):
        pen.rectangle((8 + 12 * bar, 92 - int(height), 16 + 12 * bar, 92), fill=colour)
    pen.line((5, 5, 5, 93, 97, 93), fill="black", width=2)
    return picture


def _chequers(rng: np.random.Generator) -> Image.Image:
    size = int(rng.integers(5, 20))
    y, x = np.mgrid[0:SIDE, 0:SIDE] // size
    board = np.where(((x + y) % 2)[..., None], _colour(rng), _colour(rng))
    return Image.fromarray(board.astype(np.uint8))


def _noise(rng: np.random.Generator) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))


def _stripes(rng: np.random.Generator) -> Image.Image:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    wave = np.sin((x * rng.normal() + y * rng.normal()) / rng.uniform(2, 6))[..., None] / 2 + 0.5
    return Image.fromarray((wave * _colour(rng) + (1 - wave) * _colour(rng)).astype(np.uint8))


def _shapes(rng: np.random.Generator) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), _colour(rng))
    pen = ImageDraw.Draw(picture)
    for _ in range(12):
        pen.polygon([tuple(corner) for corner in rng.integers(0, SIDE, (3, 2)).tolist()], fill=_colour(rng))
    return picture


def _landscape(rng: np.random.Generator) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), (120, 170, 230))
    pen = ImageDraw.Draw(picture)
    for height, colour in ((45, (90, 110, 120)), (60, (60, 120, 60)), (75, (40, 90, 30))):
        heights = height + np.cumsum(rng.normal(0, 3, 11))
        ridge = [(10 * step, float(top)) for step, top in enumerate(heights)]
        pen.polygon([*ridge, (SIDE, SIDE), (0, SIDE)], fill=colour)
    return picture.filter(ImageFilter.GaussianBlur(0.7))


def _face(rng: np.random.Generator) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), _colour(rng))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((22, 12, 78, 88), fill=(225, 180, 150))
    for x in (38, 62):
        pen.ellipse((x - 5, 36, x + 5, 44), fill="white")
        pen.ellipse((x - 2, 38, x + 2, 42), fill="black")
    pen.arc((36, 55, 64, 75), 20, 160, fill=(150, 40, 40), width=3)
    pen.pieslice((20, 5, 80, 60), 180, 360, fill=_colour(rng))
    return picture


_DRAWN = (_letters, _chart, _chequers, _noise, _stripes, _shapes, _landscape, _face)
KINDS = len(_DRAWN)
