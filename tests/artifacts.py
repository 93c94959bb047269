"""What tests deploy: the code and a model, built below ``.local/`` and never where a person builds."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from infra.local.demo import package
from infra.program import REPOSITORY

SHARED_WEIGHTS = REPOSITORY.parent / "shared" / "weights" / "mobilenet_v2_1.0_224_no_top.h5"
"""Trained ones, where they lie beside the repository."""
BUILD = REPOSITORY / ".local" / "tests" / "build"


def weights() -> str | None:
    """The file with the weights that all tests use: a person's, else those beside the repository."""
    return os.environ.get("WEIGHTS") or (str(SHARED_WEIGHTS) if SHARED_WEIGHTS.exists() else None)


def built() -> Path:
    """The folder with code and model, up to date: made when the first test asks, kept between test runs.

    Processes that ask at once take turns, so that one of them builds. From then on nobody writes there.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD.parent / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert package(weights(), BUILD) == 0, "packaging failed, see its output"
    return BUILD
