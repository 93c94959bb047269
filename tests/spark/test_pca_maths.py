from __future__ import annotations

from functools import reduce
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from lambdas.contract.plan import PcaSpec
from spark.components.exact_pca import Moments, PcaModel, fit
from spark.errors import StepFailedError
from spark.features.litert_engine import merge_in_order

AT_ONCE = 3
RAW = PcaSpec(components=3, variance=None, standardize=False)


def sample(rows: int, columns: int = 8, seed: int = 0, offset: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns)) + offset).astype(
        np.float32
    )


def fitted(rows: np.ndarray, spec: PcaSpec = RAW) -> PcaModel:
    return fit(Moments.of(rows), spec)


@given(cuts=st.lists(st.integers(0, 200), max_size=6), offset=st.sampled_from([0.0, 1e4]))
def test_moments_do_not_depend_on_how_rows_are_split(cuts: list[int], offset: float) -> None:
    rows = sample(200, offset=offset)
    merged = reduce(Moments.merge, map(Moments.of, np.split(rows, sorted(cuts))))
    exact = rows.astype(np.float64)
    assert merged.count == 200
    assert np.allclose(merged.mean, exact.mean(axis=0), rtol=1e-12)
    assert np.allclose(merged.scatter / 199, np.cov(exact.T), rtol=1e-9)


@given(order=st.permutations(range(8)), grouping=st.lists(st.integers(0, 6), max_size=7))
def test_merging_in_any_order_and_grouping_gives_the_same_pca(order: list[int], grouping: list[int]) -> None:
    rows = sample(400)
    parts = [Moments.of(part) for part in np.array_split(rows, 8)]
    waiting = [parts[number] for number in order]
    for at in grouping:  # merge two neighbours somewhere, as far as there are any
        if len(waiting) > 1:
            at %= len(waiting) - 1
            waiting[at : at + 2] = [waiting[at].merge(waiting[at + 1])]
    merged, whole = fit(reduce(Moments.merge, waiting), RAW), fitted(rows)
    assert np.allclose(merged.components, whole.components, atol=1e-10)
    assert np.allclose(merged.explained_variance, whole.explained_variance, rtol=1e-10)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PySpark's own
@pytest.mark.parametrize("parts", [1, AT_ONCE, AT_ONCE**2 + 1])
def test_workers_merge_what_the_driver_would(spark: SparkSession, parts: int) -> None:
    pieces = [Moments.of(piece) for piece in np.array_split(sample(400), parts)]
    on_workers = [merge_in_order(spark.sparkContext.parallelize(pieces, parts), AT_ONCE) for _ in range(2)]
    on_driver = reduce(Moments.merge, pieces)
    assert np.allclose(on_workers[0].scatter, on_driver.scatter, rtol=1e-12)
    assert on_workers[0].count == 400
    assert on_workers[0].scatter.tobytes() == on_workers[1].scatter.tobytes()


def test_components_are_orthonormal_and_variances_fall() -> None:
    model = fitted(sample(50))
    assert np.allclose(model.components @ model.components.T, np.eye(3), atol=1e-12)
    assert (np.diff(model.explained_variance) <= 0).all()


def test_scores_are_centred_and_have_the_explained_variance() -> None:
    rows = sample(50, offset=100.0)
    model = fitted(rows)
    scores = model.transform(rows)
    assert np.allclose(scores.mean(axis=0), 0, atol=1e-9)
    assert np.allclose(scores.var(axis=0, ddof=1), model.explained_variance, rtol=1e-9)


def test_the_largest_loading_of_every_component_is_positive() -> None:
    components = fitted(-sample(50)).components
    assert (components[np.arange(3), np.abs(components).argmax(axis=1)] > 0).all()


@given(share=st.floats(0.01, 1.0))
def test_the_fewest_components_that_reach_the_variance_are_kept(share: float) -> None:
    ratio = fitted(sample(50), PcaSpec(None, share, False)).explained_variance_ratio
    assert ratio.sum() >= share - 1e-12
    assert ratio[:-1].sum() < share


@pytest.mark.parametrize("rows", [2, 3, 4])
def test_few_images_have_fewer_components(rows: int) -> None:
    assert len(fitted(sample(rows, 20), PcaSpec(50, None, False)).components) == rows - 1


def test_standardised_features_weigh_the_same_whatever_their_unit() -> None:
    spec = PcaSpec(None, 1.0, True)
    rows = sample(50).astype(np.float64)
    rescaled = rows * np.logspace(-3, 3, 8)
    assert np.allclose(
        fitted(rows, spec).explained_variance_ratio, fitted(rescaled, spec).explained_variance_ratio
    )


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6])
def test_a_constant_feature_contributes_nothing_when_standardised(constant: float) -> None:
    spec = PcaSpec(None, 1.0, True)
    rows = sample(50)
    wider = np.column_stack([rows, np.full(50, constant, np.float32)])
    model = fitted(wider, spec)
    assert np.allclose(model.explained_variance, fitted(rows, spec).explained_variance)
    assert not model.components[:, -1].any()


@pytest.mark.parametrize(("rows", "text"), [(sample(1), "at least two"), (np.ones((5, 8)), "same features")])
def test_images_without_variance_are_refused(rows: np.ndarray, text: str) -> None:
    with pytest.raises(StepFailedError, match=text):
        fitted(rows)


def test_the_saved_model_is_the_same_bytes_and_reads_back() -> None:
    model = fitted(sample(50))
    assert model.to_npz() == fitted(sample(50)).to_npz()
    with np.load(BytesIO(model.to_npz())) as saved:
        assert np.array_equal(saved["components"], model.components)
        assert set(saved) == {
            "mean", "scale", "components", "explained_variance", "explained_variance_ratio",
        }  # fmt: skip
