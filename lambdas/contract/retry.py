"""Whether a failed attempt is followed by another. Pure."""

from __future__ import annotations

from lambdas.contract.run import FailureKind

ATTEMPTS: dict[str, int] = {FailureKind.CAPACITY: 3, FailureKind.AWS: 2}
"""Attempts in all, by what the last one failed of. Every other failure would only fail again: never."""


def attempts_allowed(kind: str | None) -> int:
    """How many attempts a run has if it fails of this; the most that there are while it has not failed."""
    return max(ATTEMPTS.values()) if kind is None else ATTEMPTS.get(kind, 1)


def may_retry(kind: str | None, attempt: int) -> bool:
    """Whether another attempt follows the one with this number, which failed of ``kind``."""
    return kind is not None and attempt < attempts_allowed(kind)
