"""What a worker holds at most is what sizing.py lets YARN set aside, measured on the worst pictures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lambdas.contract.model_package import DESCRIPTION, ModelPackage
from lambdas.runs.sizing import PYTHON_WORKER_MB
from spark.features.prefetch import AHEAD_BYTES, BATCH_BYTES
from spark.images.limits import DECODING_BYTES, MAX_BYTES
from tests.spark.conftest import REPOSITORY

BASE_MB = 512
"""Of a worker before its first image: interpreter, PySpark, LiteRT with its model."""
MB = 2**20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux to measure a peak"),
]


@pytest.fixture(scope="module")
def measured(model_folder: Path) -> dict[str, dict[str, Any]]:
    """By name; a process of its own, so that nothing else has grown in it."""
    model = model_folder / ModelPackage.from_json((model_folder / DESCRIPTION).read_text()).file
    probe = [sys.executable, "-m", "tests.spark.memory_probe", str(model)]
    done = subprocess.run(probe, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


def test_the_worst_pictures_are_decoded_within_what_their_headers_foretold(
    measured: dict[str, dict[str, Any]],
) -> None:
    pictures = [line for name, line in measured.items() if name != "worker"]
    assert {line["outcome"] for line in pictures} == {"decoded"}
    assert [line for line in pictures if line["grown_mb"] > line["predicted_mb"]] == []
    assert max(line["predicted_mb"] for line in pictures) >= 0.98 * DECODING_BYTES / MB


def test_a_worker_stays_within_the_memory_that_its_container_is_given_for_it(
    measured: dict[str, dict[str, Any]],
) -> None:
    assert measured["worker"]["outcome"] == "decoded"
    assert max(line["peak_mb"] for line in measured.values()) < PYTHON_WORKER_MB
    # What is fetched ahead, a batch in hand, and the copy of an image that just arrived.
    held = DECODING_BYTES + AHEAD_BYTES + BATCH_BYTES + 2 * MAX_BYTES
    assert BASE_MB + held / MB <= PYTHON_WORKER_MB
