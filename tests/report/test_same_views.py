"""Copies are found, changed as people change them; other pictures are left in peace."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from lambdas.report import neighbours, same_views
from lambdas.report.analysis import part_of
from lambdas.report.pictures import GREY_SIDE, grey_of, signs_of, thumbnail_of
from lambdas.report.same_views import Kind, alike_pictures, equal_files
from tests.bench.planting import COPIES

ORIGINALS = 40


def picture(seed: int) -> bytes:
    """A JPEG of 100 x 100 pixels with coarse and fine structure, as a photo of something has."""
    rng = np.random.default_rng(seed)
    layers = [
        Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8)).resize((100, 100))
        for side in (6, 12, 25)
    ]
    mixed = np.mean([np.asarray(layer) for layer in layers], axis=0)
    contrast = ((mixed - 128) * 1.8 + 128).clip(0, 255).astype(np.uint8)
    sink = BytesIO()
    Image.fromarray(contrast).convert("RGB").save(sink, "JPEG", quality=92)
    return sink.getvalue()


def greys(pictures: list[bytes]) -> np.ndarray:
    found = [grey_of(data) for data in pictures]
    return np.stack([grey for grey in found if grey is not None])


def pairs_of(pictures: list[bytes]) -> list[same_views.Pair]:
    pairs, is_complete = alike_pictures(greys(pictures), np.arange(len(pictures)))
    assert is_complete
    return pairs


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    return [picture(seed) for seed in range(ORIGINALS)]


@pytest.mark.parametrize("change", ["encoded again", "resized", "mirrored"])
def test_a_changed_copy_is_found_beside_its_original(originals: list[bytes], change: str) -> None:
    pairs = pairs_of([*originals, COPIES[change](originals[7])])
    assert [(pair.first, pair.second) for pair in pairs] == [(7, ORIGINALS)]
    assert pairs[0].kind == (Kind.MIRRORED if change == "mirrored" else Kind.VIEW)


def test_different_pictures_and_cut_outs_are_not_listed(originals: list[bytes]) -> None:
    assert pairs_of([*originals, COPIES["cropped"](originals[7])]) == []


def test_plain_pictures_have_nothing_that_could_be_compared() -> None:
    plain = np.full((3, GREY_SIDE, GREY_SIDE), 200, np.uint8)
    assert alike_pictures(plain, np.arange(3)) == ([], True)


def test_rows_are_those_of_the_photos_and_not_of_the_pictures(originals: list[bytes]) -> None:
    copied = greys([originals[0], originals[1], originals[0]])
    pairs, _ = alike_pictures(copied, np.array([3, 5, 9]))
    assert [(pair.first, pair.second, pair.kind) for pair in pairs] == [(3, 9, Kind.VIEW)]


def test_where_everything_is_alike_the_list_is_cut_and_says_so(
    monkeypatch: pytest.MonkeyPatch, originals: list[bytes]
) -> None:
    alike = greys(originals[:1] * 60)
    first = [(0, other) for other in range(1, 60)] + [(1, other) for other in range(2, 43)]
    monkeypatch.setattr(same_views, "MOST_CANDIDATES", len(first))
    for values in (60 * 7, neighbours._BLOCK_VALUES):  # in many blocks, and in one
        monkeypatch.setattr(neighbours, "_BLOCK_VALUES", values)
        pairs, is_complete = alike_pictures(alike, np.arange(60))
        assert [(pair.first, pair.second) for pair in pairs] == first
        assert not is_complete


def test_each_further_file_of_a_content_is_listed_beside_the_first() -> None:
    pairs = equal_files(["a", "b", "a", "a"])
    assert [(pair.first, pair.second, pair.kind) for pair in pairs] == [(0, 2, Kind.FILE), (0, 3, Kind.FILE)]


def test_a_mirror_image_turns_the_signs_of_the_second_half_and_no_other(originals: list[bytes]) -> None:
    grey = greys(originals[:1])
    as_is, mirrored = signs_of(grey)[0], signs_of(grey[:, :, ::-1])[0]
    half = len(as_is) // 2
    assert (as_is[:half] == mirrored[:half]).all()
    assert (as_is[half:] == -mirrored[half:]).all()


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("s3://b/images/f/Training/apple/1.jpg", "Training"),
        ("s3://b/images/f/val_set/apple/1.jpg", "val_set"),
        ("s3://b/images/f/TEST/apple/1.jpg", "TEST"),
        ("s3://b/images/trainers/apple/1.jpg", None),
        ("s3://b/images/f/apple/test.jpg", None),
    ],
)
def test_parts_for_learning_and_judging_are_told_by_the_names_of_folders(path: str, part: str | None) -> None:
    assert part_of(path) == part


def test_a_picture_is_seen_upright_on_white_and_as_far_as_it_goes() -> None:
    sink = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (300, 100), "red").save(sink, "JPEG", exif=exif)
    small = thumbnail_of(sink.getvalue())
    assert small is not None
    assert Image.open(BytesIO(small)).size == (32, 96)
    clear = BytesIO()
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(clear, "PNG")
    seen = grey_of(clear.getvalue())
    assert seen is not None
    assert seen.min() == 255
    whole = picture(1)
    assert thumbnail_of(whole[: len(whole) // 2]) is not None


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_what_is_no_picture_is_not_seen(data: bytes) -> None:
    assert grey_of(data) is None
    assert thumbnail_of(data) is None
