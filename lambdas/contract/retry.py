"""Whether a failed attempt is followed by another. Pure."""

from __future__ import annotations

from lambdas.contract.run import FailureKind

ATTEMPTS: dict[str, int] = {FailureKind.CAPACITY: 3, FailureKind.AWS: 2}
"""Attempts in all, by what the last one failed of. Every other failure would only fail again: never."""


def may_retry(kind: str | None, attempt: int) -> bool:
    """Whether another attempt follows the one with this number, which failed of ``kind``."""
    return attempt < ATTEMPTS.get(kind or "", 1)
