"""JPEG and WebP files that are cut, flawed, or of very many scans, made of what Pillow encodes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from spark.images.decoding import Pixels, decode
from spark.images.resize import pillow_bicubic
from tests.spark.odd_samples import CORRUPT, SIDE, Odd, odd
from tests.spark.pictures import animated_gif, encoded, photo

KINDS = {
    "baseline": {},
    "optimized": {"optimize": True},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 2},
    "progressive_restarts": {"progressive": True, "restart_marker_rows": 1},
}
TOO_MANY = "too_large"
ARITHMETIC = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb0043000302020202020302020203030303040604040404040806060506"
    "09080a0a090809090a0c0f0c0a0b0e0b09090d110d0e0f101011100a0c12131210130f101010ffc9000b080008000801011100"
    "ffcc000600101005ffda0008010100003f00ffd9"
)
"""Grey, 8 x 8, by libjpeg's `cjpeg -arithmetic -grayscale`: its scan is zeros, of which none is written."""
FLAWED = ("no_eoi", "half_eoi", "fill_bytes", "zeros_for_eoi")
"""The last part of the names of those that lack their end and nothing else."""


def noisy_photo(seed: int, mode: str = "RGB") -> Image.Image:
    """What is large enough for several restart intervals, and has something to say in each block."""
    noise = np.random.default_rng(seed).integers(-20, 21, (4 * SIDE, 4 * SIDE, 3))
    smooth = np.asarray(photo(seed, 4 * SIDE, 4 * SIDE), int)
    rgb = Image.fromarray((smooth + noise).clip(0, 255).astype(np.uint8))
    return Image.merge("CMYK", [*rgb.split(), rgb.getchannel("G")]) if mode == "CMYK" else rgb.convert(mode)


def whole(data: bytes) -> np.ndarray:
    """What an intact file shows: the others are compared with it."""
    pixels = decode(data, SIDE, pillow_bicubic)
    assert isinstance(pixels, Pixels), pixels
    return pixels.values


def jpegs() -> Iterator[Odd]:
    for kind, options in KINDS.items():
        for mode, subsampling in (("RGB", 0), ("RGB", 1), ("RGB", 2), ("L", 0), ("CMYK", 0)):
            picture = noisy_photo(subsampling, mode)
            data = encoded(picture, quality=85, subsampling=subsampling, **options)
            yield from ends(f"jpeg_{kind}_{mode}_{subsampling}", data)
    yield odd("jpeg_of_many_segments", with_comments(encoded(photo(1)), 4080), None, "any")
    yield odd("jpeg_of_too_many_segments", with_comments(encoded(photo(1)), 4100), None, TOO_MANY)
    for colour in ((128, 128, 128), (127, 128, 127)):
        grey = encoded(Image.new("RGB", (SIDE, SIDE), colour))
        yield odd(f"jpeg_that_is_grey_{colour[0]}", grey, whole_colour(colour), tolerance=2)
    several = encoded(noisy_photo(1), progressive=True)
    for scans in (11, 100):
        yield odd(f"jpeg_of_{scans}_scans", with_scans(several, scans), whole(several))
    yield odd("jpeg_with_a_film_behind", several + b"\xff\xda\xff\xd9" * 300 + bytes(9), whole(several))
    flat = np.full((8, 8, 3), 128.0)
    for name, data in (("", ARITHMETIC), ("_no_eoi", ARITHMETIC[:-2])):
        yield odd(f"jpeg_arithmetic{name}", data, flat, tolerance=2)
    for scans in (101, 1000):
        yield odd(f"jpeg_of_{scans}_scans", with_scans(several, scans), None, TOO_MANY)
    # A progressive one from which whole scans were lost, where one ends and the next begins.
    for number in (2, 5, several.count(b"\xff\xda")):
        yield odd(f"jpeg_lost_scans_{number}", several[: nth(several, b"\xff\xda", number)], None, CORRUPT)


def ends(name: str, data: bytes) -> Iterator[Odd]:
    """The whole file, without its end, and cut ever earlier."""
    seen = whole(data)
    scan = data.index(b"\xff\xda")
    yield odd(f"{name}_whole", data, seen)
    yield odd(f"{name}_no_eoi", data[:-2], seen)
    yield odd(f"{name}_half_eoi", data[:-1], seen)
    yield odd(f"{name}_fill_bytes", data[:-2] + b"\xff" * 3, seen)
    yield odd(f"{name}_zeros_for_eoi", data[:-2] + bytes(500), seen)
    half = data[: (scan + len(data)) // 2]
    # What a progressive one lacks of its last scan is fine detail.
    before_the_last = data.rindex(b"\xff\xda") - 20
    ended = half[:before_the_last] if "progressive" in name else half
    yield odd(f"{name}_half_and_eoi", ended + b"\xff\xd9", None, CORRUPT)
    yield odd(f"{name}_half_and_another", half + data, None, CORRUPT)
    yield odd(f"{name}_zeros_for_half", half.ljust(len(data), b"\0"), None, CORRUPT)
    for cut in (12, 60, (len(data) - scan) // 2, len(data) - scan - 20):
        yield odd(f"{name}_cut_{cut}", data[:-cut], None, CORRUPT)
    for restart in range(0xD0, 0xD8):
        at = data.find(bytes([0xFF, restart]), scan)
        if at > 0:
            yield odd(f"{name}_cut_at_restart_{restart:x}", data[:at], None, CORRUPT)
            break


def whole_colour(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), colour, float)


def with_comments(data: bytes, count: int) -> bytes:
    """The JPEG behind so many empty comments."""
    return data[:2] + b"\xff\xfe\0\2" * count + data[2:]


def with_scans(data: bytes, total: int) -> bytes:
    """A progressive JPEG that repeats its first scan, which sets again what it has set."""
    begin = data.index(b"\xff\xda")
    end = nth(data, b"\xff", 1, begin + 2, followed_by_marker=True)
    first = data[begin:end]
    return data[:end] + first * (total - data.count(b"\xff\xda")) + data[end:]


def nth(data: bytes, part: bytes, number: int, start: int = 0, followed_by_marker: bool = False) -> int:
    """Where the ``number``-th such part begins; of 0xff, if wanted, that is no stuffed byte."""
    at = start - 1
    while number:
        at = data.index(part, at + 1)
        number -= not (followed_by_marker and data[at + 1] == 0)
    return at


def webps() -> Iterator[Odd]:
    colours = np.random.default_rng(8).integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8)
    colours[..., 3] |= 1  # of what is wholly transparent, encoders forget the colour
    alpha = colours[..., 3:] / 255
    clear, opaque = Image.fromarray(colours), Image.fromarray(colours[..., :3])
    lossless = {"lossless": True, "exact": True}
    seen = colours[..., :3] * alpha + 255 * (1 - alpha)
    data = encoded(clear, "WEBP", **lossless)
    yield odd("webp_alpha", data, seen)
    yield odd("webp", encoded(opaque, "WEBP", **lossless), colours[..., :3].astype(float))
    for cut in (10, 25, 40, len(data) // 2, len(data) - 1):
        yield odd(f"webp_cut_at_{cut}", data[:cut], None, CORRUPT, "unreadable_format")
    frames = {"save_all": True, "append_images": [photo(2, SIDE, SIDE)]}
    yield odd("webp_animated", encoded(photo(1, SIDE, SIDE), "WEBP", **frames), None, "animated")
    yield odd("gif_in_webps_name", animated_gif(), None, "animated")
