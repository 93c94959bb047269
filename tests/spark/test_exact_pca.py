"""Exact PCA against NumPy's own covariance and SVD, and against cases that can be worked by hand."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest

from lambdas.contract.plan import PcaSpec
from spark.components.exact_pca import Moments, PcaModel, feature_matrix, fit, require_variance, truncated
from spark.datasets.arrow_arrays import float_lists
from spark.errors import StepFailedError

ALL = PcaSpec(components=None, variance=None, standardize=False)
SQUARE = np.array([[3.0, 1.0], [3.0, -1.0], [-3.0, 1.0], [-3.0, -1.0]])
"""Along the first axis the variance is 36 / 3 = 12, along the second 4 / 3."""


def rows_of(count: int, columns: int = 4) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(count, columns)) * np.arange(1, columns + 1) + 5.0


def test_moments_are_count_mean_and_sums_of_squares_about_the_mean() -> None:
    moments = Moments.of((SQUARE + 10).astype(np.float32))
    assert moments.count == 4
    assert moments.mean.tolist() == [10.0, 10.0]
    assert moments.scatter.tolist() == [[36.0, 0.0], [0.0, 4.0]]
    assert (moments.mean.dtype, moments.scatter.dtype) == (np.float64, np.float64)


def test_sums_are_formed_in_float64() -> None:
    rows = np.full((1000, 1), 0.1, np.float32)
    assert Moments.of(rows).mean[0] == float(np.float32(0.1))
    assert Moments.of(rows).scatter[0, 0] == 0.0


def test_no_rows_have_moments_that_add_nothing() -> None:
    nothing, something = Moments.of(np.empty((0, 2), np.float32)), Moments.of(SQUARE)
    assert (nothing.count, nothing.mean.tolist()) == (0, [0.0, 0.0])
    assert nothing.merge(nothing) is nothing
    for merged in (nothing.merge(something), something.merge(nothing)):
        assert (merged.count, merged.mean.tolist()) == (4, [0.0, 0.0])
        assert merged.scatter.tolist() == [[36.0, 0.0], [0.0, 4.0]]


def test_moments_of_parts_of_unequal_size_merge_to_those_of_the_whole() -> None:
    rows = np.array([[0.0], [0.0], [0.0], [8.0]])
    merged = Moments.of(rows[:3]).merge(Moments.of(rows[3:]))
    assert (merged.count, merged.mean.tolist(), merged.scatter.tolist()) == (4, [2.0], [[48.0]])


def test_components_are_the_axes_of_the_data_by_falling_variance() -> None:
    model = fit(Moments.of(SQUARE[:, ::-1] + [5.0, -5.0]), ALL)
    assert model.mean.tolist() == [5.0, -5.0]
    assert model.scale.tolist() == [1.0, 1.0]
    assert np.allclose(model.components, [[0.0, 1.0], [1.0, 0.0]])
    assert np.allclose(model.explained_variance, [12.0, 4 / 3])
    assert np.allclose(model.explained_variance_ratio, [0.9, 0.1])


def test_standardised_features_are_divided_by_their_sample_deviation() -> None:
    model = fit(Moments.of(SQUARE), PcaSpec(None, None, standardize=True))
    assert np.allclose(model.scale, [np.sqrt(12.0), np.sqrt(4 / 3)])
    assert np.allclose(model.explained_variance, [1.0, 1.0])
    assert np.allclose(model.explained_variance_ratio, [0.5, 0.5])


def test_a_fit_is_what_the_singular_value_decomposition_says() -> None:
    rows = rows_of(30)
    for standardize in (False, True):
        scale = rows.std(axis=0, ddof=1) if standardize else np.ones(4)
        _, singular, directions = np.linalg.svd((rows - rows.mean(axis=0)) / scale)
        model = fit(Moments.of(rows), PcaSpec(3, None, standardize))
        assert np.allclose(model.explained_variance, singular[:3] ** 2 / 29)
        assert np.allclose(model.explained_variance_ratio, singular[:3] ** 2 / (singular**2).sum())
        assert np.allclose(np.abs(model.components), np.abs(directions[:3]))
        assert np.allclose(model.transform(rows), (rows - rows.mean(axis=0)) / scale @ model.components.T)


@pytest.mark.parametrize("tiny", [1e-14, 1e-12])
def test_a_column_is_constant_below_the_rounding_of_its_mean(tiny: float) -> None:
    rows = np.column_stack([SQUARE, 1.0 + tiny * SQUARE[:, 1]])
    model = fit(Moments.of(rows), PcaSpec(None, None, standardize=True))
    varies = tiny > 1e-13
    assert (model.scale[2] == 1.0) is not varies
    assert model.components.any(axis=0).tolist() == [True, True, varies]
    if not varies:
        assert np.allclose(model.explained_variance, [1.0, 1.0])


def cut(spec: PcaSpec, rows: int = 100, variances: tuple[float, ...] = (6.0, 3.0, 1.0, 0.0)) -> PcaModel:
    size = len(variances)
    return truncated(
        rows, np.zeros(size), np.ones(size), np.eye(size), np.array(variances), sum(variances), spec
    )


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        (ALL, 3),
        (PcaSpec(1, None, standardize=False), 1),
        (PcaSpec(3, None, standardize=False), 3),
        (PcaSpec(4, None, standardize=False), 3),
        (PcaSpec(None, 0.5, standardize=False), 1),
        (PcaSpec(None, 0.6, standardize=False), 1),
        (PcaSpec(None, 0.61, standardize=False), 2),
        (PcaSpec(None, 0.9, standardize=False), 2),
        (PcaSpec(None, 0.91, standardize=False), 3),
        (PcaSpec(None, 1.0, standardize=False), 3),
    ],
)
def test_as_many_components_are_kept_as_are_asked_for_and_exist(spec: PcaSpec, kept: int) -> None:
    model = cut(spec)
    assert model.components.tolist() == np.eye(4)[:kept].tolist()
    assert model.explained_variance.tolist() == [6.0, 3.0, 1.0][:kept]
    assert np.allclose(model.explained_variance_ratio, [0.6, 0.3, 0.1][:kept])


def test_no_more_directions_exist_than_rows_less_one_and_none_below_rounding() -> None:
    assert [len(cut(ALL, rows=rows).components) for rows in (2, 3, 4, 5)] == [1, 2, 3, 3]
    epsilon = 2.0**-52
    assert len(cut(ALL, variances=(1.0, 4 * epsilon, 0.0, 0.0)).components) == 1
    assert len(cut(ALL, variances=(1.0, 5 * epsilon, 0.0, 0.0)).components) == 2
    assert len(cut(PcaSpec(None, 0.99, standardize=False), rows=2).components) == 1


def test_a_direction_points_where_its_largest_loading_is_positive() -> None:
    directions = np.array([[0.6, -0.8], [0.8, 0.6]])
    model = truncated(10, np.zeros(2), np.ones(2), directions, np.array([2.0, 1.0]), 3.0, ALL)
    assert model.components.tolist() == [[-0.6, 0.8], [0.8, 0.6]]


@pytest.mark.parametrize(
    ("rows", "total", "problem", "remedy"),
    [
        (0, 1.0, "PCA needs at least two images, 0 has features", "add images"),
        (1, 1.0, "PCA needs at least two images, 1 has features", "add images"),
        (2, 0.0, "all 2 images have the same features", "add different images"),
        (2, float("nan"), "all 2 images have the same features", "add different images"),
    ],
)
def test_images_that_do_not_vary_are_the_users_data(
    rows: int, total: float, problem: str, remedy: str
) -> None:
    with pytest.raises(StepFailedError) as caught:
        require_variance(rows, total)
    error = caught.value.error
    assert (error.kind, error.message, error.remedy) == ("data", problem, remedy)


def test_two_images_that_vary_at_all_are_enough() -> None:
    require_variance(2, 5e-324)
    assert len(fit(Moments.of(SQUARE[:2]), ALL).components) == 1
    for rows in (SQUARE[:1], np.full((3, 2), 0.1, np.float32)):
        with pytest.raises(StepFailedError):
            fit(Moments.of(rows), ALL)


def test_a_model_reads_back_as_it_was_saved() -> None:
    model = fit(Moments.of(rows_of(9)), PcaSpec(2, None, standardize=True))
    read = PcaModel.from_npz(model.to_npz())
    for name in ("mean", "scale", "components", "explained_variance", "explained_variance_ratio"):
        assert np.array_equal(getattr(read, name), getattr(model, name))


def test_a_model_with_an_object_in_it_is_not_unpickled() -> None:
    sink = BytesIO()
    np.savez(sink, mean=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        PcaModel.from_npz(sink.getvalue())


def test_the_features_of_a_part_are_a_matrix_of_its_rows() -> None:
    values = np.arange(3 * 1280, dtype=np.float32).reshape(3, 1280)
    pieces = pa.chunked_array([float_lists(values[:1]), float_lists(values[1:])])
    assert np.array_equal(feature_matrix(pa.table({"features": pieces})), values)
