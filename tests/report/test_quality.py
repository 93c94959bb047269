"""The judge of the report's quality: what it lets judge, and when it says no."""

from __future__ import annotations

import pytest

from tests.bench.planted_faults import Score
from tests.bench.report_quality import Row
from tests.bench.sample import halved

NAMES = [
    "Apple Braeburn",
    "Apple Golden 1",
    "apple Red",
    "Banana",
    "Kiwi",
    "Pear Abate",
    "Pear Kaiser",
    "Plum",
]
GOOD, BAD = Score(planted=100, listed=110, right=95), Score(planted=100, listed=100, right=89)


@pytest.mark.parametrize("seed", range(5))
def test_varieties_of_a_fruit_are_in_one_half_and_all_names_in_one(seed: int) -> None:
    sides = halved(NAMES, seed)
    assert sorted([*sides[0], *sides[1]]) == list(range(len(NAMES)))
    assert {len(side) for side in sides} <= {3, 4, 5}
    for varieties in ({0, 1, 2}, {5, 6}):
        assert varieties <= set(sides[0]) or varieties <= set(sides[1])


def test_ways_to_halve_differ() -> None:
    assert len({frozenset(map(frozenset, halved(NAMES, seed))) for seed in range(5)}) > 1


def test_a_part_that_judges_may_miss_no_bar_and_the_half_of_the_thresholds_is_not_asked() -> None:
    name = "1 % of labels swapped"
    assert list(Row(name, BAD, [GOOD, GOOD], GOOD).missed) == []
    assert list(Row(name, GOOD, [GOOD, BAD], BAD).missed) == [
        f"{name}, {part}: 0.890 / 0.890, asked for 0.900 / 0.800" for part in ("split 1", "all photos")
    ]
    assert list(Row("8 runs of 3 frames", GOOD, [BAD], None).missed) == []


def test_the_table_has_the_worst_and_the_median_of_the_halves_that_judge() -> None:
    worst, best = Score(10, 20, 5), Score(10, 10, 10)
    row = Row("swapped", GOOD, [best, worst, GOOD], None)
    assert str(row) == "| swapped | 0.950 / 0.864 | 0.500 / 0.250 | 0.950 / 0.864 |  |"
