from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.components.artifacts import ArtifactMissing
from infra.local.cloud import FolderInUseError, LocalCloud
from infra.program import REPOSITORY
from tests.infra.test_ministack import has_ended, processes_below

pytestmark = pytest.mark.slow

KEEP_RUNNING = """
import sys
from pathlib import Path
from infra.local.cloud import keep_running
sys.exit(keep_running(Path(sys.argv[1]), Path(sys.argv[2])))
"""
AWS = Path(sys.prefix) / "bin" / "aws"


@contextlib.contextmanager
def keep_running(folder: Path, build: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", KEEP_RUNNING, str(folder), str(build)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def instructions_of(process: subprocess.Popen[str]) -> str:
    """What it prints once it is up."""
    assert process.stdout is not None
    printed = ""
    while "ctrl-C" not in printed:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        printed += line
    return printed.replace("\\\n", "")


def test_what_it_prints_works_in_a_shell_and_sigterm_leaves_nothing(tmp_path: Path, build: Path) -> None:
    with keep_running(tmp_path, build) as process:
        lines = [line.strip() for line in instructions_of(process).splitlines()]
        source, upload, clusters, runs = (
            next(line for line in lines if part in line)
            for part in ("source ", "manifest.json", "emr list-clusters", "fruits runs")
        )
        script = f"set -eu; export AWS_PROFILE=production; {source}; {upload}; {clusters}; {runs}"
        done = subprocess.run(
            ["bash", "-c", script.replace(".venv/bin/", f"{AWS.parent}/")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "upload:" in done.stdout
        assert "No runs yet" in done.stdout
        assert json.loads((tmp_path / "manifest.json").read_text())["version"] == 1

        with pytest.raises(FolderInUseError, match=r"already runs in .*, or use it: `source .*/env\.sh`"):
            LocalCloud(tmp_path, build=build)

        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, "")
    assert "The local cloud is down." in rest
    assert has_ended(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "manifest.json", "ministack.log"]


def test_without_a_build_it_says_what_to_run_and_leaves_nothing(tmp_path: Path) -> None:
    with keep_running(tmp_path / "cloud", tmp_path / "no-build") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "run `make package WEIGHTS=<file>` first" in errors
    assert "Traceback" not in errors
    assert has_ended(tmp_path)


def test_a_failed_start_stops_what_was_started(tmp_path: Path) -> None:
    cloud = LocalCloud(tmp_path, build=tmp_path / "no-build")
    with pytest.raises(ArtifactMissing):
        cloud.start()
    assert not processes_below(tmp_path)
