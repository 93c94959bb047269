"""Printing to whatever there is: a reader that leaves, a full disk, a terminal without the letters."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO

from lambdas.cli.result import ExitCode

READER_GONE = 141
"""As of a program that the system stops for writing to nobody: 128 and the number of SIGPIPE."""
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def guarded(command: Callable[[], int]) -> int:
    """Carry out ``command``, which prints; its exit code, or the output's own.

    Where the reader has left, nothing is said. What cannot be written is one line on standard error. What a
    terminal cannot show is written as an escape. An output that is closed from the start is nobody's fault.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            code = command()
        except SystemExit:  # argparse has printed its help, or a complaint
            _flush()
            raise
        _flush()
    except BrokenPipeError:
        _discard()
        return READER_GONE
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        complain(f"the answer cannot be written: {os.strerror(error.errno)}")
        _discard()
        return ExitCode.USAGE
    return code


def write(text: str) -> None:
    """A line, or lines, of the answer. Raises OSError where it cannot be written."""
    if sys.stdout is not None:  # it is None where the shell closed it
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def complain(message: str) -> None:
    """A line on standard error, if there is one."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"fruits: {message}\n")
            sys.stderr.flush()


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _discard() -> None:
    """Let what is still buffered go nowhere: Python would complain of it once more as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        _turn(stream, nowhere)
    os.close(nowhere)


def _turn(stream: TextIO | None, target: int) -> None:
    if stream is not None:
        with suppress(OSError, ValueError):  # a stream of a test has no descriptor
            os.dup2(target, stream.fileno())
