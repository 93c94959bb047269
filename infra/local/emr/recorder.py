"""What really happened on the EMR side, whatever the API shows and whatever anybody was told."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from infra.local.emr.injected_failures import Fault
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
    """Sees every change of every cluster, and every fault that took effect. For any thread."""

    _faults: Counter[Fault] = field(default_factory=Counter)
    _lifetimes: dict[str, Lifetime] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, cluster: Cluster, now: float) -> None:
        """The cluster is new, or has changed to this."""
        with self._lock:
            known = self._lifetimes.get(cluster.id)
            began_at = known.began_at if known else now
            self._lifetimes[cluster.id] = Lifetime(cluster, began_at, now if cluster.is_terminal else None)

    def befell(self, fault: Fault) -> None:
        """The fault took effect."""
        with self._lock:
            self._faults[fault] += 1

    @property
    def faults(self) -> Counter[Fault]:
        """How often each fault took effect."""
        with self._lock:
            return Counter(self._faults)

    @property
    def lifetimes(self) -> tuple[Lifetime, ...]:
        """Of all clusters, in the order of their beginning."""
        with self._lock:
            return tuple(self._lifetimes.values())
