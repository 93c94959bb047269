"""Hundreds of hostile and odd pictures, each with what a person would see, computed from its samples.

A picture is small, all of different samples, and is decoded at its own size, so that every sample counts.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import product

import numpy as np

from tests.spark.odd_files import GREY, GREY_ALPHA, PALETTE, RGB, RGB_ALPHA, bmp, chunk, gif, png
from tests.spark.odd_samples import (
    ANIMATED,
    COLOURS,
    CORRUPT,
    DEEP_ALPHA_TOLERANCE,
    UNSUPPORTED,
    Odd,
    odd,
    on_white,
    palette,
    samples,
)
from tests.spark.odd_tiffs import lost_strips, planes_apart, tiffs

DEEP = (8, 16)
DEPTHS = {GREY: (1, 2, 4, *DEEP), RGB: DEEP, PALETTE: (1, 2, 4, 8), GREY_ALPHA: DEEP, RGB_ALPHA: DEEP}
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}


def plain_png(colour: int, depth: int) -> tuple[np.ndarray, np.ndarray, bytes]:
    """Samples, what they show, and the chunks that belong before them."""
    top = 2**depth - 1
    values = samples(colour * 100 + depth, top, CHANNELS[colour])
    if colour == PALETTE:
        return values, on_white(COLOURS[values[..., 0]], 255), chunk(b"PLTE", palette(top + 1))
    if colour in {GREY_ALPHA, RGB_ALPHA}:
        return values, on_white(values[..., :-1], top, values[..., -1:] / top), b""
    return values, on_white(values, top), b""


def pngs() -> Iterator[Odd]:
    """Every colour type and depth, with every kind of transparency."""
    for colour, depth, interlaced in (
        (c, d, i) for c, depths in DEPTHS.items() for d, i in product(depths, (False, True))
    ):
        values, seen, before = plain_png(colour, depth)
        name = f"png_{colour}_{depth}{'_interlaced' if interlaced else ''}"
        tolerance = DEEP_ALPHA_TOLERANCE if depth == 16 and colour in {GREY_ALPHA, RGB_ALPHA} else 1.01
        yield odd(name, png(values, depth, colour, before, interlaced=interlaced), seen, tolerance=tolerance)
        if colour in {GREY, RGB}:
            yield from hidden_values(name, values, depth, colour, interlaced)
        if colour == PALETTE:
            yield from palettes(name, values, depth, interlaced)


def hidden_values(name: str, values: np.ndarray, depth: int, colour: int, interlaced: bool) -> Iterator[Odd]:
    """tRNS of grey and RGB: one value is transparent (PNG, 11.3.1.1)."""
    top = 2**depth - 1
    near = values.copy()
    near[3, 3] = values[2, 2]
    near[3, 3, -1] = values[2, 2, -1] ^ 1  # the least difference that there is
    for kind, hidden in (("one", values[2, 2]), ("black", values[0, 0]), ("white", values[0, 1])):
        trns = chunk(b"tRNS", struct.pack(f">{len(hidden)}H", *hidden))
        opaque = (near != hidden).any(2, keepdims=True)
        data = png(near, depth, colour, trns, interlaced=interlaced)
        yield odd(f"{name}_hides_{kind}", data, on_white(near, top, opaque))
    right = 2 * len(values[2, 2])
    for length in {0, 1, right - 1, right + 1, 300} - {right}:
        data = png(values, depth, colour, chunk(b"tRNS", bytes(length)), interlaced=interlaced)
        yield odd(f"{name}_trns_of_{length}", data, on_white(values, top), CORRUPT)
    if depth < 16:  # bits beyond the depth count for nothing
        beyond = chunk(b"tRNS", struct.pack(f">{right // 2}H", *(values[2, 2] + top + 1)))
        opaque = (values != values[2, 2]).any(2, keepdims=True)
        data = png(values, depth, colour, beyond, interlaced=interlaced)
        yield odd(f"{name}_hides_beyond", data, on_white(values, top, opaque))


def palettes(name: str, values: np.ndarray, depth: int, interlaced: bool) -> Iterator[Odd]:
    """PLTE and tRNS of every length and in every order."""
    colours = 2**depth
    seen = COLOURS[values[..., 0]]
    plte = chunk(b"PLTE", palette(colours))
    fade = np.linspace(0, 255, colours).astype(np.uint8)
    alpha = fade[values] / 255
    trns = chunk(b"tRNS", fade.tobytes())
    half = np.where(values < colours // 2, alpha, 1.0)

    def made(kind: str, before: bytes, picture: np.ndarray | None, *reasons: str, after: bytes = b"") -> Odd:
        data = png(values, depth, PALETTE, before, after, interlaced)
        return odd(f"{name}_{kind}", data, picture, *reasons)

    yield made("faded", plte + trns, on_white(seen, 255, alpha))
    yield made("half_faded", plte + chunk(b"tRNS", fade[: colours // 2].tobytes()), on_white(seen, 255, half))
    yield made("hides_first", plte + chunk(b"tRNS", b"\0"), on_white(seen, 255, np.minimum(values, 1)))
    yield made("trns_first", trns + plte, on_white(seen, 255), CORRUPT)
    yield made("trns_of_300", plte + chunk(b"tRNS", b"\xff" * 300), on_white(seen, 255), CORRUPT)
    hole = chunk(b"tRNS", b"\xff" * 299 + b"\0")
    yield made("trns_hides_beyond", plte + hole, on_white(seen, 255), CORRUPT)
    for kind, before in (("none", b""), ("trns_alone", trns), ("empty", chunk(b"PLTE"))):
        yield made(f"plte_{kind}", before, None, CORRUPT)
    yield made("plte_late", b"", None, CORRUPT, after=plte)
    yield made("plte_short", chunk(b"PLTE", palette(colours)[:-1]), None, CORRUPT, "any")


def metadata() -> Iterator[Odd]:
    """PNG whose pixels are intact beside chunks that are heavy, broken or of a wrong length."""
    values, seen, _ = plain_png(RGB, 8)
    heavy = zlib.compress(bytes(3_000_000))
    text = {b"zTXt": b"a\0\0" + heavy, b"iTXt": b"a\0\1\0\0\0" + heavy, b"iCCP": b"a\0\0" + heavy}
    text |= {b"tEXt": b"a\0" + b"x" * 100_000}
    exact = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 7, b"bKGD": 6, b"sBIT": 3, b"eXIf": 20}
    many = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000))) * 80
    cases = {f"{kind.decode()}_heavy": chunk(kind, body) for kind, body in text.items()}
    cases |= {f"{kind.decode()}_empty": chunk(kind) for kind in (*text, *exact)}
    cases |= {f"{kind.decode()}_short": chunk(kind, bytes(size - 1)) for kind, size in exact.items()}
    cases |= {f"{kind.decode()}_checksum": chunk(kind, b"a\0bc", 1) for kind in (*text, *exact)}
    cases |= {
        "zTXt_many": many,
        "iCCP_method": chunk(b"iCCP", b"a\0\7x"),
        "zTXt_method": chunk(b"zTXt", b"a\0\7x"),
    }
    cases |= {"unknown": chunk(b"abCd", b"x" * 1000), "latin": chunk(b"tEXt", b"\xe9\0\xff")}
    for name, extra in cases.items():
        yield odd(f"png_{name}_before", png(values, 8, RGB, before=extra), seen)
        yield odd(f"png_{name}_after", png(values, 8, RGB, after=extra), seen)
    frames = chunk(b"acTL", struct.pack(">II", 2, 0))
    yield odd("png_animated", png(values, 8, RGB, before=frames), None, ANIMATED)
    yield odd("png_animated_heavy", png(values, 8, RGB, before=cases["zTXt_heavy"] + frames), None, ANIMATED)
    whole = png(values, 8, RGB)
    yield odd("png_without_end", whole[:-12], seen)
    yield odd("png_pixels_checksum", png(values, 8, RGB).replace(b"IDAT", b"IDAX"), None, CORRUPT)
    for cut in (8, 20, 33, 41, 60, len(whole) // 2, len(whole) - 60):
        yield odd(f"png_cut_at_{cut}", whole[:cut], None, CORRUPT)


def half_rows() -> Iterator[Odd]:
    """PNG whose compressed data is complete, and tells of the first half of the rows; and black ones that are
    whole."""
    for (colour, depth), interlaced in product(
        ((colour, depth) for colour, depths in DEPTHS.items() for depth in depths), (False, True)
    ):
        values, _, before = plain_png(colour, depth)
        name = f"png_{colour}_{depth}{'_interlaced' if interlaced else ''}"
        yield odd(
            f"{name}_half_rows",
            cut_inside(png(values, depth, colour, before, b"", interlaced)),
            None,
            CORRUPT,
        )
        if colour in {GREY, RGB}:
            dark = np.zeros_like(values)
            yield odd(f"{name}_black", png(dark, depth, colour, b"", b"", interlaced), on_white(dark, 255))


def cut_inside(data: bytes) -> bytes:
    """The PNG of one IDAT with half of what is compressed in it, and right lengths and checksums."""
    at = data.index(b"IDAT")
    end = at + 4 + int.from_bytes(data[at - 4 : at], "big")
    rows = zlib.decompress(data[at + 4 : end])
    return data[: at - 4] + chunk(b"IDAT", zlib.compress(rows[: len(rows) // 2])) + data[end + 4 :]


def bmps_and_gifs() -> Iterator[Odd]:
    """32-bit BMP with and without alpha; palettes; GIF with holes, without colours and with frames."""
    rgb, alpha = samples(3, 255, 3), samples(4, 255)
    seen, rgba = on_white(rgb, 255), np.dstack([rgb, alpha])
    masks = (0xFF0000, 0xFF00, 0xFF)
    for header in (108, 124):
        real = bmp(rgba, header, (*masks, 0xFF000000))
        yield odd(f"bmp_{header}_alpha", real, on_white(rgb, 255, alpha / 255))
        yield odd(f"bmp_{header}_alpha_zero", bmp(rgba * [1, 1, 1, 0], header, (*masks, 0xFF000000)), seen)
        yield odd(f"bmp_{header}_no_mask", bmp(rgba, header, (*masks, 0)), seen)
        yield odd(f"bmp_{header}_rgb_down", bmp(rgb, header, down=True), seen)
        yield odd(f"bmp_{header}_strange_masks", bmp(rgba, header, (0xF0, 0xF, 0xF00, 0)), None, UNSUPPORTED)
    yield odd("bmp_40", bmp(rgba, 40), seen)
    yield odd("bmp_40_masks", bmp(rgba, 40, masks), seen)
    table = np.dstack([COLOURS[None, :, ::-1], np.zeros((1, 256, 1), int)]).astype(np.uint8).tobytes()
    yield odd("bmp_palette", bmp(alpha, 40, palette=table), on_white(COLOURS[alpha[..., 0]], 255))
    yield odd("bmp_cut", bmp(rgb, 40)[:-200], None, CORRUPT)
    yield odd("bmp_cut_in_palette", bmp(alpha, 40, palette=table)[:200], None, CORRUPT)
    indices = samples(6, 127)
    shown = on_white(COLOURS[indices[..., 0]], 255)
    hole = b"!\xf9\x04\x01\0\0\x07\0"
    yield odd("gif", gif(indices, palette(128)), shown)
    yield odd("gif_hole", gif(indices, palette(128), hole), on_white(shown, 255, indices != 7))
    framed = np.pad(shown, ((5, 5), (5, 5), (0, 0)), constant_values=255.0)
    yield odd("gif_on_a_larger_canvas", gif(indices, palette(128), margin=5), framed)
    holed = np.pad(on_white(shown, 255, indices != 7), ((5, 5), (5, 5), (0, 0)), constant_values=255.0)
    yield odd("gif_hole_on_a_larger_canvas", gif(indices, palette(128), hole, margin=5), holed)
    yield odd("gif_hole_beyond", gif(indices, palette(128), hole.replace(b"\x07", b"\xff")), shown)
    yield odd("gif_without_colours", gif(indices, b""), None, CORRUPT, "any")
    yield odd("gif_two_frames", gif(indices, palette(128), frames=2), None, ANIMATED)
    yield odd("gif_no_frame", gif(indices, palette(128), frames=0), None, CORRUPT)
    yield odd("gif_cut", gif(indices, palette(128))[:-200], None, CORRUPT)


def corpus() -> list[Odd]:
    """All of them but JPEG and WebP, whose encoders are Pillow's."""
    return [*pngs(), *metadata(), *half_rows(), *tiffs(), *planes_apart(), *lost_strips(), *bmps_and_gifs()]
