"""What the reconciler sees: the ledger and EMR side by side, and what of it does not agree.

Something that cannot be read or asked costs what it is of: a record its run, a cluster itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lambdas.contract.run import (
    CLUSTER_PREFIX,
    LEDGER_TAG,
    ON_CLUSTER,
    RUN_TAG,
    RunRecord,
    RunState,
    is_terminal,
    is_workbench,
)
from lambdas.contract.workbench import last_active_at
from lambdas.reconciler.repairs import Release, Repair, repairs
from lambdas.reconciler.unreadable import of_unreadable
from lambdas.runs.clocks import CLOCK_SKEW_SECONDS, SECONDS_A_DAY
from lambdas.runs.cluster_port import Clusters, ClusterSummary
from lambdas.runs.dispatch import obsolete
from lambdas.runs.endings import MANIFEST_DELETED
from lambdas.runs.run_service import RunService
from lambdas.runs.setbacks import described

TURN_FAILED = "Its turn in the queue failed; the log of the pass says why."
NO_TIME = "This pass had no time left for it; the next one goes on."
LOOK_BACK_SECONDS = 2 * SECONDS_A_DAY
"""How far back orphans are looked for: longer than any run may take (24 h), with a day to spare."""


@dataclass(frozen=True)
class Look:
    """What is to be repaired; and why something was left out, by the id of its run or cluster."""

    repairs: tuple[Repair, ...]
    left_out: Mapping[str, str]


def look(runs: RunService, clusters: Clusters, ledger_table: str, until: float) -> Look:
    """Look once. ``ledger_table``: by which clusters of this stack are told from those of others; ``until``
    (Unix seconds): after which no cluster is asked about any more."""
    ledger, now = runs.ledger, runs.now()
    active = ledger.active()
    oldest = min((record.accepted_at for record in active if not is_terminal(record.state)), default=now)
    since = min(oldest - CLOCK_SKEW_SECONDS, now - LOOK_BACK_SECONDS)
    listed = [cluster for cluster in clusters.list(since) if cluster.name.startswith(CLUSTER_PREFIX)]
    run_of, left_out = _runs_of_strangers(_strangers(active, listed), runs, clusters, ledger_table, until)
    records = {record.run_id: record for record in active}
    holders = set(ledger.admissions().slots) - set(run_of.values())
    unneeded: list[Repair] = []
    # Asked for one by one: the list of active runs may miss a run of the last second.
    for run_id in sorted({*run_of.values(), *holders} - set(records)):
        try:
            record = ledger.get(run_id)
        except Exception as error:
            # What is not known to have ended is not stopped, and keeps its slot.
            run_of = {cluster_id: named for cluster_id, named in run_of.items() if named != run_id}
            left_out[run_id] = described(error)
            continue
        if run_id in holders and (record is None or record.closed):
            unneeded.append(Release(run_id))
        elif run_id not in holders and record is not None:
            records[run_id] = record
    deleted = _deleted(records.values(), runs, left_out)
    active_at = _activity(records.values(), runs, left_out)
    found = repairs(records.values(), listed, run_of, now, active_at, deleted)
    return Look((*found, *of_unreadable(ledger.unreadable(), listed, now), *unneeded), left_out)


def _deleted(records: Iterable[RunRecord], runs: RunService, left_out: dict[str, str]) -> set[str]:
    """Runs that are to stop with their manifest, and whose manifest is gone: who heard of the deletion may
    not have seen a run of the last second."""
    found: set[str] = set()
    for record in records:
        if not record.stop_when_deleted or record.state not in ON_CLUSTER:
            continue
        try:
            why = obsolete(record, runs.ledger.newest(record.manifest_key))
        except Exception as error:
            left_out[record.run_id] = described(error)
            continue
        if why is MANIFEST_DELETED:
            found.add(record.run_id)
    return found


def _activity(records: Iterable[RunRecord], runs: RunService, left_out: dict[str, str]) -> dict[str, float]:
    """When each open workbench was last used, by its run's id, as far as it tells."""
    found: dict[str, float] = {}
    for record in records:
        if not is_workbench(record.run_id) or record.state is not RunState.RUNNING:
            continue
        try:
            active_at = last_active_at(runs.objects.read(record.layout.activity))
        except Exception as error:
            # What is not known to be idle is not ended, before its hours are over.
            left_out[record.run_id] = described(error)
            active_at = runs.now()
        if active_at is not None:
            found[record.run_id] = active_at
    return found


def _strangers(active: Iterable[RunRecord], listed: Iterable[ClusterSummary]) -> list[ClusterSummary]:
    """The living clusters that no open run has as its own."""
    own = {record.cluster_id for record in active if not is_terminal(record.state)}
    return [cluster for cluster in listed if cluster.lives and cluster.cluster_id not in own]


def _runs_of_strangers(
    strangers: Iterable[ClusterSummary],
    runs: RunService,
    clusters: Clusters,
    ledger_table: str,
    until: float,
) -> tuple[dict[str, str], dict[str, str]]:
    """The run that each cluster of this stack names; and why a cluster was not asked, or did not answer."""
    run_of: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for cluster in strangers:
        if runs.now() > until:
            left_out[cluster.cluster_id] = NO_TIME
            continue
        try:
            tags = clusters.describe(cluster.cluster_id).tags
        except Exception as error:  # one cluster's trouble is none of the others'
            left_out[cluster.cluster_id] = described(error)
            continue
        if tags.get(LEDGER_TAG) == ledger_table and RUN_TAG in tags:
            run_of[cluster.cluster_id] = tags[RUN_TAG]
    return run_of, left_out
