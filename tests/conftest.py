from __future__ import annotations

import os
from pathlib import Path

pytest_plugins = ["tests.aws_models.plugin", "tests.tiers"]

_UV = Path(__file__).parents[1] / ".local" / "uv" / "bin" / "uv"


def pytest_configure() -> None:
    # Where make has put it, for whoever starts pytest by hand.
    if _UV.exists():
        os.environ.setdefault("UV", str(_UV))
