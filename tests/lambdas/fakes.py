"""The ports in memory. The contract suites hold the first two to the behaviour of the real adapters."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lambdas.contract.estimate import InstanceUse
from lambdas.contract.run import Ending, RunRecord, RunState, states_before
from lambdas.ports import (
    BucketDenied,
    BucketMissing,
    ClusterSnapshot,
    ClusterState,
    LaunchInDoubtError,
    StepSnapshot,
    StepState,
)


class FakeObjects:
    """A versioned bucket. ``before_write`` runs in the middle of every write: a chance to interfere."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str | None], bytes] = {}
        self.before_write: Callable[[str], None] = lambda key: None

    def upload(self, key: str, body: bytes, version_id: str) -> None:
        self.versions[key, version_id] = self.versions[key, None] = body

    def text(self, key: str) -> str:
        return self.versions[key, None].decode()

    def names(self) -> set[str]:
        return {key for key, version_id in self.versions if version_id is None}

    def read(self, key: str, version_id: str | None = None, max_bytes: int | None = None) -> bytes | None:
        body = self.versions.get((key, version_id))
        return body if body is None else body[:max_bytes]

    def write(self, key: str, text: str) -> None:
        self.before_write(key)
        self.versions[key, None] = text.encode()

    def create(self, key: str, text: str) -> bool:
        if (key, None) in self.versions:
            return False
        self.write(key, text)
        return True

    def delete(self, key: str) -> None:
        self.versions.pop((key, None), None)


class FakeLedger:
    """A dict under a lock."""

    def __init__(self) -> None:
        self.records: dict[str, RunRecord] = {}
        self._lock = threading.Lock()

    def get(self, run_id: str) -> RunRecord | None:
        return self.records.get(run_id)

    def claim(self, record: RunRecord) -> bool:
        with self._lock:
            if record.run_id in self.records:
                return False
            self.records[record.run_id] = record
            return True

    def move_lease(self, seen: RunRecord, until: float) -> bool:
        with self._lock:
            present = self.records[seen.run_id]
            if present.state is not RunState.CLAIMED or present.lease_until != seen.lease_until:
                return False
            self.records[seen.run_id] = dataclasses.replace(present, lease_until=until)
            return True

    def enter(
        self, run_id: str, state: RunState, *, cluster_id: str | None = None, ending: Ending | None = None
    ) -> bool:
        with self._lock:
            present = self.records.get(run_id)
            if present is None or present.state not in states_before(state):
                return False
            changes = dataclasses.asdict(ending) if ending else {}
            changes |= {"cluster_id": cluster_id} if cluster_id else {}
            self.records[run_id] = dataclasses.replace(present, state=state, **changes)
            return True


class FakeBuckets:
    """``regions`` of the buckets that exist; ``keys`` in them; ``closed`` ones may not be listed."""

    def __init__(self, regions: Mapping[str, str]) -> None:
        self.regions = dict(regions)
        self.keys: dict[str, list[str]] = {bucket: [] for bucket in regions}
        self.closed: set[str] = set()
        self.pages_listed = 0

    def region(self, bucket: str) -> str:
        if bucket in self.closed:
            raise BucketDenied(self.regions.get(bucket))
        if bucket not in self.regions:
            raise BucketMissing
        return self.regions[bucket]

    def pages(self, bucket: str, prefix: str) -> Iterator[tuple[str, ...]]:
        found = sorted(key for key in self.keys[bucket] if key.startswith(prefix))
        for start in range(0, max(len(found), 1), 1000):
            self.pages_listed += 1
            yield tuple(found[start : start + 1000])

    def folders(self, bucket: str, prefix: str) -> tuple[str, ...]:
        below = (key.removeprefix(prefix) for key in self.keys[bucket] if key.startswith(prefix))
        return tuple(sorted({f"{prefix}{rest.split('/')[0]}/" for rest in below if "/" in rest}))


class FakeClusters:
    """Launches at once. ``error`` is raised by launches; ``creates_despite_error`` is EMR's bad habit."""

    def __init__(self) -> None:
        self.requests: list[Mapping[str, Any]] = []
        self.clusters: dict[str, ClusterSnapshot] = {}
        self.error: Exception | None = None
        self.creates_despite_error = False
        self.lookups = 0
        self.used: tuple[InstanceUse, ...] = ()
        self._lock = threading.Lock()

    def launch(self, request: Mapping[str, Any]) -> str:
        with self._lock:
            if self.error and not self.creates_despite_error:
                raise self.error
            cluster_id = f"j-{len(self.requests):013d}"
            self.requests.append(request)
            self.clusters[cluster_id] = snapshot_of(cluster_id, request)
            if self.error:
                raise self.error
            return cluster_id

    def find(self, name: str, created_after: float) -> str | None:
        self.lookups += 1
        return next((found.cluster_id for found in self.clusters.values() if found.name == name), None)

    def describe(self, cluster_id: str) -> ClusterSnapshot:
        return self.clusters[cluster_id]

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
        self.clusters[cluster_id] = dataclasses.replace(
            cluster, state=state, reason_code=reason, steps=changed
        )


def snapshot_of(cluster_id: str, request: Mapping[str, Any]) -> ClusterSnapshot:
    """What EMR shows of a cluster right after this request."""
    return ClusterSnapshot(
        cluster_id=cluster_id,
        name=request["Name"],
        state=ClusterState.STARTING,
        reason_code="",
        reason_message="",
        tags={tag["Key"]: tag["Value"] for tag in request["Tags"]},
        steps=tuple(StepSnapshot(step["Name"], StepState.PENDING) for step in request["Steps"]),
    )


class FakeTopic:
    """Keeps what was published."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []

    def publish(self, subject: str, message: str) -> None:
        self.messages.append((subject, message))


def throttled() -> LaunchInDoubtError:
    return LaunchInDoubtError("ThrottlingException: Rate exceeded")
