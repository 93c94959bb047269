"""What a check says: how it is, in a sentence, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Status(StrEnum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and somebody should know."""
    FAULT = "fault"
    """It does not work, or will not."""
    UNKNOWN = "unknown"
    """Nobody here can tell: neither ok nor a fault."""
    REFUSED = "refused"
    """AWS refused, or could not be reached."""


class ExitCode(IntEnum):
    """As those of the other commands, see docs/operations.md."""

    OK = 0
    NO = 1
    USAGE = 2
    UNAVAILABLE = 4


@dataclass(frozen=True)
class Finding:
    """``text`` says what is, and which value; ``remedy`` what to do, and is None only where all is well."""

    status: Status
    text: str
    remedy: str | None


def ok(text: str) -> Finding:
    return Finding(Status.OK, text, None)


def warning(text: str, remedy: str) -> Finding:
    return Finding(Status.WARNING, text, remedy)


def fault(text: str, remedy: str) -> Finding:
    return Finding(Status.FAULT, text, remedy)


def unknown(text: str, remedy: str) -> Finding:
    return Finding(Status.UNKNOWN, text, remedy)


def refused(text: str, remedy: str) -> Finding:
    return Finding(Status.REFUSED, text, remedy)


def exit_code(findings: Iterable[Finding]) -> ExitCode:
    """UNAVAILABLE before NO: a script must not take half an answer for the whole one."""
    found = {finding.status for finding in findings}
    if Status.REFUSED in found:
        return ExitCode.UNAVAILABLE
    return ExitCode.NO if Status.FAULT in found else ExitCode.OK
