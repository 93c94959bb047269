"""A run over a grown prefix computes only what is new or changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lambdas.contract.plan import Plan
from lambdas.contract.report import FeaturizeMetrics
from tests.spark.conftest import PlanFactory, folder_of, run
from tests.spark.pictures import jpeg, write_class_folders

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PySpark's own


def featurize(spark: SparkSession, plan: Plan) -> FeaturizeMetrics:
    [report] = run(spark, plan, "featurize")
    assert report.error is None, report.error
    assert report.featurize is not None
    return report.featurize


def rows(plan: Plan) -> list[dict[str, object]]:
    return pq.read_table(folder_of(plan, plan.layout.features)).to_pylist()


def test_unchanged_images_are_reused_and_the_result_is_as_if_computed(
    spark: SparkSession, make_plan: PlanFactory, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    write_class_folders(images, classes=2, images=10)
    (images / "class_0" / "broken.jpg").write_bytes(b"no picture")
    first = make_plan(tmp_path / "root", images, run_id="fruits-000000000001")
    assert featurize(spark, first).images_computed == 21

    write_class_folders(images / "later", classes=1, images=3)
    (images / "class_1" / "4.jpg").write_bytes(jpeg(77))
    (images / "class_0" / "2.jpg").unlink()
    grown = make_plan(tmp_path / "root", images, run_id="fruits-000000000002", shard_images=5)
    metrics = featurize(spark, grown)
    # 3 new ones, the changed one, and the broken one, which has no features to reuse
    assert (metrics.images_computed, metrics.images_reused) == (5, 18)

    alone = make_plan(tmp_path / "elsewhere", images, run_id="fruits-000000000002", shard_images=5)
    assert featurize(spark, alone).images_reused == 0
    assert rows(grown) == rows(alone)


@pytest.mark.parametrize("changes", [{"image_size": 128}, {"dataset": "vegetables"}])
def test_features_that_would_be_others_are_not_reused(
    spark: SparkSession, make_plan: PlanFactory, tmp_path: Path, changes: dict[str, object]
) -> None:
    write_class_folders(tmp_path / "images", classes=1, images=4)
    first = make_plan(tmp_path / "root", tmp_path / "images", run_id="fruits-000000000001")
    featurize(spark, first)
    other = dataclasses.replace(first, run_id="fruits-000000000002", **changes)
    assert featurize(spark, other).images_reused == 0


def test_an_erased_part_is_computed_again(
    spark: SparkSession, make_plan: PlanFactory, tmp_path: Path
) -> None:
    write_class_folders(tmp_path / "images", classes=1, images=8)
    first = make_plan(tmp_path / "root", tmp_path / "images", run_id="fruits-000000000001", shard_images=4)
    featurize(spark, first)
    (folder_of(first, first.layout.features) / "part-00001.parquet").unlink()
    metrics = featurize(spark, dataclasses.replace(first, run_id="fruits-000000000002"))
    assert (metrics.images_computed, metrics.images_reused) == (4, 4)
