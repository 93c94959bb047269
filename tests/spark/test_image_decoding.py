from __future__ import annotations

import hashlib
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from lambdas.contract.report import QuarantineReason
from spark import images
from spark.datasets.publication import decoding_sha256
from spark.images.decoding import Pixels, Rejected, decode, scale
from spark.images.limits import MAX_BYTES
from spark.images.resize import pillow_bicubic
from tests.spark.pictures import encoded, hostile, jpeg, photo, unusual


def pixels(data: bytes, size: int = 96) -> np.ndarray:
    decoded = decode(data, size, pillow_bicubic)
    assert isinstance(decoded, Pixels), decoded
    return decoded.values


@pytest.mark.parametrize(("data", "reason"), hostile().values(), ids=hostile())
def test_a_hostile_file_is_rejected_with_its_reason(data: bytes, reason: str) -> None:
    rejected = decode(data, 96, pillow_bicubic)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == QuarantineReason(reason)
    assert rejected.detail


@pytest.mark.parametrize("data", unusual().values(), ids=unusual())
def test_an_unusual_file_is_decoded(data: bytes) -> None:
    decoded = pixels(data)
    assert decoded.shape == (96, 96, 3)
    assert decoded.dtype == np.uint8


def test_pixels_are_pillows_bicubic_scaled_as_keras_does() -> None:
    picture = Image.open(BytesIO(jpeg(1)))
    expected = np.asarray(picture.resize((96, 96), Image.Resampling.BICUBIC))
    assert np.array_equal(pixels(jpeg(1)), expected)
    scaled = np.empty(expected.shape, np.float32)
    scale(expected, out=scaled)
    assert np.array_equal(scaled, expected.astype(np.float32) / np.float32(127.5) - np.float32(1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotated_photo_is_seen_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = photo(1)
    data = encoded(stored, "PNG", exif=exif)
    with_tag = Image.open(BytesIO(data))
    upright = encoded(ImageOps.exif_transpose(with_tag), "PNG")
    assert np.array_equal(pixels(data), pixels(upright))


def test_transparency_becomes_white() -> None:
    clear = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    assert (pixels(encoded(clear, "PNG")) == 255).all()


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (65535, 255), (32768, 128), (257, 1)])
def test_sixteen_bit_grey_is_scaled_to_eight(value: int, expected: int) -> None:
    picture = Image.fromarray(np.full((4, 4), value, np.uint16))
    assert (pixels(encoded(picture, "PNG")) == expected).all()


def test_a_photo_with_broken_metadata_is_kept() -> None:
    broken = encoded(photo(1), exif=b"Exif\0\0garbage that is no TIFF header")
    assert np.array_equal(pixels(broken), pixels(encoded(photo(1))))


def test_the_first_picture_of_a_phones_multi_picture_file_counts() -> None:
    both = encoded(photo(1), "MPO", save_all=True, append_images=[photo(2)])
    assert np.array_equal(pixels(both), pixels(encoded(photo(1))))


def test_a_file_over_the_byte_limit_is_rejected() -> None:
    rejected = decode(b"\xff\xd8\xff" + bytes(MAX_BYTES), 96, pillow_bicubic)
    assert isinstance(rejected, Rejected)
    assert rejected.reason is QuarantineReason.TOO_LARGE


@given(data=st.binary(max_size=200))
def test_any_bytes_are_decoded_or_rejected(data: bytes) -> None:
    assert isinstance(decode(data, 96, pillow_bicubic), Rejected | Pixels)


@settings(max_examples=150)
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"]))
def test_a_damaged_picture_is_decoded_or_rejected(data: st.DataObject, kind: str) -> None:
    original = bytearray(encoded(photo(1, 12, 10), kind))
    at = data.draw(st.integers(0, len(original) - 1))
    original[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    assert isinstance(decode(bytes(original), 96, pillow_bicubic), Rejected | Pixels)


def test_every_source_of_what_makes_pixels_counts_for_where_features_come_from() -> None:
    folder = Path(images.__path__[0])
    sources = [*sorted(folder.glob("[a-z]*.py")), folder / "pixels.c"]
    assert {"decoding.py", "png.py", "tiff.py", "resize.py"} <= {source.name for source in sources}
    assert decoding_sha256() == hashlib.sha256(b"".join(map(Path.read_bytes, sources))).hexdigest()


def test_what_a_library_says_of_a_picture_is_cut() -> None:
    """A TIFF whose header lists millions of values had them all in its row."""
    detail = Rejected(QuarantineReason.CORRUPT, "x" * 10_000_000).detail
    assert detail == f"{'x' * 500}..."


@pytest.mark.parametrize("tag", [258, 273, 279, 324, 325, 338, 339])
def test_a_tiff_with_millions_of_entries_in_a_tag_is_refused_before_they_are_looked_into(tag: int) -> None:
    entries = 2**19
    head = b"II*\0" + struct.pack("<I", 8)
    tags = {256: 1, 257: entries, 258: 8, 259: 1, 262: 1, 277: 1, 278: 1, 273: 8, 279: 1}
    after = 8 + 2 + 12 * len(tags | {tag: 0}) + 4
    directory = b"".join(
        struct.pack("<HHII", one, 4, entries, after) if one == tag else struct.pack("<HHII", one, 4, 1, value)
        for one, value in sorted((tags | {tag: 0}).items())
    )
    file = head + struct.pack("<H", len(tags | {tag: 0})) + directory + bytes(4) + bytes(4 * entries)
    rejected = decode(file, 96, pillow_bicubic)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == QuarantineReason.TOO_LARGE
    assert rejected.detail == f"a TIFF with {4 * entries} bytes in its tag {tag}; the limit is {2**20}"
