from __future__ import annotations

from functools import reduce
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from lambdas.contract.published import Part
from lambdas.contract.report import Progress
from spark.features.shards import ShardResult, ShardWork
from spark.steps.shard_stats import SLOWEST_SHARDS, ShardStats, ShardStatsParam
from tests.spark.conftest import PlanFactory, folder_of, run
from tests.spark.pictures import write_class_folders

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PySpark's own


def work(number: int, seconds: float) -> ShardWork:
    features, quarantine = Part(f"part-{number:05d}.parquet", 3, 10, ""), Part("", 1, 10, "")
    result = ShardResult(4, features, quarantine, {"corrupt": 1})
    return ShardWork(result, computed=4, seconds=seconds, phase_seconds={"infer": 0.5}, retries=2)


works = st.lists(st.floats(0, 100).map(lambda seconds: round(seconds, 3)), min_size=1, max_size=12).map(
    lambda all_seconds: [work(number, seconds) for number, seconds in enumerate(all_seconds)]
)


@given(shards=works, data=st.data())
def test_tallies_add_up_in_any_order(shards: list[ShardWork], data: st.DataObject) -> None:
    stats = sum(map(ShardStats.of, shards), ShardStats())
    shuffled = data.draw(st.permutations(shards))
    assert reduce(add, map(ShardStats.of, shuffled)) == stats
    assert (stats.shards, stats.images, stats.quarantined) == (len(shards), 4 * len(shards), len(shards))
    assert stats.phase_seconds == {"infer": 0.5 * len(shards)}
    slowest = sorted((shard.seconds for shard in shards), reverse=True)[:SLOWEST_SHARDS]
    assert [shard.seconds for shard in stats.slowest] == slowest


def test_spark_adds_up_what_its_tasks_tell(spark: SparkSession) -> None:
    so_far = spark.sparkContext.accumulator(ShardStats(), ShardStatsParam())
    spark.sparkContext.parallelize(range(8), 4).foreach(
        lambda number: so_far.add(ShardStats.of(work(number, 1)))
    )
    assert (so_far.value.images, so_far.value.retries) == (32, 16)


def test_progress_says_where_the_time_goes(
    spark: SparkSession, make_plan: PlanFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    images = tmp_path_factory.mktemp("pictures")
    write_class_folders(images, 2, 8)
    plan = make_plan(tmp_path_factory.mktemp("run"), images, shard_images=4)
    run(spark, plan, "featurize")
    progress = Progress.from_json(folder_of(plan, plan.layout.progress).read_text())
    assert set(progress.task_seconds) == {"decode", "fetch", "infer", "write"}
    assert len(progress.slowest_shards) == 4
    assert progress.images_per_second > 0
