"""Hundreds of odd and hostile pictures: each shows what its samples say, or is refused for a right reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from spark.images.decoding import Flaw, Pixels, decode
from spark.images.resize import pillow_bicubic
from tests.spark.odd_corpus import corpus
from tests.spark.odd_jpegs import FLAWED, jpegs, webps
from tests.spark.odd_samples import SIDE, Odd

FEWEST = 300


def fault(case: Odd) -> str:
    """What is wrong with what becomes of a picture; nothing when all is right."""
    outcome = decode(case.data, SIDE if case.shown is None else len(case.shown), pillow_bicubic)
    if not isinstance(outcome, Pixels):
        return "" if outcome.reason in case.reasons else f"{outcome.reason}: {outcome.detail}"
    if outcome.flaw != (Flaw.NO_END_MARKER if case.name.endswith(FLAWED) else None):
        return f"flaw {outcome.flaw}"
    if case.shown is None:
        return "" if "any" in case.reasons else "decoded"
    off = float(np.abs(outcome.values - case.shown).max())
    return "" if off <= case.tolerance else f"off by {off:.1f}"


@pytest.mark.parametrize("family", [corpus, jpegs, webps])
def test_an_odd_picture_shows_what_its_samples_say_or_is_refused_with_a_right_reason(
    family: Callable[[], Iterable[Odd]],
) -> None:
    assert {case.name: what for case in family() if (what := fault(case))} == {}


def test_the_corpus_is_large_and_its_pictures_differ() -> None:
    cases = [*corpus(), *jpegs(), *webps()]
    assert len({case.name for case in cases}) == len(cases)
    assert len({case.data for case in cases}) >= FEWEST
