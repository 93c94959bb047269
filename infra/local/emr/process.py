"""A program on the node, with everything it starts: ended as one, and never left behind."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.local.process import ProcessGroup

# A process group has one log; EMR keeps the two streams apart.
_STDERR_APART = 'exec "$@" 2>>"$0"'
_POLL_SECONDS = 0.05


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    stdout: Path,
    stderr: Path,
    stop: threading.Event,
) -> int:
    """Run ``command`` in ``folder`` to its end, or until ``stop`` is set.

    Whatever it leaves running in its process group is killed before this returns.

    Returns:
        Its exit code; negative is the number of the signal that ended it.
    """
    group = ProcessGroup(
        ["/bin/sh", "-c", _STDERR_APART, str(stderr), *command],
        environment=environment,
        folder=folder,
        log=stdout,
    )
    try:
        while group.exit_code is None and not stop.wait(_POLL_SECONDS):
            pass
    finally:
        group.kill()
    exit_code = group.exit_code
    assert exit_code is not None, "kill() waits for the end"  # noqa: S101  # for the type checker
    return exit_code
