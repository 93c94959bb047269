"""What a driver does with ten million images, as far as none is read; `make bench` measures the rest."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.bench.scale import IMAGES, PARTS
from tests.spark.conftest import REPOSITORY


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to measure a peak")
def test_ten_million_images_are_accounted_for_published_and_told_in_bounded_memory_and_time() -> None:
    command = [sys.executable, "-m", "tests.bench.scale", "driver", str(IMAGES)]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    measured, (megabytes, seconds) = json.loads(done.stdout), PARTS["driver"]
    assert measured["megabytes"] < megabytes
    assert measured["seconds"] < seconds
