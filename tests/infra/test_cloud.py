from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.components.artifacts import ArtifactMissing
from infra.local.cloud import LocalCloud
from infra.program import REPOSITORY
from tests.infra.test_ministack import has_ended

pytestmark = pytest.mark.slow

# On a machine of one core a cluster has one worker; other tests run beside.
KEEP_RUNNING = """
import os
import sys
from pathlib import Path
from infra.local.cloud import keep_running
os.cpu_count = lambda: 1
sys.exit(keep_running(Path(sys.argv[1]), Path(sys.argv[2])))
"""


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
            # A test that failed leaves it running, with children that a kill would leave alone.
            process.terminate()
            try:
                process.wait(timeout=30)
            finally:
                process.kill()


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
    assert has_ended(tmp_path)
