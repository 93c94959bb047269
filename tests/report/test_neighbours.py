"""Neighbours are the true ones, in whatever blocks they are looked for."""

from __future__ import annotations

import numpy as np
import pytest

from lambdas.report import neighbours
from lambdas.report.neighbours import nearest, of_each, unit


def units(count: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, 8)))


@pytest.mark.parametrize("count", [2, 6, 300, 1500])
def test_neighbours_are_those_that_looking_at_all_pairs_finds(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK_VALUES", 500 * count)
    vectors = units(count)
    found = nearest(vectors, 5)
    distances = 1 - vectors @ vectors.T
    np.fill_diagonal(distances, np.inf)
    wanted = min(5, count - 1)
    expected = np.sort(distances, axis=1)[:, :wanted]
    np.testing.assert_allclose(found.distances[:, :wanted], expected, atol=1e-6)
    there = np.take_along_axis(distances, found.rows[:, :wanted].astype(int), axis=1)
    np.testing.assert_allclose(there, expected, atol=1e-6)


def test_where_there_are_fewer_others_the_rest_is_infinitely_far() -> None:
    found = nearest(units(3), 5)
    assert found.rows[:, 2:].tolist() == [[-1, -1, -1]] * 3
    assert np.isinf(found.distances[:, 2:]).all()
    assert nearest(units(1), 5).rows.tolist() == [[-1] * 5]


def test_a_photo_of_zeros_has_neighbours_too() -> None:
    vectors = unit(np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]))
    assert nearest(vectors, 1).rows[1:].tolist() == [[2], [1]]
    assert nearest(vectors, 1).distances[0, 0] == 1


def test_rows_come_label_by_label_and_those_without_one_not_at_all() -> None:
    groups = [rows.tolist() for rows in of_each(np.array([1, 0, -1, 1, 2]))]
    assert groups == [[1], [0, 3], [4]]
