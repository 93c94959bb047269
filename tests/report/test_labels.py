"""Labels: what was planted is listed, in the right list, and what is as it should be is not."""

from __future__ import annotations

import numpy as np
import pytest

from lambdas.report.classes import Alike, alike, too_small
from lambdas.report.labels import FEW_LABELS, OWN, STRANGE, VERY_STRANGE, Misfits, misfits, own_distances
from lambdas.report.neighbours import nearest, unit

CLASSES = 8
PHOTOS = 40
DIMENSIONS = 24


def photos(sizes: list[int], noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Kinds of photos that can be told apart: units float32 [n, d], and the true kind of each."""
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.arange(len(sizes)), sizes)
    centers = rng.normal(size=(len(sizes), DIMENSIONS))
    return unit(centers[kinds] + noise * rng.normal(size=(len(kinds), DIMENSIONS))), kinds


def judged(units: np.ndarray, labels: np.ndarray) -> Misfits:
    return misfits(units, labels, nearest(units, 30))


UNITS, KINDS = photos([PHOTOS] * CLASSES)


def test_a_set_without_faults_is_not_accused() -> None:
    assert judged(UNITS, KINDS) == Misfits([], [], [])


def test_swapped_labels_are_found_with_the_label_that_fits() -> None:
    labels = KINDS.copy()
    swapped = [3, 50, 130]
    labels[swapped] = [1, 6, 0]
    found = judged(UNITS, labels)
    assert sorted((one.row, one.suggested, one.is_sure) for one in found.errors) == [
        (row, KINDS[row], True) for row in swapped
    ]
    assert found.runs == []
    assert found.outliers == []


def test_photos_that_were_mislabelled_together_are_a_run_and_no_single_errors() -> None:
    labels = KINDS.copy()
    labels[80:86] = 5
    found = judged(UNITS, labels)
    assert [(run.rows, run.label, run.suggested) for run in found.runs] == [(tuple(range(80, 86)), 5, 2)]
    assert found.errors == []


def test_a_picture_of_something_else_is_an_outlier_of_its_label_even_among_others_of_its_kind() -> None:
    strange = np.random.default_rng(7).normal(size=(1, DIMENSIONS)) + 0.05 * np.random.default_rng(8).normal(
        size=(3, DIMENSIONS)
    )
    units = np.concatenate([UNITS, unit(strange)])
    found = judged(units, np.append(KINDS, [1, 1, 4]))
    assert {one.row for one in found.outliers} == {len(UNITS), len(UNITS) + 1, len(UNITS) + 2}
    assert all(one.times > 4 for one in found.outliers)
    assert found.errors == []


def test_an_unusual_view_that_is_nearer_to_its_label_than_to_any_other_is_left_in_peace() -> None:
    tight, kinds = photos([PHOTOS] * CLASSES, noise=0.1)
    away = np.random.default_rng(2).normal(size=DIMENSIONS)
    view = unit((tight[kinds == 1].mean(axis=0) + 0.09 * away)[None])
    units, labels = np.concatenate([tight, view]), np.append(kinds, 1)
    distances = own_distances(units, labels)[labels == 1, OWN - 1]
    assert STRANGE < distances[-1] / np.median(distances) < VERY_STRANGE
    assert judged(units, labels).outliers == []
    # Among few labels, the next one is no measure: what is strange is told.
    few = labels < FEW_LABELS - 1
    assert [one.row for one in judged(units[few], labels[few]).outliers] == [few.sum() - 1]


def test_between_classes_of_few_photos_a_label_error_is_of_low_confidence() -> None:
    units, kinds = photos([PHOTOS] * 3 + [12, 12])
    labels = kinds.copy()
    few = int(np.flatnonzero(kinds == 3)[0])
    labels[[0, few]] = [1, 4]
    found = judged(units, labels)
    assert {one.row: one.is_sure for one in found.errors} == {0: True, few: False}
    assert found.errors[-1].row == few


def test_photos_without_a_label_are_left_aside() -> None:
    labels = np.where(KINDS == 2, -1, KINDS)
    labels[0] = 1
    found = judged(UNITS, labels)
    assert [one.row for one in found.errors] == [0]
    assert judged(UNITS, np.full(len(UNITS), -1)) == Misfits([], [], [])


@pytest.mark.parametrize("sizes", [[1, 1], [2, 3], [40, 1], [5]])
def test_tiny_classes_are_not_judged_by_what_they_have_not(sizes: list[int]) -> None:
    units, kinds = photos(sizes)
    assert judged(units, kinds) == Misfits([], [], [])


def test_copies_within_a_class_make_no_errors_of_its_other_photos() -> None:
    units = np.concatenate([UNITS, UNITS[:1], UNITS[:1]])
    assert judged(units, np.append(KINDS, [0, 0])) == Misfits([], [], [])


def test_classes_that_lie_among_each_other_are_alike_and_others_are_not() -> None:
    rng = np.random.default_rng(1)
    twins = unit(UNITS[KINDS == 3] + 0.05 * rng.normal(size=(PHOTOS, DIMENSIONS)))
    units, labels = np.concatenate([UNITS, twins]), np.append(KINDS, [CLASSES] * PHOTOS)
    (pair,) = alike(nearest(units, 30), labels)
    assert (pair.first, pair.second) == (3, CLASSES)
    assert 0.3 < pair.share < 0.8


def test_a_small_class_is_not_alike_to_all_others_for_want_of_own_neighbours() -> None:
    units, kinds = photos([PHOTOS, PHOTOS, 5])
    assert alike(nearest(units, 30), kinds) == list[Alike]()


def test_small_classes_are_counted_the_smallest_first() -> None:
    assert too_small(np.repeat([0, 1, 2, -1], [9, 10, 2, 5])) == [(2, 2), (0, 9)]
