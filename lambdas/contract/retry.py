"""Whether a failed attempt is followed by another, and on which machines. Pure."""

from __future__ import annotations

from lambdas.contract.manifest import Cluster
from lambdas.contract.prices import INSTANCE_TYPES
from lambdas.contract.run import FailureKind

ATTEMPTS: dict[str, int] = {FailureKind.CAPACITY: 3, FailureKind.AWS: 2}
"""Attempts in all, by what the last one failed of. Every other failure would only fail again: never."""
MAX_INSTANCE_TYPES = 5
"""As many as a manifest may name."""


def may_retry(kind: str | None, attempt: int) -> bool:
    """Whether another attempt follows the one with this number, which failed of ``kind``."""
    return attempt < ATTEMPTS.get(kind or "", 1)


def cluster_for(cluster: Cluster, attempt: int) -> Cluster:
    """The cluster of an attempt: the first is as the manifest says.

    Later ones are on-demand, and may also use other types with as many virtual CPUs that cost no more, so
    that the worst case stays what it was.
    """
    if attempt == 1:
        return cluster
    given = [INSTANCE_TYPES[name] for name in cluster.instance_types]
    dearest, vcpus = max(kind.eur_per_hour for kind in given), min(kind.vcpus for kind in given)
    others = sorted(
        name
        for name, kind in INSTANCE_TYPES.items()
        if kind.vcpus == vcpus and kind.eur_per_hour <= dearest and name not in cluster.instance_types
    )
    types = (*cluster.instance_types, *others)[:MAX_INSTANCE_TYPES]
    return cluster.model_copy(update={"instance_types": types, "market": "on_demand"})
