"""EMR as the control plane knows it, in memory."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from typing import Any

from lambdas.contract.cost.estimate import InstanceUse
from lambdas.contract.cost.prices import INSTANCE_TYPES
from lambdas.runs.cluster_port import (
    ClusterSnapshot,
    ClusterState,
    ClusterSummary,
    LaunchInDoubtError,
    StepSnapshot,
    StepState,
)


class FakeClusters:
    """Launches at once. ``error`` is raised by launches; ``creates_despite_error`` is EMR's bad habit."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self.requests: list[Mapping[str, Any]] = []
        self.clusters: dict[str, ClusterSnapshot] = {}
        self.error: Exception | None = None
        self.creates_despite_error = False
        self.lookups = 0
        self.throttled_request: Mapping[str, Any] | None = None
        self.listing_lag_seconds = 0.0
        """EMR's list is not always up to date."""
        self.terminated: list[str] = []
        self.unanswered: set[str] = set()
        """Clusters that EMR lists, and does not describe."""
        self.reason_message = ""
        """What EMR adds to a reason's code."""
        self._now = now
        self.used: tuple[InstanceUse, ...] = ()
        self.addresses: dict[str, str | None] = {}
        """Of primary nodes, where a test says it."""
        self.offered: frozenset[str] | None = frozenset(INSTANCE_TYPES)
        """None: EMR does not tell."""
        self._lock = threading.Lock()

    def create_unseen(self) -> str:
        """The last request that was throttled did make a cluster, which is to be seen only now."""
        assert self.throttled_request is not None
        self.error = None
        return self.launch(self.throttled_request)

    def launch(self, request: Mapping[str, Any]) -> str:
        with self._lock:
            self.throttled_request = request if self.error else None
            if self.error and not self.creates_despite_error:
                raise self.error
            cluster_id = f"j-{len(self.requests):013d}"
            self.requests.append(request)
            self.clusters[cluster_id] = snapshot_of(cluster_id, request, self._now())
            if self.error:
                raise self.error
            return cluster_id

    def list(self, created_after: float) -> list[ClusterSummary]:
        self.lookups += 1
        visible = self._now() - self.listing_lag_seconds
        return [
            cluster
            for cluster in reversed(self.clusters.values())
            if created_after <= cluster.created_at <= visible
        ]

    def describe(self, cluster_id: str) -> ClusterSnapshot:
        if cluster_id in self.unanswered:
            raise TimeoutError(f"EMR does not say what {cluster_id} is")
        return self.clusters[cluster_id]

    def terminate(self, cluster_id: str) -> None:
        self.terminated.append(cluster_id)
        if self.clusters[cluster_id].lives:
            self.change(cluster_id, ClusterState.TERMINATED, "USER_REQUEST")

    def instance_types(self, release_label: str) -> frozenset[str] | None:  # all alike
        return self.offered

    def primary_address(self, cluster_id: str) -> str | None:
        return self.addresses.get(cluster_id, f"10.0.0.{1 + list(self.clusters).index(cluster_id)}")

    def instances(self, cluster_id: str, now: float) -> tuple[InstanceUse, ...]:
        return self.used

    def change(
        self,
        cluster_id: str,
        state: ClusterState,
        reason: str = "",
        steps: Mapping[str, StepState] | None = None,
    ) -> None:
        cluster = self.clusters[cluster_id]
        states = steps or {}
        changed = tuple(
            dataclasses.replace(step, state=states.get(step.name, step.state)) for step in cluster.steps
        )
        ended = {"ended_at": self._now()} if state.startswith("TERMINATED") else {}
        self.clusters[cluster_id] = dataclasses.replace(
            cluster,
            state=state,
            reason_code=reason,
            reason_message=self.reason_message,
            steps=changed,
            **ended,
        )


def snapshot_of(cluster_id: str, request: Mapping[str, Any], now: float = 0.0) -> ClusterSnapshot:
    """What EMR shows of a cluster right after this request."""
    return ClusterSnapshot(
        cluster_id=cluster_id,
        name=request["Name"],
        state=ClusterState.STARTING,
        created_at=now,
        ended_at=None,
        reason_code="",
        reason_message="",
        tags={tag["Key"]: tag["Value"] for tag in request["Tags"]},
        steps=tuple(StepSnapshot(step["Name"], StepState.PENDING) for step in request["Steps"]),
    )


def throttled() -> LaunchInDoubtError:
    return LaunchInDoubtError("ThrottlingException: Rate exceeded")
