"""The saved PCA: applied by a later run, and read by MLlib."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.ml.feature import PCAModel
from pyspark.ml.linalg import Vectors
from pyspark.sql import SparkSession

from lambdas.contract.plan import PcaSpec, Plan
from lambdas.contract.report import StepReport
from spark.components.exact_pca import PcaModel, feature_matrix
from tests.spark.conftest import PlanFactory, folder_of, run
from tests.spark.pictures import write_class_folders

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PySpark's own


@pytest.fixture(scope="module")
def earlier(fast_run: tuple[Plan, list[StepReport]]) -> Plan:
    return fast_run[0]


@pytest.fixture(scope="module")
def fitted(earlier: Plan) -> PcaModel:
    return PcaModel.from_npz((folder_of(earlier, earlier.layout.pca_model) / "model.npz").read_bytes())


def saved_at(plan: Plan) -> str:
    return f"{plan.root}/{plan.layout.pca_model}"


def test_mllib_loads_the_saved_model(spark: SparkSession, earlier: Plan, fitted: PcaModel) -> None:
    loaded = PCAModel.load(f"{saved_at(earlier)}mllib")
    assert np.array_equal(loaded.pc.toArray(), fitted.components.T)
    assert np.array_equal(loaded.explainedVariance.toArray(), fitted.explained_variance_ratio)
    assert (loaded.getK(), loaded.getInputCol(), loaded.getOutputCol()) == (7, "features", "pca")


def test_mllibs_scores_of_centred_features_are_ours(
    spark: SparkSession, earlier: Plan, fitted: PcaModel
) -> None:
    rows = feature_matrix(pq.read_table(folder_of(earlier, earlier.layout.features)))
    centred = spark.createDataFrame([(Vectors.dense(row - fitted.mean),) for row in rows], ["features"])
    scored = PCAModel.load(f"{saved_at(earlier)}mllib").transform(centred).collect()
    theirs = np.array([row["pca"].toArray() for row in scored])
    assert np.allclose(theirs, fitted.transform(rows), atol=1e-10)


def test_an_earlier_model_is_applied_to_new_images(
    spark: SparkSession, make_plan: PlanFactory, earlier: Plan, fitted: PcaModel, tmp_path: Path
) -> None:
    write_class_folders(tmp_path / "new", classes=1, images=3)
    plan = make_plan(tmp_path / "root", tmp_path / "new", pca=PcaSpec(None, None, False, saved_at(earlier)))
    _, report = run(spark, plan, "featurize", "pca")
    assert report.error is None
    assert report.pca_components == 7
    assert report.notes[0].startswith("pca.model: ")
    rows = feature_matrix(pq.read_table(folder_of(plan, plan.layout.features)))
    scores = pq.read_table(folder_of(plan, plan.layout.pca)).column("pca").to_pylist()
    assert np.allclose(scores, fitted.transform(rows), atol=1e-5)
    for name in ("model.npz", "model.json", "mllib/data/part-00000.parquet"):
        copies = [folder_of(p, p.layout.pca_model) / name for p in (earlier, plan)]
        assert copies[0].read_bytes() == copies[1].read_bytes()


@pytest.mark.parametrize(
    ("change", "message"), [("nowhere", "there is no model at"), ("image_size", "image_size=96")]
)
def test_a_model_that_cannot_be_applied_is_the_users_to_correct(
    spark: SparkSession, make_plan: PlanFactory, earlier: Plan, mixed_images: Path, change: str, message: str
) -> None:
    uri = f"{earlier.root}/models/pca/none/" if change == "nowhere" else saved_at(earlier)
    plan = dataclasses.replace(earlier, pca=PcaSpec(None, None, False, uri))
    if change == "image_size":
        plan = dataclasses.replace(plan, image_size=128)
    [report] = run(spark, plan, "pca")
    assert report.error is not None
    assert report.error.kind == "user"
    assert message in report.error.message
