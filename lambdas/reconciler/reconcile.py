"""The use case: look at the ledger and at EMR, repair what does not agree, start what may start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lambdas.contract.run import (
    CLUSTER_PREFIX,
    LEDGER_TAG,
    ON_CLUSTER,
    RUN_TAG,
    Ending,
    RunRecord,
    RunState,
    ended,
    is_terminal,
    moved,
    stopping,
)
from lambdas.reconciler.repairs import (
    Close,
    GiveUp,
    Release,
    Repair,
    Requeue,
    Stop,
    StopOrphan,
    Track,
    repairs,
)
from lambdas.runs.admission import Wait
from lambdas.runs.dispatch import CLOCK_SKEW_SECONDS, Dispatcher, Outcome
from lambdas.runs.ports import Clusters, ClusterSummary
from lambdas.runs.run_service import RunService
from lambdas.runs.tracking import Tracker

SECONDS_A_DAY = 24 * 3600
LOOK_BACK_SECONDS = 2 * SECONDS_A_DAY
"""How far back orphans are looked for: longer than any run may take (24 h), with a day to spare."""


@dataclass(frozen=True)
class Gauges:
    """The state of the stack after the repairs."""

    paused: bool
    """Whether people have paused launching."""
    queued: int
    on_cluster: int
    oldest_seconds: float
    """Age of the oldest active run."""
    orphans: int
    """Clusters without a run that were found, and stopped."""
    overdue: int
    """Clusters older than their run allows that were found, and stopped."""
    certificate_days: float
    """How long the certificate of the clusters' nodes still holds; negative when it has ended."""


@dataclass(frozen=True)
class Reconciliation:
    """What one pass found and did. ``wait``: why the queue did not empty, None if it did."""

    repairs: tuple[Repair, ...]
    dispatched: Mapping[str, Outcome]
    """What became of each run that had its turn."""
    wait: Wait | None
    gauges: Gauges


@dataclass(frozen=True)
class Reconciler:
    """The use case with its collaborators."""

    runs: RunService
    clusters: Clusters
    dispatcher: Dispatcher
    tracker: Tracker
    ledger_table: str
    """By which clusters of this stack are told from those of others."""
    certificate_expires_at: float
    """Unix seconds."""

    def reconcile(self, deadline: float) -> Reconciliation:
        """One pass. May be cut off, repeated, and run several times at once.

        ``deadline`` (Unix seconds) is when this process ends at the latest.
        """
        found = self._disagreements()
        for repair in found:
            self._do(repair)
        done, wait = self.dispatcher.dispatch(deadline)
        self.runs.publish_queue(wait)
        return Reconciliation(
            repairs=tuple(found),
            dispatched=done,
            wait=wait,
            gauges=self._gauges(found),
        )

    def _disagreements(self) -> list[Repair]:
        ledger, now = self.runs.ledger, self.runs.now()
        active = ledger.active()
        oldest = min((record.accepted_at for record in active), default=now)
        since = min(oldest - CLOCK_SKEW_SECONDS, now - LOOK_BACK_SECONDS)
        listed = self.clusters.list(since)
        clusters = [cluster for cluster in listed if cluster.name.startswith(CLUSTER_PREFIX)]
        run_of = self._runs_of_strangers(active, clusters)
        records = {record.run_id: record for record in active}
        # Asked for one by one: the list of active runs may miss a run of the last second.
        for run_id in set(run_of.values()) - set(records):
            if (record := ledger.get(run_id)) is not None:
                records[run_id] = record
        holders = (run_id for run_id in ledger.admissions().slots if run_id not in records)
        unneeded = [Release(run_id) for run_id in holders if self._is_over(run_id)]
        return [*repairs(records.values(), clusters, run_of, now), *unneeded]

    def _runs_of_strangers(
        self, active: tuple[RunRecord, ...], clusters: list[ClusterSummary]
    ) -> dict[str, str]:
        """The run that each living cluster of this stack names, except where a run has it as its own."""
        own = {record.cluster_id for record in active}
        run_of: dict[str, str] = {}
        for cluster in clusters:
            if cluster.lives and cluster.cluster_id not in own:
                tags = self.clusters.describe(cluster.cluster_id).tags
                if tags.get(LEDGER_TAG) == self.ledger_table and RUN_TAG in tags:
                    run_of[cluster.cluster_id] = tags[RUN_TAG]
        return run_of

    def _is_over(self, run_id: str) -> bool:
        record = self.runs.ledger.get(run_id)
        return record is None or record.closed

    def _do(self, repair: Repair) -> None:
        match repair:
            case Track(_, cluster_id):
                self.tracker.track(cluster_id)
            case Requeue(run_id, lease_until):
                self._requeue(run_id, lease_until)
            case Stop(run_id, cluster_id, why, _):
                self._stop(run_id, cluster_id, why)
            case StopOrphan(_, cluster_id):
                self.clusters.terminate(cluster_id)
            case GiveUp(run_id, why):
                self._give_up(run_id, why)
            case Close(run_id):
                if (record := self.runs.ledger.get(run_id)) is not None:
                    self.tracker.close(record)
            case Release(run_id):
                self.runs.release(run_id, spent_eur=0.0)

    def _requeue(self, run_id: str, lease_until: float | None) -> None:
        def requeued(record: RunRecord) -> RunRecord:
            # Another lease is another claim, which is alive.
            if record.state is not RunState.CLAIMED or record.lease_until != lease_until:
                return record
            return moved(record, RunState.QUEUED, self.runs.now())

        self.runs.change(run_id, requeued)

    def _stop(self, run_id: str, cluster_id: str, why: Ending | None) -> None:
        def stopped(record: RunRecord) -> RunRecord:
            if record.stopping is not None or record.cluster_id != cluster_id or why is None:
                return record
            return stopping(record, RunState.FAILED, why)

        # First the reason, then the stop: the tracker may hear of the end at once.
        _, record = self.runs.change(run_id, stopped)
        if record is not None and record.stopping is not None and record.cluster_id == cluster_id:
            self.clusters.terminate(cluster_id)

    def _give_up(self, run_id: str, why: Ending) -> None:
        def given_up(record: RunRecord) -> RunRecord:
            if record.state not in ON_CLUSTER:
                return record
            return ended(record, RunState.FAILED, why, self.runs.now())

        _, record = self.runs.change(run_id, given_up)
        if record is not None and is_terminal(record.state):
            self.tracker.close(record)

    def _gauges(self, found: Sequence[Repair]) -> Gauges:
        active = self.runs.ledger.active()
        states = Counter(record.state for record in active)
        now = self.runs.now()
        return Gauges(
            paused=self.dispatcher.runs.ledger.admissions().paused is not None,
            queued=states[RunState.QUEUED],
            on_cluster=sum(states[state] for state in ON_CLUSTER),
            oldest_seconds=max((now - record.accepted_at for record in active), default=0.0),
            orphans=sum(isinstance(repair, StopOrphan) for repair in found),
            overdue=sum(isinstance(repair, Stop) and repair.overdue for repair in found),
            certificate_days=(self.certificate_expires_at - now) / SECONDS_A_DAY,
        )
