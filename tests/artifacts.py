"""What tests deploy: the code and a model, built below ``.local/`` and never where a person builds."""

from __future__ import annotations

import fcntl
import functools
import os
from pathlib import Path

from infra.local.demo import package
from infra.program import REPOSITORY

TRAINED_WEIGHTS = REPOSITORY.parent / "shared" / "weights" / "mobilenet_v2_1.0_224_no_top.h5"
"""They may lie beside the repository."""
BUILD = REPOSITORY / ".local" / "tests" / "build"


def weights() -> str:
    """The file of the trained weights where they are, else of those that ``WEIGHTS`` names, else ``""``."""
    return str(TRAINED_WEIGHTS) if TRAINED_WEIGHTS.exists() else os.environ.get("WEIGHTS", "")


@functools.cache
def built() -> Path:
    """The folder with code and model, up to date: made when the first test asks, kept between test runs.

    The model is of :func:`weights`, else untrained.
    Processes that ask at once take turns, so that one of them builds.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD.parent / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert package(weights(), BUILD) == 0, "packaging failed: see its output"
    return BUILD
