from __future__ import annotations

import functools
import os
from pathlib import Path

import botocore.session
from hypothesis import settings

from spark.steps.entry import DRIVER_THREADS

pytest_plugins = ["tests.aws_models.plugin", "tests.tiers"]

# A first example pays for imports, and the machine may be busy.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

_UV = Path(__file__).parents[1] / ".local" / "uv" / "bin" / "uv"


def pytest_configure() -> None:
    # Where make has put it, for whoever starts pytest by hand.
    if _UV.exists():
        os.environ.setdefault("UV", str(_UV))
    # One thread a test process, which are more than there are cores: see there.
    os.environ.update(DRIVER_THREADS)
    # Each session reads AWS' descriptions of services anew, which takes longer than most calls do.
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
