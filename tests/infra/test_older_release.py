"""The older release that an upgrade begins with: its own code, today's libraries."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.local.chaos.older_release import CODE, build_older, job_key, report_of_older
from lambdas.contract.report import StepReport

REPORT = StepReport("featurize", "fruits-1", True, "fast", "none", "", "", {"total": 0.0}, outputs=("a/",))
WRITTEN_BY_THE_OLDER = """
import sys
sys.path.insert(0, sys.argv[1])
from lambdas.contract.report import StepReport
report = StepReport("featurize", "fruits-1", True, "fast", "none", "", "", {"total": 0.0}, outputs=("a/",))
sys.stdout.write(report.to_json())
"""


@pytest.fixture
def build_of_today(tmp_path: Path) -> Path:
    build = tmp_path / "build"
    build.mkdir()
    for function in ("launcher", "tracker", "reconciler"):
        with zipfile.ZipFile(build / f"{function}.zip", "w") as archive:
            archive.writestr("pydantic/__init__.py", "library")
            archive.writestr("lambdas/contract/documents.py", "today")
    for other in ("job.zip", "step.py"):
        (build / other).write_text(other)
    return build


def test_the_zips_hold_the_older_code_of_their_function_and_todays_libraries(
    build_of_today: Path, tmp_path: Path
) -> None:
    older = build_older(build_of_today, tmp_path / "older")
    with zipfile.ZipFile(older / "tracker.zip") as archive:
        names = set(archive.namelist())
        assert archive.read("pydantic/__init__.py") == b"library"
    assert {"lambdas/tracker/handler.py", "lambdas/contract/run.py", "lambdas/runs/tracking.py"} <= names
    assert "lambdas/contract/documents.py" not in names
    assert not [name for name in names if name.startswith(("lambdas/cli/", "lambdas/launcher/"))]


def test_its_job_has_another_name_and_the_rest_is_todays(build_of_today: Path, tmp_path: Path) -> None:
    older = build_older(build_of_today, tmp_path / "older")
    assert job_key(older) != job_key(build_of_today)
    assert (older / "step.py").read_text() == "step.py"


def test_its_steps_report_what_the_older_code_would_write() -> None:
    written = subprocess.run(
        [sys.executable, "-c", WRITTEN_BY_THE_OLDER, str(CODE)], check=True, capture_output=True, text=True
    )
    assert report_of_older(REPORT) == written.stdout
