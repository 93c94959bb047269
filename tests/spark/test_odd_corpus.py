"""Hundreds of odd and hostile pictures: each shows what its samples say, or is refused with a right reason."""

from __future__ import annotations

import numpy as np
import pytest

from spark.images.decoding import Flaw, Pixels, decode
from spark.images.resize import pillow_bicubic
from tests.spark.odd_corpus import Odd, corpus
from tests.spark.odd_jpegs import FLAWED, jpegs, webps

TOLERANCE = 1.01
DEEP_ALPHA_TOLERANCE = 2.2
"""Pillow keeps the high byte of a sample of 16 bits, and of its alpha."""
FEWEST = 300


def verdict(case: Odd) -> str:
    """What is wrong with what becomes of a picture; nothing when all is right."""
    outcome = decode(case.data, len(case.shown) if case.shown is not None else 24, pillow_bicubic)
    if not isinstance(outcome, Pixels):
        return "" if outcome.reason in case.reasons else f"{outcome.reason}: {outcome.detail}"
    flaw = (
        Flaw.NO_END_MARKER if case.name.partition("jpeg")[1] and case.name.endswith(tuple(FLAWED)) else None
    )
    if outcome.flaw != flaw:
        return f"flaw {outcome.flaw}"
    if case.shown is None:
        return "" if "any" in case.reasons else "decoded"
    off = float(np.abs(outcome.values - case.shown).max())
    deep = "16" in case.name and ("alpha" in case.name or "png_4" in case.name or "png_6" in case.name)
    return "" if off <= (DEEP_ALPHA_TOLERANCE if deep else TOLERANCE) else f"off by {off:.1f}"


@pytest.mark.parametrize(
    "family", [corpus, lambda: [*jpegs(), *webps()]], ids=["made here", "of Pillow's encoders"]
)
def test_an_odd_picture_shows_what_its_samples_say_or_is_refused_with_a_right_reason(family) -> None:
    wrong = {case.name: what for case in family() if (what := verdict(case))}
    assert wrong == {}


def test_the_corpus_is_large_and_its_pictures_differ() -> None:
    cases = [*corpus(), *jpegs(), *webps()]
    assert len({case.name for case in cases}) == len(cases)
    assert len({case.data for case in cases}) >= FEWEST
