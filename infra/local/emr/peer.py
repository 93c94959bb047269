"""The process at the other end of a loopback connection."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

_LOCAL_ADDRESS, _INODE = 1, 9
"""Columns of /proc/net/tcp. Source: proc_net_tcp in the Linux kernel's documentation."""


def kill_peer(port: int) -> bool:
    """Kill the process of this user that holds the connection from local ``port``; whether there was one.

    On systems without /proc nothing is killed: the caller only loses its answer.
    """
    processes = [process for inode in _inodes(port) for process in _holders(f"socket:[{inode}]")]
    for process in processes:
        os.kill(process, signal.SIGKILL)
    return bool(processes)


def _inodes(port: int) -> list[str]:
    found = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            columns = line.split()
            if int(columns[_LOCAL_ADDRESS].rsplit(":", 1)[1], 16) == port:
                found.append(columns[_INODE])
    return found


def _holders(socket: str) -> list[int]:
    holders = []
    for process in Path("/proc").glob("[0-9]*"):
        # Processes end while we look, and those of other users cannot be looked into.
        with contextlib.suppress(OSError):
            if any(str(entry.readlink()) == socket for entry in (process / "fd").iterdir()):
                holders.append(int(process.name))
    return [holder for holder in holders if holder != os.getpid()]
