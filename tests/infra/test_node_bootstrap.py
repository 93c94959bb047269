"""What ends the bootstrap action of a node: nothing that is altered, missing or unpinned gets onto it."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from tests.infra.nodes import BUCKET, INTERPRETER, PIN, Node, bare_node_in, installed, node_in, part_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the wheels are for Linux on x86-64"
    ),
]
SMALL = "backports-strenum"


@pytest.fixture
def fresh_node(tmp_path: Path) -> Node:
    """A node on which nothing is installed yet."""
    return node_in(tmp_path / "node")


@pytest.fixture
def small_wheelhouse(wheelhouse: Path, tmp_path: Path) -> Path:
    """pip, one other wheel, and their part of the requirements."""
    return part_of(wheelhouse, ["pip", SMALL], tmp_path / "wheelhouse")


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
