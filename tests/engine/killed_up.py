"""An up whose engine is killed in the middle.

The program runs in a process of its own, as Pulumi's language host would have it: it dies with its engine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.local.engine.stack import program, select_stack
from infra.program import REPOSITORY


def up_until(created: int, name: str, folder: Path, build: Path, environment: Mapping[str, str]) -> list[str]:
    """Kill the engine, without a word to it, when so many resources are created; the lines that said so."""
    seen: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", __name__, name, str(folder), str(build)],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if " created" in line:
                seen.append(line)
            if len(seen) == created:
                # The CLI is of the same group.
                os.killpg(process.pid, signal.SIGKILL)
                break
    return seen


def main() -> None:
    name, folder, build = sys.argv[1:]
    stack = select_stack(name, Path(folder), dict(os.environ), program(Path(build)))
    stack.up(on_output=_tell, color="never")


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
