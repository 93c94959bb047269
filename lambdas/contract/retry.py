"""Whether a failed attempt is followed by another. Pure."""

from __future__ import annotations

from lambdas.contract.run import FailureKind

STEP_FAILURE = "STEP_FAILURE"
"""EMR's reason code. A step itself tries again what may pass; what it failed of, it would fail of again."""
ATTEMPTS: dict[str, int] = {FailureKind.CAPACITY: 3, FailureKind.AWS: 2}
"""Attempts in all, by what the last one failed of. Every other failure would only fail again: never."""


def attempts_allowed(reason: str | None, kind: str | None) -> int:
    """How many attempts a run has in all after a failure of that ``reason`` and ``kind``; without a failure,
    the most that there may be."""
    if kind is None:
        return max(ATTEMPTS.values())
    return 1 if reason == STEP_FAILURE else ATTEMPTS.get(kind, 1)
