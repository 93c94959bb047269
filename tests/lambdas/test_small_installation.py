"""People who use a stack install `fruits` and little else, and it answers at once."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lambdas.cli.result import ExitCode

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
LARGE = {"pyspark", "tensorflow", "keras", "pulumi", "numpy", "pandas", "pyarrow"}
SCRIPT = """
import importlib, pkgutil, sys
from lambdas.cli.main import main
try:
    main(["submit", "--help"], {})
except SystemExit as ended:
    assert ended.code == 0
print("imported:", *sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names))
import lambdas.cli
for module in pkgutil.iter_modules(lambdas.cli.__path__):
    if module.name != "__main__":
        importlib.import_module(f"lambdas.cli.{module.name}")
print("code:", main(["doctor"], {}))
"""


def distributions() -> set[str]:
    """What `pip install .` brings."""
    waiting, found = [Requirement(line) for line in PROJECT["dependencies"]], set()
    while waiting:
        name = canonicalize_name(waiting.pop().name)
        if name not in found:
            found.add(name)
            needed = map(Requirement, metadata.requires(name) or [])
            waiting += [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What :data:`SCRIPT` says where nothing else is installed."""
    site = tmp_path_factory.mktemp("site")
    for name in distributions():
        for file in metadata.files(name) or []:
            top = file.parts[0]
            if top != ".." and not (site / top).exists():
                (site / top).symlink_to(Path(str(file.locate())).parents[len(file.parts) - 1] / top)
    for room in ("infra", "lambdas", "spark"):
        (site / room).symlink_to(REPOSITORY / room)
    return subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT],
        cwd=site,
        env={"PYTHONPATH": str(site), "PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_fruits_needs_is_small() -> None:
    assert distributions().isdisjoint(LARGE)
    assert len(distributions()) <= 20


def test_every_command_can_be_carried_out_with_nothing_else_installed(
    told: subprocess.CompletedProcess[str],
) -> None:
    assert told.returncode == 0, told.stderr


def test_help_imports_no_library_at_all(told: subprocess.CompletedProcess[str]) -> None:
    (imported,) = [line.split()[1:] for line in told.stdout.splitlines() if line.startswith("imported:")]
    assert set(imported) <= {"__main__", "lambdas"}


def test_doctor_says_where_it_can_be_asked(told: subprocess.CompletedProcess[str]) -> None:
    assert f"code: {ExitCode.USAGE.value}" in told.stdout
    assert told.stderr == (
        "fruits: doctor also looks at what builds and deploys the stack, which is not installed here: run it "
        "in the repository, after `make setup`\n"
    )
