"""The featurize step beside other ways to the same features, whole processes from start to end, in turns."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow.parquet as pq
import pyspark

from infra.local.emr.spark_cluster import SparkCluster, WorkerNodes
from lambdas.contract.plan import Plan
from lambdas.runs.job_flow import jvm_options
from spark.datasets.object_store import open_store
from spark.datasets.publication import DatasetManifest, read_published
from tests.bench.featurize import Bench, finished
from tests.bench.figures import Figure, Turns, in_turns, spread
from tests.bench.steps import REPOSITORY, SLOTS, BenchError, Measured, run_step, step_environment

IMAGES = 8_550
"""As many as the photos of Fruits-360 that were tried first."""
REFERENCE_IMAGES = 5_000
NODE_MB = 2048
_JOB = REPOSITORY / "build" / "job.zip"
_CLOSE = 1e-4
"""Features are of the order of one; the compiled resize rounds as Pillow's."""


def over_the_expert(bench: Bench) -> list[Figure]:
    """How many times as long the expert's script takes."""
    count = min(IMAGES, len(bench.paths))
    listing = bench.scratch / "expert.txt"
    listing.write_text("".join(f"{path}\n" for path in bench.paths[:count]))
    model = bench.model.uri.removeprefix("file://")
    made: list[Path] = []
    plans: list[Plan] = []

    def expert() -> float:
        made.append(bench.scratch / f"expert-{len(made)}")
        began = time.monotonic()
        command = [sys.executable, "-m", "tests.bench.expert", model, str(listing), str(made[-1])]
        subprocess.run(command, cwd=REPOSITORY, env=step_environment(), check=True)
        return time.monotonic() - began

    def ours() -> float:
        plans.append(bench.plan(count))
        return finished(run_step(plans[-1])).wall_seconds

    turns = in_turns(ours, expert)
    _require_the_same(plans[-1], made[-1])
    return [
        *turns.figures("featurize.ratio_vs_expert", 1.10),
        Figure("expert.seconds", median(turns.theirs)),
    ]


def _require_the_same(plan: Plan, expert: Path) -> None:
    """Both have read the same pixels by the same network, or there is nothing to compare."""
    ours = pq.read_table(
        Path(plan.root.removeprefix("file://")) / plan.layout.features, columns=["path", "features"]
    ).sort_by("path")
    theirs = pq.read_table(expert, columns=["path", "features"]).sort_by("path")
    one, other = (
        np.asarray(table["features"].combine_chunks().flatten(), np.float32) for table in (ours, theirs)
    )
    if one.shape != other.shape or np.abs(one - other).max() > _CLOSE:
        raise BenchError("the expert's script has other features: what it takes says nothing")


def over_the_reference(bench: Bench) -> list[Figure]:
    """How many times as long the classic recipe takes (pandas UDF, Keras), by the step's own seconds."""
    images = min(REFERENCE_IMAGES, len(bench.paths))
    turns = in_turns(
        lambda: bench.featurize(images).step_seconds,
        lambda: bench.featurize(images, "reference").step_seconds,
    )
    return turns.figures("featurize.ratio_vs_reference", 8)


def standalone_over_local(bench: Bench) -> list[Figure]:
    """The rate of the step on a Spark cluster of two worker processes, over that in one process.

    The step waits for its executors, whose JVMs start on the same cores; the whole process also for its own.
    """
    count = min(IMAGES, len(bench.paths))
    local: list[Measured] = []
    standalone: list[Measured] = []
    plans: list[Plan] = []

    def run(environment: dict[str, str], runs: list[Measured]) -> float:
        plans.append(bench.plan(count))
        runs.append(finished(run_step(plans[-1], environment)))
        return runs[-1].step_seconds

    with _cluster(bench.scratch / "standalone") as environment:
        turns = in_turns(lambda: run(environment, standalone), lambda: run({}, local))
    processes = Turns(*(tuple(each.wall_seconds for each in runs) for runs in (standalone, local)))
    if any(_published(plan).parts != _published(plans[0]).parts for plan in plans):
        raise BenchError("the cluster has published other bytes than the single process")
    return [
        *turns.figures("standalone.fraction_of_local", 0.97),
        *spread("standalone.process_fraction_of_local", processes.ratios),
    ]


def _published(plan: Plan) -> DatasetManifest:
    return read_published(open_store(plan.root), plan.layout.features)


@contextmanager
def _cluster(folder: Path) -> Iterator[dict[str, str]]:
    """A master and two workers of a slot each, encrypting as on EMR; yields what a driver needs to use them.

    They stand before a driver comes, as on EMR, and have the shipped archive of our code alone.
    """
    own = {k: v for k, v in step_environment().items() if k not in {"PYTHONPATH", "PYSPARK_SUBMIT_ARGS"}}
    home = Path(pyspark.__file__).parent
    nodes = SparkCluster(
        WorkerNodes(SLOTS, 1, NODE_MB),
        spark_home=home,
        environment={**own, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"},
        folder=folder,
        encrypted=True,
    )
    with nodes:
        properties = folder / "driver.conf"
        properties.touch(mode=0o600)  # it holds the secret of the nodes
        settings = {**jvm_options("fast"), **nodes.driver_properties}
        properties.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        submit = f"--properties-file {properties} --py-files {_JOB} --conf spark.driver.host=127.0.0.1"
        yield {**nodes.driver_environment, "PYSPARK_SUBMIT_ARGS": f"{submit} pyspark-shell"}
