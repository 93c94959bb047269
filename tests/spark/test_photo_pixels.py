"""Photos are decoded by libjpeg-turbo without Pillow around it: to the same bytes, or by Pillow after all."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from spark.images.jpeg import photo_pixels
from tests.spark.pictures import encoded, photo

GREY = {127, 128}


def pixels_of(data: bytes) -> np.ndarray | None:
    return photo_pixels(JpegImageFile(BytesIO(data)), data)


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 224),
    seed=st.integers(0, 2**32),
    quality=st.integers(1, 100),
    subsampling=st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
    options=st.sampled_from([{}, {"optimize": True}, {"restart_marker_blocks": 3}, {"comment": b"\xff\xd9"}]),
)
@settings(max_examples=60)
def test_the_bytes_are_pillows(
    width: int, height: int, seed: int, quality: int, subsampling: str, options: dict[str, object]
) -> None:
    picture = photo(seed, width, height)
    data = encoded(picture, quality=quality, subsampling=subsampling, **options)
    theirs = np.asarray(Image.open(BytesIO(data)))
    ours = pixels_of(data)
    assert GREY.issuperset(theirs[-1, -1].tolist()) if ours is None else np.array_equal(ours, theirs)


def test_colours_that_are_stored_as_they_are_stay_so() -> None:
    data = encoded(photo(1), keep_rgb=True)
    assert np.array_equal(pixels_of(data), np.asarray(Image.open(BytesIO(data))))


WHOLE = encoded(photo(1, 90, 90), quality=95)
FOR_PILLOW = {
    "several scans": encoded(photo(1), progressive=True),
    "grey": encoded(photo(1).convert("L")),
    "ink": encoded(photo(1).convert("CMYK")),
    "cut off": WHOLE[: len(WHOLE) // 2] + b"\xff\xd9",
    "something between the segments": WHOLE[:20] + b"zz" + WHOLE[20:],
    "a picture that ends in the grey of what is missing": encoded(
        Image.new("RGB", (16, 16), (128, 128, 128))
    ),
}


@pytest.mark.parametrize("data", FOR_PILLOW.values(), ids=FOR_PILLOW)
def test_pillow_decides_of_what_is_no_plain_photo_or_not_sound(data: bytes) -> None:
    assert pixels_of(data) is None
    assert pixels_of(WHOLE) is not None
