"""Encoders of pictures that no program saves by accident, written from the formats' specifications.

Samples are arrays [height, width, channels] of whole numbers; nothing here reads a picture.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
"""PNG's colour types."""
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""Of each pass: first row and column, steps down and across (PNG specification, 8.1)."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def packed_rows(samples: np.ndarray, bits: int, order: str = ">") -> list[bytes]:
    """The bytes of each row: samples of 8 or 16 bits as they are, others packed from the highest bit on."""
    rows = samples.reshape(len(samples), -1)
    if bits in {8, 16}:
        return [row.astype(f"{order}u{bits // 8}").tobytes() for row in rows]
    weights = 1 << np.arange(bits)[::-1]
    return [np.packbits((row[:, None] & weights > 0).ravel()).tobytes() for row in rows]


def chunk(kind: bytes, body: bytes = b"", checksum: int | None = None) -> bytes:
    """A chunk of a PNG, with a checksum of its own or a wrong one."""
    crc = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(
    samples: np.ndarray,
    depth: int,
    colour: int,
    before: bytes = b"",
    after: bytes = b"",
    interlaced: bool = False,
) -> bytes:
    """A PNG with chunks before and after its pixels."""
    height, width = samples.shape[:2]
    passes = [samples[y::down, x::across] for y, x, down, across in ADAM7] if interlaced else [samples]
    rows = b"".join(b"\0" + row for part in passes if part.size for row in packed_rows(part, depth))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return PNG_SIGNATURE + chunk(b"IHDR", header) + before + pixels + after + chunk(b"IEND")


def packed_bits(data: bytes) -> bytes:
    """Macintosh PackBits, literal runs only (TIFF 6.0, section 9)."""
    runs = (data[at : at + 128] for at in range(0, len(data), 128))
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


COMPRESSIONS = {1: lambda row: row, 8: None, 32773: packed_bits}
"""TIFF's numbers for as it is, Deflate (of a whole strip) and PackBits (row by row)."""


def tiff_strip(rows: list[bytes], compression: int) -> bytes:
    encode = COMPRESSIONS[compression]
    return b"".join(map(encode, rows)) if encode else zlib.compress(b"".join(rows))


def tiff(
    samples: np.ndarray,
    bits: int,
    photometric: int,
    order: str,
    compression: int = 1,
    rows: int | None = None,
    apart: bool = False,
    **tags: list[int],
) -> bytes:
    """A TIFF of strips of ``rows``, by default of one, or of one for each plane where these lie ``apart``.
    ``order``: ``<`` or ``>``; more tags as ``t338=[2]``; ``t262=[]`` leaves out."""
    height, width, channels = samples.shape
    rows, body, offsets, counts = rows or height, b"", [], []
    for plane in np.split(samples, channels, 2) if apart else [samples]:
        for top in range(0, height, rows):
            strip = tiff_strip(packed_rows(plane[top : top + rows], bits, order), compression)
            offsets.append(8 + len(body))
            counts.append(len(strip))
            body += strip + bytes(len(strip) % 2)
    entries = {256: [width], 257: [height], 258: [bits] * channels, 259: [compression], 262: [photometric]}
    entries |= {273: offsets, 277: [channels], 278: [rows], 279: counts, 284: [2] if apart else []}
    entries |= {int(name[1:]): values for name, values in tags.items()}
    directory = b""
    kept = {tag: values for tag, values in sorted(entries.items()) if values}
    for tag, values in kept.items():
        field = struct.pack(f"{order}{len(values)}H", *values)
        if len(field) > 4:
            body, field = body + field, struct.pack(f"{order}I", 8 + len(body))
        directory += struct.pack(f"{order}HHI", tag, 3, len(values)) + field.ljust(4, b"\0")
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(body))
    return start + body + struct.pack(f"{order}H", len(kept)) + directory + bytes(4)


def bmp(
    samples: np.ndarray, header: int, masks: tuple[int, ...] = (), palette: bytes = b"", down: bool = False
) -> bytes:
    """A BMP of 8 (with a palette), 24 or 32 bits, blue first; ``masks`` of red, green, blue (and alpha)."""
    height, width, channels = samples.shape
    stored = samples[..., [2, 1, 0, 3][:channels]] if channels > 1 else samples
    rows = packed_rows(stored if down else stored[::-1], 8)
    body = b"".join(row + bytes(-len(row) % 4) for row in rows)
    compression = 3 if masks else 0
    info = struct.pack("<IiiHH", header, width, -height if down else height, 1, 8 * channels)
    info += struct.pack("<IIiiII", compression, len(body), 0, 0, len(palette) // 4, 0)
    fields = b"".join(struct.pack("<I", mask) for mask in masks)
    info = (info + fields).ljust(header, b"\0") if header > 40 else info + fields
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + palette + body


def gif(indices: np.ndarray, colours: bytes, control: bytes = b"", frames: int = 1, margin: int = 0) -> bytes:
    """A GIF of up to 128 colours (``colours``: three bytes each), never compressed. ``margin``: around the
    frame, of the canvas.

    A clear code before the table can grow keeps all codes at 8 bits (GIF89a, appendix F).
    """
    height, width = indices.shape[:2]
    codes = b"".join(
        b"\x80" + bytes(indices.ravel()[at : at + 100].tolist()) for at in range(0, height * width, 100)
    )
    data = codes + b"\x81"
    blocks = b"".join(
        bytes([len(data[at : at + 255])]) + data[at : at + 255] for at in range(0, len(data), 255)
    )
    image = b"," + struct.pack("<HHHHB", margin, margin, width, height, 0) + b"\x07" + blocks + b"\0"
    table = colours.ljust(384, b"\0")
    canvas = width + 2 * margin, height + 2 * margin
    screen = struct.pack("<HHBBB", *canvas, 0x80 | 6 if colours else 0, 0, 0)
    return b"GIF89a" + screen + (table if colours else b"") + (control + image) * frames + b";"
