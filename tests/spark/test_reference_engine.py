"""The fast engine against the brief's own recipe, on the same images and weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lambdas.contract.plan import PcaSpec, Plan, Source
from lambdas.contract.report import StepReport
from spark.components.exact_pca import Moments, PcaModel, feature_matrix, fit
from spark.datasets.index import ensure_index
from spark.datasets.object_store import open_store
from spark.datasets.publication import read_published
from spark.features import litert_engine, reference_engine
from tests.spark.conftest import REPOSITORY, PlanFactory, folder_of

pytestmark = [  # PySpark's own
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:distutils Version classes are deprecated:DeprecationWarning"),
]

PARTITIONS = 1
"""Instead of the recipe's 48, each of which builds the model anew, and each worker loads TensorFlow."""
LARGEST_DIFFERENCE = 1e-4
"""Between features of the two engines, which lie in 0..6: float32 sums in another order. Measured: 5e-5."""

RUN_ALL = REPOSITORY / "infra" / "components" / "workbench" / "run_all.ipynb"
_EMPTY_ZIP = b"PK\x05\x06" + bytes(18)

Run = tuple[Plan, list[StepReport]]


@pytest.fixture(scope="module")
def given(fast_run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What stands in the notebook's first cell, and what the set-up step puts there."""
    published, _ = fast_run
    folder = tmp_path_factory.mktemp("reference")
    (folder / "code.zip").write_bytes(_EMPTY_ZIP)  # the steps' code is installed here
    plan = folder_of(published, f"runs/{published.run_id}/plan.json")
    plan.parent.mkdir(parents=True, exist_ok=True)
    plan.write_text(published.to_json())
    return {
        'spark.conf.get("spark.workbench.root")': repr(published.root),
        'spark.conf.get("spark.workbench.run", "")': repr(published.run_id),
        'spark.conf.get("spark.workbench.kept")': repr(f"file://{folder}/kept"),
        'spark.conf.get("spark.workbench.code")': repr(f"{folder}/code.zip"),
        "partitions = 48": f"partitions = {PARTITIONS}",
    }


def run_cells(spark: SparkSession, given: dict[str, str], cells: int | None = None) -> dict[str, Any]:
    """Execute so many of the notebook's first code cells, or all; returns what they know then."""
    known: dict[str, Any] = {"spark": spark}
    codes = [cell for cell in json.loads(RUN_ALL.read_text())["cells"] if cell["cell_type"] == "code"]
    with pytest.MonkeyPatch.context() as recipe:
        recipe.setattr(reference_engine, "PARTITIONS", reference_engine.PARTITIONS)  # the notebook sets it
        for cell in codes[:cells]:
            source = "".join(cell["source"])
            for name, value in given.items():
                source = source.replace(name, value)
            exec(source, known)  # noqa: S102  # our own
    return known


@pytest.fixture(scope="module")
def notebook(spark: SparkSession, given: dict[str, str]) -> dict[str, Any]:
    """What the cells of the classic recipe's notebook know after Run All, beside the fast engine's run."""
    return run_cells(spark, given)


@pytest.fixture(scope="module")
def reference_run(notebook: dict[str, Any]) -> Run:
    plan = notebook["plan"]
    found = [folder_of(plan, plan.layout.step_report(step)).read_text() for step in ("featurize", "pca")]
    return plan, [StepReport.from_json(text) for text in found]


def test_the_notebook_shows_three_outputs_and_how_far_the_engines_are_apart(
    notebook: dict[str, Any], fast_run: Run
) -> None:
    plan, _ = fast_run
    rows = pq.read_table(folder_of(plan, plan.layout.features)).num_rows
    assert [notebook[output].count() for output in ("features", "components", "table")] == [rows] * 3
    (images,) = (
        notebook["both"].selectExpr("count(*) AS number", f"max({notebook['apart']}) AS apart").collect()
    )
    assert images.number == rows
    assert images.apart <= LARGEST_DIFFERENCE


def test_run_all_of_another_folder_takes_nothing_from_the_one_before(
    spark: SparkSession, given: dict[str, str], notebook: dict[str, Any]
) -> None:
    part = run_cells(spark, {**given, 'below = ""': 'below = "class_0/"'}, cells=2)["plan"]
    index = ensure_index(open_store(part.root), part)
    assert {path.split("/")[-2] for path in (image.path for image in index.shard(0))} == {"class_0"}
    whole = notebook["plan"]
    assert ensure_index(open_store(whole.root), whole).images > index.images


def test_the_engines_agree_on_every_image(fast_run: Run, reference_run: Run) -> None:
    ours, theirs = (
        pq.read_table(folder_of(plan, plan.layout.features)) for plan, _ in (fast_run, reference_run)
    )
    for column in ("path", "label", "content_sha256"):
        assert ours.column(column) == theirs.column(column)
    assert ours.schema.equals(theirs.schema)
    a, b = feature_matrix(ours).astype(float), feature_matrix(theirs).astype(float)
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosine.min() >= 0.9999
    assert np.abs(a - b).max() <= LARGEST_DIFFERENCE


def test_the_engines_quarantine_the_same_images(fast_run: Run, reference_run: Run) -> None:
    ours, theirs = (
        pq.read_table(folder_of(plan, plan.layout.quarantine)) for plan, _ in (fast_run, reference_run)
    )
    assert ours.to_pylist() == theirs.to_pylist()


def test_the_engines_report_the_same(fast_run: Run, reference_run: Run) -> None:
    for ours, theirs in zip(fast_run[1], reference_run[1], strict=True):
        assert theirs.error is None
        assert theirs.engine == "reference"
        assert theirs.outputs == ours.outputs
        assert theirs.quarantine_reasons == ours.quarantine_reasons
        assert theirs.pca_components == ours.pca_components
        assert theirs.explained_variance == pytest.approx(ours.explained_variance, abs=1e-5)


def test_pca_agrees_with_mllib_on_the_same_features(spark: SparkSession, reference_run: Run) -> None:
    plan, _ = reference_run
    saved = (folder_of(plan, plan.layout.pca_model) / "model.npz").read_bytes()
    features = read_published(open_store(plan.root), plan.layout.features)
    assert_alike(litert_engine.fit_pca(spark, plan, features), PcaModel.from_npz(saved))


def test_standardized_pca_agrees_with_mllib_on_the_same_features(
    spark: SparkSession,
    fast_run: Run,
    make_plan: PlanFactory,
    mixed_images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the first of them, since MLlib's time grows with the cube of their number."""
    columns = 40
    published, _ = fast_run
    features = read_published(open_store(published.root), published.layout.features)
    plan = make_plan(tmp_path, mixed_images, pca=PcaSpec(10, None, standardize=True))
    folder_of(plan, plan.layout.features).mkdir(parents=True)
    rows = []
    for part in features.parts:
        table = pq.read_table(folder_of(published, published.layout.features) / part.name)
        rows.append(feature_matrix(table)[:, :columns])
        narrow = pa.FixedSizeListArray.from_arrays(rows[-1].ravel(), columns)
        pq.write_table(pa.table({"features": narrow}), folder_of(plan, plan.layout.features) / part.name)
    monkeypatch.setattr(reference_engine, "FEATURE_DIM", columns)
    ours = fit(Moments.of(np.concatenate(rows)), plan.pca)
    assert_alike(ours, reference_engine.fit_pca(spark, plan, features))


def assert_alike(ours: PcaModel, theirs: PcaModel) -> None:
    assert np.allclose(ours.explained_variance_ratio, theirs.explained_variance_ratio, atol=1e-6)
    assert np.allclose(ours.explained_variance, theirs.explained_variance, rtol=1e-6)
    assert np.allclose(ours.components, theirs.components, atol=1e-6)
    assert np.allclose(ours.mean, theirs.mean)
    assert np.allclose(ours.scale, theirs.scale)


def test_images_that_spark_cannot_list_are_fetched_by_its_workers(
    spark: SparkSession, make_plan: PlanFactory, mixed_images: Path, tmp_path: Path
) -> None:
    keys = ("class_0/0.jpg", "gone.jpg", "odd/sp ace é%20+#.jpg", "odd/zero.jpg")
    source = Source(f"file://{mixed_images}", keys)
    plan = make_plan(tmp_path, mixed_images, engine="reference", sources=(source,))
    index = ensure_index(open_store(plan.root), plan)
    rows = reference_engine.index_with_content(spark, plan, index).orderBy("position").collect()
    assert [row["path"] for row in rows] == [f"file://{mixed_images}/{key}" for key in keys]
    expected = [(mixed_images / key).read_bytes() if key != "gone.jpg" else None for key in keys]
    assert [row["content"] for row in rows] == expected
