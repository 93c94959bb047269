"""What a worker process of PySpark does between its tasks, once it has run one of ours."""

from __future__ import annotations

import gc
import os
import sys
import zipimport
from typing import Any

import pytest
from pyspark.sql import SparkSession

from spark.features.python_worker import shorten_pauses

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PySpark's own
TASKS = 8


def look(_: int) -> dict[str, Any]:
    """How it is in this process, before the task and after."""
    before = getattr(sys.modules["__main__"], "worker_main", None)
    frozen = gc.get_freeze_count()
    shorten_pauses()
    shorten_pauses()
    return {
        "process": os.getpid(),
        "was_settled": frozen > 0,
        "before": repr(before),
        "after": repr(sys.modules["__main__"].worker_main),  # type: ignore[attr-defined]  # PySpark's
        "frozen": gc.get_freeze_count(),
        "reads_archives_again": zipimport.zipimporter.invalidate_caches.__module__ == "zipimport",
    }


def test_the_pauses_between_tasks_are_shortened_once_in_each_process(spark: SparkSession) -> None:
    context = spark.sparkContext
    first, second = (context.parallelize(range(TASKS), TASKS).map(look).collect() for _ in range(2))
    for seen in (*first, *second):
        assert seen["after"].count("_acknowledging") == 1
        assert seen["frozen"] > 0
        assert not seen["reads_archives_again"]
    processes = {seen["process"] for seen in first}
    again = [seen for seen in second if seen["process"] in processes]
    assert again, "Spark starts a process for each task"
    for seen in again:
        assert seen["was_settled"]
        assert seen["before"] == seen["after"]


def test_a_process_that_is_no_worker_of_pyspark_stays_as_it_is() -> None:
    before, frozen = zipimport.zipimporter.invalidate_caches, gc.get_freeze_count()
    shorten_pauses()
    assert zipimport.zipimporter.invalidate_caches is before
    assert gc.get_freeze_count() == frozen
