"""The engine as a process that can be killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def kill_engine(home: str) -> None:
    """Kill every Pulumi CLI that runs with this PULUMI_HOME, without a word to it."""
    killed = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "comm").read_text().strip()
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # ended meanwhile, or another user's
        if name == "pulumi" and f"PULUMI_HOME={home}".encode() in environment:
            os.kill(int(process.name), signal.SIGKILL)
            killed += 1
    assert killed, "no engine runs"
