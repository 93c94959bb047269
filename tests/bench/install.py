"""Seconds and megabytes of the bootstrap action, with the packaged wheels, on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.components.artifacts import NODE
from tests.bench.figures import ROUNDS, Figure, spread
from tests.bench.steps import BenchError
from tests.infra.nodes import node_in, packaged


def figures() -> list[Figure]:
    """The download is a copy here: wheels come from a folder."""
    wheels = packaged(NODE)
    megabytes = sum(path.stat().st_size for path in wheels.iterdir()) / 1e6
    return [
        *spread("install.seconds", [_seconds(wheels) for _ in range(ROUNDS)], 10, at_least=False),
        Figure("install.megabytes", megabytes, 180, at_least=False),
    ]


def _seconds(wheels: Path) -> float:
    with TemporaryDirectory(prefix="fruits-node-") as folder:
        node = node_in(Path(folder) / "node")
        began = time.monotonic()
        done = node.bootstrap(wheels)
        if done.returncode:
            raise BenchError(f"the bootstrap action failed: {done.stderr}")
        return time.monotonic() - began
