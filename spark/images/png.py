"""PNG beyond what Pillow makes of it: exact transparency, pictures that are fine but for their metadata, and
those of which rows are missing.

Source: PNG specification, third edition (5.3 chunks, 11.3.1.1 tRNS); what is ignored is what libpng ignores.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from lambdas.contract.report import QuarantineReason
from spark.images.blocks import blocks
from spark.images.unusable import UnusableError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE = 0, 2, 3
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of each pass: first column and row, steps across and down (8.2)."""
_PIECE = 2**16
_OF_THE_PICTURE = frozenset({b"acTL", b"eXIf", b"tRNS"})
"""Chunks without which a decoder can do, and would show something else."""


def essentials(encoded: bytes) -> bytes | None:
    """The PNG without text, profiles and whatever else does not change the picture, or is broken and may be
    ignored; None when there is nothing of that kind."""
    kept = [_SIGNATURE]
    for kind, chunk in _chunks(encoded):
        critical = not kind[0] & 0x20
        if critical or (kind in _OF_THE_PICTURE and _is_sound(chunk)):
            kept.append(chunk)
    essential = b"".join(kept)
    return essential if len(essential) < len(encoded) else None


def with_exact_transparency(picture: PngImageFile, encoded: bytes) -> Image.Image:
    """A loaded picture of which exactly what tRNS names is transparent, if it names it as it should.

    Pillow compares it, as it stands in the file, with samples that were brought to 8 bits. Bits of it beyond
    the picture's depth count for nothing.
    """
    if picture.info.pop("transparency", None) is None:
        return picture
    depth, colour = encoded[24], encoded[25]
    body = _transparency(encoded)
    if body is None:
        return picture
    if colour == _PALETTE:
        picture.info["transparency"] = body
        return picture
    top = 2**depth - 1
    hidden = [int.from_bytes(body[at : at + 2], "big") & top for at in range(0, len(body), 2)]
    if depth == 16 and colour == _RGB:
        return _whitened(picture, encoded, hidden)
    eight = [value * 255 // top if depth < 8 else value for value in hidden]
    picture.info["transparency"] = tuple(eight) if colour == _RGB else eight[0]
    return picture


def require_all_rows(picture: PngImageFile, encoded: bytes) -> None:
    """Raises UnusableError where the compressed data of a loaded picture is complete, and too short.

    Pillow says nothing of it, and leaves the rest at zero. Where the last row is something else all came.
    """
    last_row = picture.crop((0, picture.height - 1, picture.width, picture.height))
    if not encoded[28] and np.asarray(last_row).any():
        return
    wanted = _uncompressed_bytes(encoded)
    if (found := _inflated_bytes(encoded, wanted)) < wanted:
        detail = f"the PNG is cut off: its rows are {wanted} bytes, and {found} are there"
        raise UnusableError(QuarantineReason.CORRUPT, detail)


def _uncompressed_bytes(encoded: bytes) -> int:
    """What the rows of all passes take, a byte for the filter of each included (9.1)."""
    width, height = int.from_bytes(encoded[16:20], "big"), int.from_bytes(encoded[20:24], "big")
    bits = encoded[24] * _SAMPLES[encoded[25]]
    passes = _ADAM7 if encoded[28] else ((0, 0, 1, 1),)
    sizes = (
        (len(range(left, width, across)), len(range(upper, height, down)))
        for left, upper, across, down in passes
    )
    return sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns)


def _inflated_bytes(encoded: bytes, most: int) -> int:
    """How many bytes the image data is, counted up to ``most``."""
    stream, count = zlib.decompressobj(), 0
    for kind, chunk in _chunks(encoded):
        for at in range(8, len(chunk) - 4 if kind == b"IDAT" else 0, _PIECE):
            piece = chunk[at : min(at + _PIECE, len(chunk) - 4)]
            while piece and count < most:
                count += len(stream.decompress(piece, most - count if most - count < _PIECE else _PIECE))
                piece = stream.unconsumed_tail
    return count


def _transparency(encoded: bytes) -> bytes | None:
    """What the first tRNS says, if it is where it belongs and as long as it should be."""
    colour, palette_colours = encoded[25], 0
    for kind, chunk in _chunks(encoded):
        body = chunk[8:-4]
        if kind == b"PLTE":
            palette_colours = len(body) // 3
        if kind == b"tRNS":
            longest = {_GREY: 2, _RGB: 6, _PALETTE: palette_colours}.get(colour, 0)
            shortest = 1 if colour == _PALETTE else longest
            return body if 0 < shortest <= len(body) <= longest else None
        if kind == b"IDAT":
            break
    return None


def _whitened(picture: Image.Image, encoded: bytes, hidden: Sequence[int]) -> Image.Image:
    """A 16-bit RGB picture with white for one value. Pillow keeps the high bytes; reading the samples the
    other way round gives the low ones."""
    low = PngImageFile(BytesIO(encoded))
    low.tile = [tile._replace(args="RGB;16L") for tile in low.tile]
    low.load()
    high_bytes, low_bytes = [v >> 8 for v in hidden], [v & 255 for v in hidden]
    for box in blocks(picture.size):
        highs, lows = (np.asarray(half.crop(box)) for half in (picture, low))
        same = ((highs == high_bytes) & (lows == low_bytes)).all(axis=2)
        if same.any():
            picture.paste((255, 255, 255), box, Image.fromarray(same))
    return picture


def _chunks(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and whole content of each, up to the end or to where the file is cut off."""
    at = len(_SIGNATURE)
    while at + 12 <= len(encoded):
        end = at + 12 + int.from_bytes(encoded[at : at + 4], "big")
        yield encoded[at + 4 : at + 8], encoded[at:end]
        at = end


def _is_sound(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
