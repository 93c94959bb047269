"""What a process needed at most. Not ``ru_maxrss``: that begins with what its parent held when it forked."""

from __future__ import annotations

from pathlib import Path


def peak_rss_mb(pid: int | str) -> float:
    """The largest resident memory so far, in MB; 0 when there is no such process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
