"""What the life of a run needs of EMR: its clusters, as a port and in words of our own.

Beside the other ports (:mod:`lambdas.runs.ports`), so that a use case runs without AWS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from lambdas.contract.cost.estimate import InstanceUse


class LaunchRefusedError(Exception):
    """EMR refused the request, and would refuse it again. Holds EMR's code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class LaunchInDoubtError(Exception):
    """No clear answer (throttled, timed out, server error): a cluster may or may not have been created."""


class StepState(StrEnum):
    """EMR's step states, and one for those that EMR has added since: begun, not ended."""

    PENDING = "PENDING"
    CANCEL_PENDING = "CANCEL_PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def _missing_(cls, value: object) -> StepState:  # noqa: ARG003  # whatever it is
        return cls.UNKNOWN


class ClusterState(StrEnum):
    """EMR's cluster states, and one for those that EMR has added since: there is a cluster."""

    STARTING = "STARTING"
    BOOTSTRAPPING = "BOOTSTRAPPING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    TERMINATED_WITH_ERRORS = "TERMINATED_WITH_ERRORS"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def _missing_(cls, value: object) -> ClusterState:  # noqa: ARG003  # whatever it is
        return cls.UNKNOWN


@dataclass(frozen=True)
class StepSnapshot:
    """One step as EMR shows it. ``failure`` is EMR's text, empty when nothing failed; ``began_at`` is Unix
    seconds, None when it never began."""

    name: str
    state: StepState
    failure: str = ""
    began_at: float | None = None


@dataclass(frozen=True)
class ClusterSummary:
    """A cluster in EMR's list. Times are Unix seconds; ``ended_at`` is None while it lives."""

    cluster_id: str
    name: str
    state: ClusterState
    created_at: float
    ended_at: float | None

    @property
    def lives(self) -> bool:
        return self.state not in (ClusterState.TERMINATED, ClusterState.TERMINATED_WITH_ERRORS)

    def seconds(self, now: float) -> float:
        """How long it has existed, or did."""
        return max(0.0, (self.ended_at or now) - self.created_at)


@dataclass(frozen=True)
class ClusterSnapshot(ClusterSummary):
    """A cluster and its steps (in no particular order) as EMR shows them. ``ready_at`` (Unix seconds): when
    it could run steps; None if it never could."""

    reason_code: str
    reason_message: str
    tags: Mapping[str, str]
    steps: tuple[StepSnapshot, ...]
    ready_at: float | None = None


class Clusters(Protocol):
    """Transient EMR clusters."""

    def launch(self, request: Mapping[str, Any]) -> str:
        """Ask for a cluster (the parameters of RunJobFlow), once; its id.

        Raises:
            LaunchRefusedError: there is no cluster, and asking again would not help.
            LaunchInDoubtError: there may be one.
        """
        ...

    def list(self, created_after: float) -> Sequence[ClusterSummary]:
        """Every cluster of the account made after that time (Unix seconds), newest first."""
        ...

    def describe(self, cluster_id: str) -> ClusterSnapshot:
        """The cluster as it is now."""
        ...

    def terminate(self, cluster_id: str) -> None:
        """Begin to end the cluster, protected or not; nothing happens if it has ended."""
        ...

    def instance_types(self, release_label: str) -> frozenset[str] | None:
        """The types that EMR offers here with that release; None where it does not tell (now)."""
        ...

    def primary_address(self, cluster_id: str) -> str | None:
        """The private IPv4 address of the node that JupyterHub is on; None while there is none."""
        ...

    def instances(self, cluster_id: str, now: float) -> tuple[InstanceUse, ...]:
        """Every machine that the cluster had, for as long as it ran (until ``now``, Unix seconds)."""
        ...
