"""What a command answers, and the exit codes that scripts can rely on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """Documented in `fruits --help` and docs/operations.md."""

    OK = 0
    NO = 1
    """The answer is no: a faulty or too dear manifest, a failed or cancelled run, nothing to cancel or to
    report, a workbench that is not open, an event that could not be redriven."""
    USAGE = 2
    """The command line, a file, or the environment is wrong; or the answer cannot be written."""
    UNKNOWN_RUN = 3
    UNAVAILABLE = 4
    """AWS refused, or could not be reached."""


@dataclass(frozen=True)
class Result:
    """``document`` is what ``--json`` prints, ``text`` what a person reads; both say the same. ``notice`` is
    what everybody should know besides, on standard error: scripts read on as they did."""

    document: Any
    text: str
    code: ExitCode = ExitCode.OK
    notice: str = ""


def changes(answers: Iterable[Result]) -> Iterator[Result]:
    """Those that say something else than the one before; the same document has the same code."""
    said: object = None
    for answer in answers:
        if answer.document != said:
            said = answer.document
            yield answer


class CommandError(Exception):
    """A command cannot be carried out. The message says why and what to do."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
