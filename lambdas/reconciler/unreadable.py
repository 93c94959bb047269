"""What to do about runs whose records were not understood: as much as can be read of them decides. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lambdas.contract.run import CLUSTER_PREFIX, ON_CLUSTER, RunRecord, RunState
from lambdas.reconciler.repairs import Repair, Salvage, SetBack, StopOrphan
from lambdas.runs.attempts import was_claimed_before
from lambdas.runs.cluster_port import ClusterSummary
from lambdas.runs.ports import UnreadableRecord
from lambdas.runs.setbacks import end_of, waits


def of_unreadable(
    records: Iterable[UnreadableRecord], clusters: Iterable[ClusterSummary], now: float
) -> list[Repair]:
    """What to do about the active runs whose records were not understood."""
    listed, found = tuple(clusters), list[Repair]()
    for record in records:
        run_id = record.salvaged.run_id
        if (why := end_of(record.salvaged)) is None:
            if not waits(record.salvaged.setback, now):
                found.append(SetBack(run_id, record, _is_idle(record.salvaged, listed)))
            continue
        living = [cluster for cluster in listed if cluster.lives and _is_named_after(run_id, cluster)]
        found += [StopOrphan(run_id, cluster.cluster_id) for cluster in living]
        if not living:
            found.append(Salvage(run_id, record, why))
    return found


def _is_idle(salvaged: RunRecord, clusters: Sequence[ClusterSummary]) -> bool:
    """Whether the cluster that the record names has ended, or none was asked for, as far as can be read."""
    if salvaged.state in ON_CLUSTER:
        return any(cluster.cluster_id == salvaged.cluster_id and not cluster.lives for cluster in clusters)
    # A state that cannot be read is taken for QUEUED; what the run went through says which it is.
    is_queued = any(change.state is RunState.QUEUED for change in salvaged.history[-1:])
    living = any(cluster.lives and _is_named_after(salvaged.run_id, cluster) for cluster in clusters)
    return is_queued and not was_claimed_before(salvaged) and not living


def _is_named_after(run_id: str, cluster: ClusterSummary) -> bool:
    """Whether the cluster is of an attempt at the run, see :func:`lambdas.contract.run.cluster_name`."""
    name = f"{CLUSTER_PREFIX}{run_id}"
    return cluster.name == name or cluster.name.rpartition("-")[0] == name
