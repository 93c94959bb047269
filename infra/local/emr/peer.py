"""The process at the other end of a loopback connection."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

_LOCAL_ADDRESS, _REMOTE_ADDRESS, _INODE = 1, 2, 9
"""Columns of /proc/net/tcp. Source: proc_net_tcp in the Linux kernel's documentation."""


def kill_peer(port: int, server_port: int) -> bool:
    """Kill the process of this user that holds the connection from ``port`` to ``server_port``, both of this
    machine; whether there was one. Connections of others to other servers may come from the same port.

    On systems without /proc nothing is killed: the caller only loses its answer.
    """
    processes = [process for inode in _inodes(port, server_port) for process in _holders(f"socket:[{inode}]")]
    for process in processes:
        os.kill(process, signal.SIGKILL)
    return bool(processes)


def _inodes(port: int, server_port: int) -> list[str]:
    found = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            columns = line.split()
            if (_port(columns[_LOCAL_ADDRESS]), _port(columns[_REMOTE_ADDRESS])) == (port, server_port):
                found.append(columns[_INODE])
    return found


def _port(address: str) -> int:
    """Of ``0100007F:1F90``."""
    return int(address.rpartition(":")[2], 16)


def _holders(socket: str) -> list[int]:
    holders = []
    for process in Path("/proc").glob("[0-9]*"):
        # Processes end while we look, and those of other users cannot be looked into.
        with contextlib.suppress(OSError):
            if any(str(entry.readlink()) == socket for entry in (process / "fd").iterdir()):
                holders.append(int(process.name))
    return [holder for holder in holders if holder != os.getpid()]
