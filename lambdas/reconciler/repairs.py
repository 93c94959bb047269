"""What does not agree between the ledger and EMR, and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lambdas.contract.run import (
    ON_CLUSTER,
    Ending,
    FailureKind,
    RunRecord,
    RunState,
    is_terminal,
    is_workbench,
)
from lambdas.runs.attempts import cluster_of
from lambdas.runs.clocks import SECONDS_A_MINUTE, is_before
from lambdas.runs.cluster_port import ClusterState, ClusterSummary
from lambdas.runs.dispatch import LEASE_SECONDS
from lambdas.runs.endings import MANIFEST_DELETED
from lambdas.runs.ports import UnreadableRecord
from lambdas.runs.run_service import is_left_open, is_left_untold
from lambdas.runs.setbacks import end_of, waits
from lambdas.runs.workbench import end_of_workbench, is_overdue

LOST_SECONDS = 600
"""How long a run's cluster may be missing from EMR's list, which is not always up to date."""

OVERDUE = "MAX_RUNTIME"
IDLE = "IDLE_CLUSTER"
LOST = "CLUSTER_LOST"


@dataclass(frozen=True)
class Track:
    """EMR knows more of this cluster than the ledger: an event was missed, or a launch not recorded."""

    run_id: str
    cluster_id: str


@dataclass(frozen=True)
class Requeue:
    """The claim's lease has ended and there is no cluster: whoever claimed the run died, or was throttled."""

    run_id: str
    lease_until: float | None


@dataclass(frozen=True)
class Stop:
    """Stop the run's cluster. ``why`` is None where the record says it already."""

    run_id: str
    cluster_id: str
    why: Ending | None = None
    overdue: bool = False
    """Whether it is older than the run allows."""
    leads_to: RunState = RunState.FAILED
    """The terminal state of a run that is stopped for ``why``."""


@dataclass(frozen=True)
class StopOrphan:
    """Stop a cluster of this stack that computes no run; ``run_id`` is what it names."""

    run_id: str
    cluster_id: str


@dataclass(frozen=True)
class GiveUp:
    """The run cannot go on."""

    run_id: str
    why: Ending


@dataclass(frozen=True)
class Close:
    """The run ended, and what follows from that was cut off."""

    run_id: str


@dataclass(frozen=True)
class Tell:
    """The end of a closed run has still to be told."""

    run_id: str


@dataclass(frozen=True)
class GiveUpTelling:
    """The end of a closed run could not be told, often enough."""

    run_id: str


@dataclass(frozen=True)
class SetBack:
    """The run's record was not understood: it is left alone, and looked at again later."""

    run_id: str
    record: UnreadableRecord
    is_idle: bool = False
    """Whether no cluster of it can be there: then the run needs no place meanwhile."""


@dataclass(frozen=True)
class Salvage:
    """The run's record was not understood, often enough: the run fails, by a record that can be read."""

    run_id: str
    record: UnreadableRecord
    why: Ending


@dataclass(frozen=True)
class Release:
    """A slot is held by a run that needs none any more."""

    run_id: str


Repair = (
    Track | Requeue | Stop | StopOrphan | GiveUp | Close | Tell | GiveUpTelling | SetBack | Salvage | Release
)
NEEDS_DOCUMENTS = (Track, Close, Tell)
"""What may fail of something that only this run has, and is not tried again before its setback allows."""


def repairs(
    records: Iterable[RunRecord],
    clusters: Iterable[ClusterSummary],
    run_of: Mapping[str, str],
    now: float,
    active_at: Mapping[str, float] = MappingProxyType({}),
    deleted: Collection[str] = (),
) -> list[Repair]:
    """Everything that has to be done now; nothing when all agrees.

    Args:
        records: the active runs, and those that ``run_of`` names.
        clusters: every cluster that may be of one of them.
        run_of: the run of each of this stack's living clusters, by cluster id.
        now: Unix seconds.
        active_at: when a kernel of a workbench was last busy (Unix seconds), by run id, as far as it tells.
        deleted: the runs that are to stop because their manifest was deleted.
    """
    listed = tuple(clusters)
    by_run = {record.run_id: record for record in records}
    found: list[Repair] = []
    for record in by_run.values():
        named = cluster_of(record, listed)
        repair = (
            _of_hopeless(record, named, now)
            or (_of_deleted(record, named) if record.run_id in deleted else None)
            or _of_run(record, named, now, active_at.get(record.run_id))
        )
        if repair is None or (isinstance(repair, NEEDS_DOCUMENTS) and waits(record.setback, now)):
            continue
        found.append(repair)
    return found + [
        StopOrphan(run_of[cluster.cluster_id], cluster.cluster_id)
        for cluster in listed
        if cluster.lives
        and cluster.state is not ClusterState.TERMINATING
        and cluster.cluster_id in run_of
        and _is_orphan(cluster, by_run.get(run_of[cluster.cluster_id]))
    ]


def _of_run(
    record: RunRecord, named: ClusterSummary | None, now: float, active_at: float | None
) -> Repair | None:
    if is_left_untold(record, now):
        return Tell(record.run_id)
    if is_terminal(record.state):
        return _of_left_open(record, named) if is_left_open(record, now) else None
    if record.state in ON_CLUSTER:
        return _of_cluster(record, named, now, active_at)
    if named is not None:
        return Track(record.run_id, named.cluster_id)
    if record.state is RunState.CLAIMED and not is_being_launched(record, now):
        return Requeue(record.run_id, record.lease_until)
    return None


def is_being_launched(record: RunRecord, now: float) -> bool:
    """Whether somebody may be asking for the run's cluster right now."""
    return record.state is RunState.CLAIMED and is_before(now, record.lease_until, LEASE_SECONDS)


def _of_hopeless(record: RunRecord, cluster: ClusterSummary | None, now: float) -> Repair | None:
    """The truthful end of a run that nothing more is tried with: first its cluster's, then its own."""
    if (why := end_of(record)) is None or is_being_launched(record, now):
        return None
    if is_terminal(record.state):
        return GiveUpTelling(record.run_id) if record.closed and record.untold else None
    if cluster is None or not cluster.lives:
        return GiveUp(record.run_id, why)
    if record.state not in ON_CLUSTER:
        return StopOrphan(record.run_id, cluster.cluster_id)
    ends = cluster.state is ClusterState.TERMINATING
    return None if ends else Stop(record.run_id, cluster.cluster_id, why)


def _of_left_open(record: RunRecord, cluster: ClusterSummary | None) -> Repair | None:
    """Of one that ended, and whose launch, cancelled in its midst, may have made a cluster all the same: that
    keeps the run's place while it lives, and is charged to it."""
    if cluster is None or cluster.cluster_id == record.cluster_id:
        return Close(record.run_id)
    return None if cluster.lives else Track(record.run_id, cluster.cluster_id)


def _of_deleted(record: RunRecord, cluster: ClusterSummary | None) -> Repair | None:
    if record.stopping is not None or cluster is None or not cluster.lives:
        return None
    return Stop(record.run_id, cluster.cluster_id, MANIFEST_DELETED, leads_to=RunState.CANCELLED)


def _of_cluster(
    record: RunRecord, cluster: ClusterSummary | None, now: float, active_at: float | None
) -> Repair | None:
    if cluster is None:
        return GiveUp(record.run_id, _LOST) if now > record.changed_at + LOST_SECONDS else None
    if not cluster.lives:
        return Track(record.run_id, cluster.cluster_id)
    if cluster.state is ClusterState.TERMINATING:
        return None
    used_seconds = record.earlier_seconds + cluster.seconds(now)
    if is_workbench(record.run_id):
        return _of_workbench(record, cluster, now, used_seconds, active_at)
    overdue = used_seconds > record.max_runtime_minutes * SECONDS_A_MINUTE
    if record.stopping is not None:
        return Stop(record.run_id, cluster.cluster_id, overdue=overdue)
    if cluster.state is ClusterState.WAITING:
        return Stop(record.run_id, cluster.cluster_id, _IDLE, overdue)
    if overdue:
        return Stop(record.run_id, cluster.cluster_id, _overdue(record), overdue)
    unheard = cluster.state is ClusterState.RUNNING and record.state is RunState.LAUNCHED
    return Track(record.run_id, cluster.cluster_id) if unheard else None


def _of_workbench(
    record: RunRecord, cluster: ClusterSummary, now: float, used_seconds: float, active_at: float | None
) -> Repair | None:
    """Of one whose cluster lives. Nobody else ends it, so an end that is due is none that was missed."""
    overdue = is_overdue(record, used_seconds)
    if record.stopping is not None:
        return Stop(record.run_id, cluster.cluster_id, overdue=overdue)
    if (why := end_of_workbench(record, used_seconds, active_at, now)) is not None:
        leads_to = RunState.COMPLETED if why.kind is None else RunState.FAILED
        return Stop(record.run_id, cluster.cluster_id, why, overdue, leads_to)
    # Set up it waits, for nothing: people may be let in.
    unheard = cluster.state is ClusterState.WAITING and record.state is RunState.LAUNCHED
    return Track(record.run_id, cluster.cluster_id) if unheard else None


def _is_orphan(cluster: ClusterSummary, record: RunRecord | None) -> bool:
    if record is None or is_terminal(record.state) or cluster.name != record.cluster_name:
        return True
    return record.cluster_id not in (None, cluster.cluster_id)


def _overdue(record: RunRecord) -> Ending:
    return Ending(
        OVERDUE,
        f"The run was stopped after the {record.max_runtime_minutes} minutes that the manifest allows.",
        "Raise limits.max_runtime_minutes or cluster.workers and upload the manifest again.",
        FailureKind.USER,
    )


_IDLE = Ending(
    IDLE,
    "The cluster had nothing left to do and did not end; it was stopped.",
    "Read the steps' stderr in the logs; somebody may have protected the cluster against termination.",
    FailureKind.OURS,
)
_LOST = Ending(
    LOST,
    "EMR does not know the run's cluster any more.",
    "Upload the manifest again for a new run; finished parts are not lost.",
    FailureKind.AWS,
)
