"""A run's present attempt: its cluster, and whether a launch of it was begun. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lambdas.contract.run import RunRecord, RunState
from lambdas.runs.cluster_port import ClusterSummary


def cluster_of(record: RunRecord, clusters: Sequence[ClusterSummary]) -> ClusterSummary | None:
    """The cluster of the run's present attempt: the one that is on record, else a living one first."""
    named = [
        cluster
        for cluster in clusters
        if cluster.name == record.cluster_name and record.cluster_id in (None, cluster.cluster_id)
    ]
    return min(named, key=lambda cluster: (not cluster.lives, cluster.created_at), default=None)


def was_claimed_before(record: RunRecord) -> bool:
    """Whether a launch of the present attempt was begun already."""
    on_cluster = [n for n, change in enumerate(record.history) if change.state is RunState.LAUNCHED]
    since = record.history[on_cluster[-1] :] if on_cluster else record.history
    return any(change.state is RunState.CLAIMED for change in since)
