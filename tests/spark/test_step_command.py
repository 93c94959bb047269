from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark.steps.entry import main
from tests.spark.conftest import REPOSITORY, PlanFactory

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PySpark's own


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The command logs to this test's standard output, which is closed after it."""
    logger = logging.getLogger("spark")
    handlers, propagate = logger.handlers, logger.propagate
    yield
    logger.handlers, logger.propagate = handlers, propagate


@pytest.mark.parametrize("content", [None, "not json", '{"version": 99}'])
def test_a_plan_that_cannot_be_used_is_said_in_one_line(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.json"
    if content is not None:
        plan.write_text(content)
    assert main(["featurize", "--plan", f"file://{plan}"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert str(plan) in line
    assert "What to do:" in line


def test_a_failed_step_exits_with_one_and_says_why(
    spark: SparkSession, make_plan: PlanFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(make_plan(tmp_path, tmp_path / "nothing").to_json())
    assert main(["featurize", "--plan", f"file://{plan}"]) == 1
    assert capsys.readouterr().err.startswith("user: no image below")


def test_a_driver_computes_with_one_thread_which_waits_for_no_other() -> None:
    code = """
import os, sys
from spark.steps.entry import main
imported = "numpy" in sys.modules
main(["featurize", "--plan", "file:///no/plan.json"])
print(imported, "numpy" in sys.modules, os.environ["OMP_NUM_THREADS"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False True 1"
