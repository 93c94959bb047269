"""What a process holds at most while it decodes the largest legal pictures: run by test_decoding_memory.py.

Prints a JSON object a picture: ``name``, ``predicted_mb``, ``grown_mb`` (the peak above what was there
before), ``peak_mb`` (of the whole process) and ``outcome``. The last one, ``worker``, is a task's with
several images. The argument is the LiteRT model, which is loaded all the while, as in a worker.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from spark.datasets.index import ImageRef
from spark.features.model import feature_extractor
from spark.features.prefetch import Decoded, Refused, Stopwatch, decode_fetched, featurize_images
from spark.images.limits import MAX_BYTES, decoding_bytes
from spark.images.resize import bicubic
from spark.images.tiff import Tiff
from tests.bench.memory import peak_rss_mb
from tests.spark.odd_files import PALETTE, PNG_SIGNATURE, RGB, RGB_ALPHA, chunk
from tests.spark.pictures import encoded

SIDE = 224
GREY = 0


def deflated(row: bytes, rows: int) -> bytes:
    """A zlib stream of so many equal rows, of pieces that are compressed once (RFC 1950, 1951)."""
    at_once = 100
    squeeze = zlib.compressobj(9, wbits=-15)
    piece = squeeze.compress(row * at_once) + squeeze.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, wbits=-15)
    rest = last.compress(row * (rows % at_once)) + last.flush()
    checksum, block = 1, row * at_once
    for _ in range(rows // at_once):
        checksum = zlib.adler32(block, checksum)
    checksum = zlib.adler32(row * (rows % at_once), checksum)
    return b"\x78\x9c" + piece * (rows // at_once) + rest + struct.pack(">I", checksum)


def flat_png(side: int, depth: int, colour: int, pixel: bytes, before: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", deflated(b"\0" + pixel * side, side))
    return PNG_SIGNATURE + header + before + pixels + chunk(b"IEND")


def flat_tiff(side: int, bits: int, samples: int, photometric: int, orientation: int) -> bytes:
    """Deflated, of one strip."""
    body = deflated(b"\x40\x80" * samples * side, side)
    tags = {256: side, 257: side, 258: bits, 259: 8, 262: photometric, 273: 8, 274: orientation, 277: samples}
    tags |= {278: side, 279: len(body)} | ({338: 2} if samples == 4 else {})
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    start = struct.pack("<2sHI", b"II", 42, 8 + len(body))
    return start + body + struct.pack("<H", len(tags)) + entries + bytes(4)


def run_length_bmp(side: int) -> bytes:
    """Runs of 250 pixels, and the colours of all 256 numbers."""
    body = (b"\xfa\x07" * (side // 250) + b"\0\0") * side + b"\0\1"
    colours = bytes(value for n in range(256) for value in (n, 255 - n, n, 0))
    info = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(body), 0, 0, 54 + 1024) + info + colours + body


def worst() -> Iterator[tuple[str, bytes]]:
    """Pictures of each mode and each decoder that holds much: the largest that the limits let pass where they
    take most, others of 6 megapixels or less."""
    most, less = 8000, 2500
    plte = chunk(b"PLTE", bytes(range(12))) + chunk(b"tRNS", b"\x80")
    hidden = chunk(b"tRNS", struct.pack(">3H", 0x4080, 0x4080, 0x4080))
    yield "png, 16-bit RGB and alpha", flat_png(most, 16, RGB_ALPHA, b"\x40\x80" * 4)
    yield "png, 16-bit RGB, one of them transparent", flat_png(less, 16, RGB, b"\x40\x80" * 3, hidden)
    yield "png, 16-bit grey", flat_png(less, 16, GREY, b"\x40\x80")
    yield "png, transparent palette", flat_png(less, 8, PALETTE, b"\0", plte)
    yield "tiff, 16-bit RGB and alpha, turned", flat_tiff(6350, 16, 4, 2, 6)
    yield "tiff, 16-bit min-is-white", flat_tiff(less, 16, 1, 0, 1)
    yield "bmp, run lengths", run_length_bmp(less // 2)
    turned = Image.Exif()
    turned[0x0112] = 6
    yield "jpeg, turned", encoded(Image.new("RGB", (less, less), (200, 40, 30)), exif=turned)
    yield "jpeg, progressive", progressive(most)
    yield "jpeg, progressive CMYK", encoded(Image.new("CMYK", (less, less), (9, 8, 7, 6)), progressive=True)
    clear = Image.new("RGBA", (6350, 6350), (200, 40, 30, 128))
    yield "webp, lossless with alpha", encoded(clear, "WEBP", lossless=True, quality=0, method=0)


@cache
def progressive(side: int) -> bytes:
    """A JPEG of which libjpeg holds all coefficients."""
    return encoded(Image.new("RGB", (side, side), (200, 40, 30)), progressive=True, subsampling=0)


def measured(name: str, data: bytes) -> dict[str, object]:
    with (Tiff if name.startswith("tiff") else Image.open)(BytesIO(data)) as picture:
        predicted = decoding_bytes(picture, data)
    before = forgotten_peak_mb()
    outcome = decode_fetched(data, SIDE, bicubic)
    peak = peak_rss_mb("self")
    return {
        "name": name,
        "predicted_mb": predicted / 2**20,
        "grown_mb": peak - before,
        "peak_mb": peak,
        "outcome": "decoded" if isinstance(outcome, Decoded) else outcome.rejected.detail,
    }


def worker(folder: Path, extract: Callable[[np.ndarray], np.ndarray]) -> dict[str, object]:
    """A task's images: one that takes most among others of the most bytes, of sizes that nobody listed."""
    for name, side in (("heavy", 8000), ("light", 9)):
        (folder / name).write_bytes(progressive(side).ljust(MAX_BYTES, b"\1"))
    images = []
    for number in range(6):
        file = folder / f"{number}.jpg"
        file.hardlink_to(folder / ("heavy" if number == 3 else "light"))
        images.append(ImageRef(f"file://{file}"))
    forgotten_peak_mb()
    outcomes = featurize_images(images, SIDE, extract, Stopwatch())
    refused = [outcome.rejected.detail for outcome in outcomes if isinstance(outcome, Refused)]
    return {"name": "worker", "peak_mb": peak_rss_mb("self"), "outcome": "; ".join(refused) or "decoded"}


def forgotten_peak_mb() -> float:
    """Let Linux forget the peak, and say what there is now (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_rss_mb("self")


def main(model: Path) -> None:
    Image.MAX_IMAGE_PIXELS = None
    extract = feature_extractor(model.read_bytes(), SIDE)
    for name, data in worst():
        sys.stdout.write(json.dumps(measured(name, data)) + "\n")
    with TemporaryDirectory() as folder:
        sys.stdout.write(json.dumps(worker(Path(folder), extract)) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
