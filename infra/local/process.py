"""What is started and stopped: child processes that never outlive us, servers in a ``with`` statement."""

from __future__ import annotations

import abc
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

# The group's standard input is a pipe that only we hold open. When we close it, or die in any way,
# even by SIGKILL, the watcher reads end-of-file and ends the whole group. A shell gives background
# jobs /dev/null as input, hence the detour by another descriptor.
_LIFELINE = 'exec {fd}<&0 </dev/null; {{ read -r _ <&{fd}; kill -KILL 0; }} & exec {fd}<&-; exec "$@"'
_SHELL_DESCRIPTORS = range(3, 10)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM change nothing meanwhile: what one of them has begun to end is ended.

    Programs that are started meanwhile heed both, as they would not if the signals were ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        # Signals come to the main thread, and no other may say what they do.
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class ProcessGroup:
    """A running command and everything that it starts."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start ``command`` in ``folder``; its output is appended to ``log``."""
        reader, self._lifeline = os.pipe()
        self._is_open = True
        spare = next(number for number in _SHELL_DESCRIPTORS if number not in pass_fds)
        with log.open("ab") as output:
            self._leader = subprocess.Popen(
                ["/bin/sh", "-c", _LIFELINE.format(fd=spare), "sh", *command],
                stdin=reader,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        os.close(reader)

    @property
    def exit_code(self) -> int | None:
        """How the command ended; None while it runs."""
        return self._leader.poll()

    def kill(self) -> None:
        """End the whole group at once and wait for its leader. May be called again."""
        # start_new_session made the group's id the leader's pid; it stays taken while any member lives.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._leader.pid, signal.SIGKILL)
        self._leader.wait()
        # Only once: the number may be another file's by then.
        if self._is_open:
            self._is_open = False
            os.close(self._lifeline)


class StartedAndStopped(abc.ABC):
    """Can stand in a ``with`` statement. What a start that failed has begun is stopped."""

    @abc.abstractmethod
    def start(self) -> None: ...

    @abc.abstractmethod
    def stop(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
