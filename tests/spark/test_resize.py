"""The resize by machine code against Pillow's, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from spark.images import resize
from spark.images.resize import bicubic, pillow_bicubic

SIDES = (96, 128, 160, 192, 224)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """What a resize has most trouble with: neighbours that have nothing in common."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def assert_same(picture: Image.Image, side: int) -> None:
    ours, theirs = bicubic(picture, side), pillow_bicubic(picture, side)
    assert ours.shape == theirs.shape == (side, side, 3)
    assert np.array_equal(ours, theirs), (picture.size, side)


@settings(max_examples=300)
@example(width=100, height=100, side=224, seed=0)
@example(width=1, height=1, side=224, seed=0)
@example(width=5000, height=200, side=224, seed=0)
@given(
    width=st.integers(1, 600),
    height=st.integers(1, 300),
    side=st.sampled_from(SIDES),
    seed=st.integers(0, 2**32),
)
def test_the_bytes_are_pillows(width: int, height: int, side: int, seed: int) -> None:
    assert_same(noise(width, height, seed), side)


@pytest.mark.parametrize("side", SIDES)
def test_the_weights_are_pillows_for_every_length(side: int) -> None:
    for width in range(1, 1000):
        assert_same(noise(width, 2, width), side)
    for height in range(1, side + 2):
        assert_same(noise(2, height, height), side)


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (1, 127, 254)])
def test_an_even_colour_stays_as_it_is(color: tuple[int, int, int]) -> None:
    assert (bicubic(Image.new("RGB", (77, 130), color), 224) == color).all()


def test_sums_beyond_black_and_white_are_cut_off() -> None:
    board = np.kron([[0, 255], [255, 0]], np.ones((5, 5))).astype(np.uint8)
    assert_same(Image.fromarray(board).convert("RGB"), 224)


def test_a_machine_that_the_code_is_not_for_gets_the_same_bytes_from_pillow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resize, "machine_code", lambda: None)
    assert_same(noise(100, 100), 224)
