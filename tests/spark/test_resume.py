"""A killed run costs only what was not yet done, and ends with the same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from infra.local import jvm
from lambdas.contract.plan import Plan
from lambdas.contract.report import FeaturizeMetrics, StepReport
from tests.bench.steps import step_environment
from tests.spark.conftest import REPOSITORY, PlanFactory, folder_of, run
from tests.spark.pictures import write_class_folders

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PySpark's own

CLASSES, IMAGES_A_CLASS, SHARD_IMAGES = 6, 8, 4
IMAGES = CLASSES * IMAGES_A_CLASS
SHARDS = IMAGES // SHARD_IMAGES
SEED = 20261122
STEP_TIMEOUT_SECONDS = 180


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_class_folders(folder, CLASSES, IMAGES_A_CLASS)
    (folder / "class_0" / "0.jpg").write_bytes(b"")  # one for the quarantine
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    spark: SparkSession, make_plan: PlanFactory, images: Path, tmp_path_factory: pytest.TempPathFactory
) -> Plan:
    plan = make_plan(tmp_path_factory.mktemp("undisturbed"), images, shard_images=SHARD_IMAGES)
    [report] = run(spark, plan, "featurize")
    assert metrics(report).images_computed == IMAGES
    return plan


def metrics(report: StepReport) -> FeaturizeMetrics:
    assert report.error is None, report.error
    assert report.featurize is not None
    return report.featurize


def datasets(plan: Plan) -> dict[str, str]:
    """Hash of every published object, by name."""
    return {
        f"{prefix}{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for prefix in (plan.layout.features, plan.layout.quarantine)
        for path in folder_of(plan, prefix).glob("*")
        if path.suffix in {".parquet", ".json"} or path.name == "_SUCCESS"
    }


def part(plan: Plan, prefix: str, number: int) -> Path:
    return folder_of(plan, prefix) / f"part-{number:05d}.parquet"


def test_a_finished_run_recomputes_nothing(spark: SparkSession, undisturbed: Plan) -> None:
    before = datasets(undisturbed)
    [report] = run(spark, undisturbed, "featurize")
    assert (metrics(report).images_computed, metrics(report).images_resumed) == (0, IMAGES)
    assert datasets(undisturbed) == before


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lost=st.sets(
        st.tuples(st.integers(0, SHARDS - 1), st.sampled_from(["object", "quarantine", "record", "bytes"]))
    )
)
def test_only_shards_that_are_not_whole_are_recomputed(
    spark: SparkSession, undisturbed: Plan, lost: set[tuple[int, str]]
) -> None:
    before = datasets(undisturbed)
    layout = undisturbed.layout
    for number, what in lost:
        if what == "object":
            part(undisturbed, layout.features, number).unlink(missing_ok=True)
        elif what == "quarantine":
            part(undisturbed, layout.quarantine, number).unlink(missing_ok=True)
        elif what == "record":
            folder_of(undisturbed, layout.shard_record(number)).unlink(missing_ok=True)
        else:
            part(undisturbed, layout.features, number).write_bytes(b"cut short")
    [report] = run(spark, undisturbed, "featurize")
    assert metrics(report).images_computed == SHARD_IMAGES * len({number for number, _ in lost})
    assert datasets(undisturbed) == before


def test_shards_of_other_software_are_not_taken_over(spark: SparkSession, undisturbed: Plan) -> None:
    for record in folder_of(undisturbed, "runs").rglob("shards/*.json"):
        record.write_text(record.read_text().replace('"pillow": "', '"pillow": "0.'))
    [report] = run(spark, undisturbed, "featurize")
    assert metrics(report).images_computed == IMAGES


def finished_shards(plan: Plan) -> int:
    return len(list((folder_of(plan, "runs") / plan.run_id).glob("shards/*.json")))


def descendants(pid: int) -> Iterator[tuple[int, str]]:
    """(pid, command line) of all processes below ``pid``."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            command = status.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            child = int(status.parent.name)
            yield child, command
            yield from descendants(child)


def workers(pid: int) -> list[int]:
    """The processes that PySpark's daemon, a process of the same command line, forked for tasks."""
    ours = [child for child, command in descendants(pid) if "pyspark.daemon" in command]
    return [child for child in ours if not any(descendants(child))]


def jvms(pid: int) -> list[int]:
    return [child for child, command in descendants(pid) if "org.apache.spark.deploy.SparkSubmit" in command]


KILL_POINT = int(np.random.default_rng(SEED).integers(1, SHARDS // 2))
"""After how many finished shards to kill; the same in every test run, and early enough for the kill to come
before the last one is done."""


def kill_once_finished(plan: Plan, shards: int, victims: Callable[[int], list[int]], pid: int) -> bool:
    """Kill one of the ``victims`` of ``pid`` as soon as that many shards are done; says whether it did."""
    deadline = time.monotonic() + STEP_TIMEOUT_SECONDS
    found: list[int] = []
    while time.monotonic() < deadline:
        finished = finished_shards(plan)
        if finished:  # all processes are there by then; to find them takes longer than some shards
            found = found or victims(pid)
        if found and finished >= shards:
            os.kill(found[0], signal.SIGKILL)
            return True
        time.sleep(0.01)
    return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds processes by /proc")
def test_a_killed_worker_costs_its_shard_only(
    spark: SparkSession, undisturbed: Plan, make_plan: PlanFactory, images: Path, tmp_path: Path
) -> None:
    plan = make_plan(tmp_path, images, shard_images=SHARD_IMAGES)
    killer = threading.Thread(target=kill_once_finished, args=(plan, KILL_POINT, workers, os.getpid()))
    killer.start()
    run(spark, plan, "featurize")
    killer.join()
    done = finished_shards(plan)
    [report] = run(spark, plan, "featurize")
    assert done >= KILL_POINT
    assert metrics(report).images_resumed >= SHARD_IMAGES * KILL_POINT
    assert datasets(plan) == datasets(undisturbed)


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds processes by /proc")
def test_a_killed_jvm_costs_what_was_not_done(
    spark: SparkSession, undisturbed: Plan, make_plan: PlanFactory, images: Path, tmp_path: Path
) -> None:
    plan = make_plan(tmp_path, images, shard_images=SHARD_IMAGES)
    (tmp_path / "plan.json").write_text(plan.to_json())
    step = start_step(tmp_path)
    try:
        assert kill_once_finished(plan, KILL_POINT, jvms, step.pid)
        assert step.wait(STEP_TIMEOUT_SECONDS) != 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(step.pid, signal.SIGKILL)
    assert not (folder_of(plan, plan.layout.features) / "_SUCCESS").exists()
    done = finished_shards(plan)
    [report] = run(spark, plan, "featurize")
    assert metrics(report).images_resumed >= SHARD_IMAGES * done
    assert datasets(plan) == datasets(undisturbed)


def start_step(folder: Path) -> subprocess.Popen[bytes]:
    """The featurize step as a process group of its own, on the plan in ``folder``."""
    command = [sys.executable, str(REPOSITORY / "spark" / "steps" / "entry.py"), "featurize", "--plan"]
    return subprocess.Popen(
        [*command, f"file://{folder}/plan.json"],
        env={**step_environment(), "JAVA_TOOL_OPTIONS": jvm.SHORT_LIVED},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
