"""Pictures as vandals, phones and bad disks make them: featurized, or quarantined with a right reason."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFile
from pyspark.sql import SparkSession

from spark.images.limits import MAX_PIXELS
from tests.spark.conftest import PlanFactory, folder_of, run
from tests.spark.pictures import animated_gif, bomb_png, encoded, hostile, jpeg, photo, unusual

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PySpark's own

FEATURIZED = "featurized"
BROKEN = frozenset({"corrupt", "unreadable_format"})
"""What a damaged file may be called, depending on how much of its header is left."""


def markers(data: bytes) -> list[tuple[int, int]]:
    """(offset, code) of every marker segment of a JPEG up to its scan (ITU-T T.81, B.1.1)."""
    found, at = [(0, 0xD8)], 2
    while data[at + 1] != 0xDA:
        found.append((at, data[at + 1]))
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return [*found, (at, 0xDA)]


def truncations(data: bytes) -> dict[str, tuple[bytes, frozenset[str]]]:
    """Cut at every marker, inside every header, and in the scan."""
    cuts = {f"{at:04d}": at for at, _ in markers(data)} | {f"{at:04d}_in": at + 3 for at, _ in markers(data)}
    scan = markers(data)[-1][0]
    cuts |= {f"scan_{share}": scan + (len(data) - scan) * share // 10 for share in (2, 4, 6, 8)}
    return {
        f"cut_{name}.jpg": (data[:at], BROKEN if at else frozenset({"empty"})) for name, at in cuts.items()
    }


def wrong_lengths(data: bytes) -> dict[str, tuple[bytes, frozenset[str]]]:
    """Every segment with a length of 0, and of more than there is. A decoder may get over some of it."""
    broken = {}
    for at, code in markers(data)[1:]:
        for length in (0, 0xFFFF):
            changed = data[: at + 2] + struct.pack(">H", length) + data[at + 4 :]
            broken[f"length_{code:02x}_{at}_{length}.jpg"] = (changed, BROKEN | {FEATURIZED})
    return broken


def with_frame(data: bytes, code: int, precision: int = 8) -> bytes:
    """The JPEG with another kind of frame header (T.81, table B.1) and sample precision in bits."""
    [at] = [at for at, found in markers(data) if found in {0xC0, 0xC2}]
    return data[: at + 1] + bytes([code]) + data[at + 2 : at + 4] + bytes([precision]) + data[at + 5 :]


def with_size(data: bytes, height: int, width: int) -> bytes:
    """The JPEG that claims other dimensions."""
    [at] = [at for at, found in markers(data) if found in {0xC0, 0xC2}]
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def with_thumbnail(data: bytes, thumbnail: bytes) -> bytes:
    """The JPEG with another one inside its first application segment, as cameras embed them."""
    body = b"Exif\0\0" + thumbnail
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def oddities(data: bytes) -> dict[str, tuple[bytes, frozenset[str]]]:
    """Whole files that are unusual or malicious."""
    fine, corrupt, too_large = frozenset({FEATURIZED}), frozenset({"corrupt"}), frozenset({"too_large"})
    unsupported = frozenset({"unsupported_mode"})
    gray = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    side = int(MAX_PIXELS**0.5) + 1
    exif = Image.Exif()
    files = {
        "one_pixel.jpg": (encoded(photo(1, 1, 1)), fine),
        "one_pixel.png": (encoded(photo(1, 1, 1), "PNG"), fine),
        "progressive.jpg": (encoded(photo(2), progressive=True), fine),
        "progressive_cut.jpg": (encoded(photo(2), progressive=True)[:-300], corrupt),
        "after_eoi.jpg": (data + b"garbage" * 1000, fine),
        "two_in_one.jpg": (data + jpeg(99), fine),
        "leading_zero.jpg": (b"\0" + data, frozenset({"unreadable_format"})),
        "thumbnail.jpg": (with_thumbnail(data, encoded(photo(5, 16, 16))), fine),
        "twelve_bit.jpg": (with_frame(data, 0xC1, precision=12), unsupported),
        "arithmetic.jpg": (with_frame(data, 0xC9), BROKEN | {FEATURIZED}),
        "lossless.jpg": (with_frame(data, 0xC3), unsupported),
        "claims_more.jpg": (with_size(data, 50, 600), BROKEN | {FEATURIZED}),  # libjpeg fills up with grey
        "claims_nothing.jpg": (with_size(data, 0, 0), BROKEN),
        "bomb.jpg": (with_size(data, 65_000, 65_000), too_large),
        "bomb_just.png": (bomb_png(side, side), too_large),
        "gray.jpg": (encoded(gray), fine),
        "bilevel.png": (encoded(gray.convert("1"), "PNG"), fine),
        "gray_alpha.png": (encoded(gray.convert("LA"), "PNG"), fine),
        "interlaced_cut.png": (encoded(photo(3), "PNG")[:-200], corrupt),
        "bad_checksum.png": (encoded(photo(3), "PNG").replace(b"IDAT", b"IDAU"), corrupt),
        "int32.tiff": (encoded(Image.new("I", (8, 8), 7), "TIFF"), unsupported),
        "lab.tiff": (encoded(Image.new("LAB", (8, 8)), "TIFF"), unsupported),
        "animated_as.jpg": (animated_gif(), frozenset({"animated"})),
        "animated.png": (
            encoded(photo(1), "PNG", save_all=True, append_images=[photo(2)]), frozenset({"animated"}),
        ),
        "html.jpg": (b"<html><body>404 Not Found</body></html>", frozenset({"unreadable_format"})),
        "zeros.jpg": (bytes(5000), frozenset({"unreadable_format"})),
        "only_soi.jpg": (b"\xff\xd8\xff", BROKEN),
    }  # fmt: skip
    for orientation in range(1, 10):  # 9 means nothing
        exif[0x0112] = orientation
        files[f"orientation_{orientation}.jpg"] = (encoded(photo(4), exif=exif), fine)
    return files


def corpus() -> dict[str, tuple[bytes, frozenset[str]]]:
    """File name to content and what may become of it."""
    data = jpeg(7)
    known = {name: (content, frozenset({reason})) for name, (content, reason) in hostile().items()}
    fine = {name: (content, frozenset({FEATURIZED})) for name, content in unusual().items()}
    return {**truncations(data), **wrong_lengths(data), **oddities(data), **known, **fine}


def test_every_hostile_picture_is_featurized_or_quarantined_with_a_right_reason(
    spark: SparkSession, make_plan: PlanFactory, tmp_path: Path
) -> None:
    files = corpus()
    assert len(files) >= 60
    (tmp_path / "images").mkdir()
    for name, (content, _) in files.items():
        (tmp_path / "images" / name).write_bytes(content)
    plan = make_plan(
        tmp_path / "root", tmp_path / "images", max_quarantined_fraction=1.0, shard_images=len(files)
    )
    [report] = run(spark, plan, "featurize")
    assert report.error is None
    assert report.images_in == len(files)
    features = pq.read_table(folder_of(plan, plan.layout.features)).column("path").to_pylist()
    quarantined = pq.read_table(folder_of(plan, plan.layout.quarantine)).to_pylist()
    became = {Path(path).name: FEATURIZED for path in features}
    became |= {Path(row["path"]).name: row["reason"] for row in quarantined}
    assert set(became) == set(files)
    wrong = {name: became[name] for name, (_, allowed) in files.items() if became[name] not in allowed}
    assert wrong == {}


def test_a_whole_picture_with_something_behind_it_is_the_same_picture() -> None:
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    whole, longer = (np.asarray(Image.open(BytesIO(data))) for data in (jpeg(7), jpeg(7) + b"more"))
    assert np.array_equal(whole, longer)
