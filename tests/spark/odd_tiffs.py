"""Odd TIFF files: every layout of grey, colours and palettes, planes apart, and strips that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from tests.spark.odd_files import COMPRESSIONS, tiff
from tests.spark.odd_samples import (
    COLOURS,
    CORRUPT,
    DEEP_ALPHA_TOLERANCE,
    SIDE,
    UNSUPPORTED,
    Odd,
    odd,
    on_white,
    samples,
)


def planes_apart() -> Iterator[Odd]:
    """TIFF of planes that lie apart: as its samples say, or refused where Pillow puts them elsewhere."""
    kinds = (
        ("grey_alpha", 1, 2, [2]),
        ("rgb", 2, 3, []),
        ("rgba", 2, 4, [2]),
        ("cmyk", 5, 4, []),
        ("palette_alpha", 3, 2, [2]),
    )
    for order, compression, (kind, photometric, channels, extra), bits, rows in product(
        "<>", (1, 8), kinds, (8, 16), (None, 5)
    ):
        top = 2**bits - 1
        values = samples(channels + bits, top, channels)
        lit, alpha = values[..., :3], values[..., -1:] / top if extra else 1.0
        if kind == "cmyk":
            lit = (top - lit) * (top - values[..., 3:]) / top
        table = (COLOURS.T.ravel() * 257).tolist() if photometric == 3 else []
        data = tiff(values, bits, photometric, order, compression, rows, True, t338=extra, t320=table)
        name = f"tiff_{'le' if order == '<' else 'be'}_apart_{kind}_{bits}_{compression}_{rows}"
        if kind in {"rgb", "rgba", "cmyk"} and (bits == 8 or compression == 8):
            yield odd(name, data, on_white(lit, top, alpha), tolerance=3)
        else:
            yield odd(name, data, None, UNSUPPORTED)


def lost_strips() -> Iterator[Odd]:
    """TIFF of which the first half of the strips are there, or one is nowhere."""
    values = samples(9, 255, 3)
    offsets = range(8, 8 + values.size, values.size // 4)
    for compression, apart in product((1, 8), (False, True)):
        whole = tiff(values, 8, 2, "<", compression, SIDE // 4, apart)
        yield odd(f"tiff_strips_{compression}_{apart}", whole, on_white(values, 255))
        for name, places in (("half", offsets[:2]), ("hole", [*offsets[:3], 0])):
            data = tiff(
                values, 8, 2, "<", compression, SIDE // 4, apart, t273=list(places), t279=[99] * len(places)
            )
            yield odd(f"tiff_strips_{compression}_{apart}_{name}", data, None, CORRUPT)


def tiffs() -> Iterator[Odd]:
    """Every grey layout in both byte orders and directions, with alpha or without; colours and palettes."""
    for order, bits, light, (number, compression) in product(
        "<>", (1, 2, 4, 8, 12, 16), (0, 1), enumerate(COMPRESSIONS)
    ):
        top = 2**bits - 1
        values = samples(bits * 10 + number, top)
        values = values if number else values[1:, 1:]  # rows that end within a byte
        bright = values if light else top - values
        file = tiff(values, bits, light, order, compression)
        name = f"tiff_{'le' if order == '<' else 'be'}_{bits}_{'min_is_black' if light else 'min_is_white'}"
        yield odd(f"{name}_{compression}", file, on_white(bright, top))
    for order, bits, light, compression in product("<>", (8, 16), (0, 1), COMPRESSIONS):
        top = 2**bits - 1
        both = samples(bits, top, 2)
        grey, alpha = both[..., :1] if light else top - both[..., :1], both[..., 1:] / top
        file = tiff(both, bits, light, order, compression, t338=[2])
        reasons = () if compression == 1 or bits == 8 else (UNSUPPORTED,)
        name = f"tiff_{'le' if order == '<' else 'be'}_{bits}_alpha_{light}_{compression}"
        yield odd(name, file, on_white(grey, top, alpha), *reasons, tolerance=DEEP_ALPHA_TOLERANCE)
    for order, compression in product("<>", COMPRESSIONS):
        yield from tiffs_in_colour(order, compression)


def tiffs_in_colour(order: str, compression: int) -> Iterator[Odd]:
    """RGB of 16 bits, palettes of every length, and headers that say what cannot be."""
    wide, indices = samples(7, 65535, 3), samples(8, 255)
    end = f"tiff_{'le' if order == '<' else 'be'}_{compression}"
    yield odd(f"{end}_rgb_16", tiff(wide, 16, 2, order, compression), on_white(wide, 65535))
    table = (COLOURS.T.ravel() * 257).tolist()
    seen = on_white(COLOURS[indices[..., 0]], 255)
    yield odd(f"{end}_palette", tiff(indices, 8, 3, order, compression, t320=table), seen)
    for name, colours in (("short", table[:9]), ("none", [])):
        data = tiff(indices, 8, 3, order, compression, t320=colours)
        yield odd(f"{end}_palette_{name}", data, None, CORRUPT)
    fourteen = tiff(wide[..., :1] >> 2, 14, 1, order, compression)
    yield odd(f"{end}_14_bits", fourteen, None, UNSUPPORTED)
    strange = tiff(indices, 8, 1, order, compression, t259=[34712])
    yield odd(f"{end}_compressed_otherwise", strange, None, UNSUPPORTED)
    for name, tags in (("no_width", {"t256": []}), ("many_samples", {"t277": [60000]})):
        yield odd(f"{end}_{name}", tiff(indices, 8, 1, order, compression, **tags), None, CORRUPT)
