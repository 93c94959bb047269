"""What really happened on the EMR side, whatever the API shows and whatever anybody was told."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from infra.local.emr.injected_failures import Failure
from infra.local.emr.lifecycle import Cluster


@dataclass(frozen=True)
class Lifetime:
    """When a cluster began to exist and ceased to, in Unix seconds. ``ended_at`` None: it lives."""

    cluster: Cluster
    """As it is now."""
    began_at: float
    ended_at: float | None = None


@dataclass
class Recorder:
    """Sees every change of every cluster, and every failure that took effect. For any thread."""

    _failures: Counter[Failure] = field(default_factory=Counter)
    _lifetimes: dict[str, Lifetime] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, cluster: Cluster, now: float) -> None:
        """The cluster is new, or has changed to this."""
        with self._lock:
            known = self._lifetimes.get(cluster.id)
            began_at = known.began_at if known else now
            self._lifetimes[cluster.id] = Lifetime(cluster, began_at, now if cluster.is_terminal else None)

    def befell(self, failure: Failure) -> None:
        """The failure took effect."""
        with self._lock:
            self._failures[failure] += 1

    @property
    def failures(self) -> Counter[Failure]:
        """How often each failure took effect."""
        with self._lock:
            return Counter(self._failures)

    @property
    def lifetimes(self) -> tuple[Lifetime, ...]:
        """Of all clusters, in the order of their beginning."""
        with self._lock:
            return tuple(self._lifetimes.values())
