"""A run: one manifest version's execution, its identity, its record and its legal transitions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

RUN_ID_HASH_LENGTH = 12
RUN_TAG = "fruits:run_id"
"""The cluster tag that names the run."""


class RunState(StrEnum):
    """Where a run is. The last three are terminal."""

    CLAIMED = "CLAIMED"
    LAUNCHED = "LAUNCHED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.CLAIMED: frozenset({RunState.LAUNCHED, RunState.FAILED, RunState.CANCELLED}),
    RunState.LAUNCHED: frozenset(
        # Events are best effort and unordered: the end may be heard of before the start.
        {RunState.RUNNING, RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED}
    ),
    RunState.RUNNING: frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED}),
    RunState.COMPLETED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELLED: frozenset(),
}


class FailureKind(StrEnum):
    """Whose move it is when a run did not complete."""

    USER = "user"
    """Something in the manifest or its images, or the user's wish."""
    DATA = "data"
    """The images themselves."""
    CAPACITY = "capacity"
    """AWS had too few machines of the wanted types."""
    AWS = "aws"
    """A fault or limit of AWS that passes."""
    OURS = "ours"
    """The deployment or the code."""


@dataclass(frozen=True)
class Ending:
    """Why a run ended, for people. ``reason`` is a short code.

    ``kind`` is a :class:`FailureKind` (or what a step's report says), None when nothing failed.
    """

    reason: str
    message: str
    remedy: str | None = None
    kind: str | None = None
    instance_hours: float | None = None
    actual_eur: float | None = None
    """What the cluster used and cost by list prices; None when there was none, or no price is known."""


def is_terminal(state: RunState) -> bool:
    return not TRANSITIONS[state]


def states_before(state: RunState) -> frozenset[RunState]:
    """The states from which ``state`` may be entered: the condition of a conditional write."""
    return frozenset(origin for origin, targets in TRANSITIONS.items() if state in targets)


def run_id(dataset: str, bucket: str, key: str, version_id: str) -> str:
    """The identity of a run: a pure function of the manifest's object version.

    A redelivered event therefore names the same run, and a new version of a manifest a new one. The
    dataset in front is for people.
    """
    digest = hashlib.sha256("\n".join((bucket, key, version_id)).encode()).hexdigest()
    return f"{dataset}-{digest[:RUN_ID_HASH_LENGTH]}"


def cluster_name(run: str) -> str:
    """The deterministic EMR cluster name by which a launch in doubt is looked up and adopted."""
    return f"fruits-{run}"


@dataclass(frozen=True)
class RunRecord:
    """One row of the ledger.

    ``lease_until`` (Unix seconds) bounds how long a claim without a cluster may be presumed alive:
    before it, other deliveries of the event stand back; after it, one of them may take over.
    """

    run_id: str
    dataset: str
    state: RunState
    manifest_bucket: str
    manifest_key: str
    manifest_version_id: str
    claimed_at: float
    lease_until: float
    cluster_id: str | None = None
    reason: str | None = None
    kind: str | None = None
    message: str | None = None
    remedy: str | None = None
    instance_hours: float | None = None
    actual_eur: float | None = None
    """These six are the :class:`Ending`'s; None until the run has ended."""
