"""The use case: something happened to a cluster; bring the run's record and status up to date.

An event is only a hint that EMR should be asked. What is written follows from EMR's and the ledger's
present state, so events may come late, twice or in any order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from lambdas.contract.cost.estimate import InstanceUse, Usage, usage
from lambdas.contract.documents import UnreadableError
from lambdas.contract.plan import RunPlan
from lambdas.contract.report import StepReport
from lambdas.contract.run import (
    NOT_LAUNCHED,
    ON_CLUSTER,
    RUN_TAG,
    RunRecord,
    RunState,
    is_terminal,
    is_workbench,
)
from lambdas.contract.status import Status
from lambdas.runs.cluster_port import Clusters, ClusterSnapshot
from lambdas.runs.learning import of_run
from lambdas.runs.outcome import advance, has_begun, phases_of
from lambdas.runs.run_service import RunDocuments, RunService, Skipped, is_left_open, is_left_untold
from lambdas.runs.telling import Teller
from lambdas.runs.workbench import is_set_up

LEARNING_TRIES = 5
"""Each of them but the last lost to another run that ended in the same moment."""


@dataclass(frozen=True)
class Ignored:
    """The event changes none of our runs; ``detail`` says why."""

    detail: str


@dataclass(frozen=True)
class Tracker:
    """The use case with its collaborators."""

    runs: RunService
    clusters: Clusters
    teller: Teller

    def hear(self, cluster_id: str) -> Status | Ignored:
        """An event told of this cluster: :meth:`track` it. What cannot be read now is no reason to deliver
        the event again: the reconciler comes back to it, with more patience."""
        try:
            return self.track(cluster_id)
        except UnreadableError as error:
            return Ignored(f"left to the reconciler: {error}")

    def track(self, cluster_id: str) -> Status | Ignored:
        """Bring the run of this cluster up to date; its status, if that is new.

        The plan and the reports of a cluster that has ended are final, so they are read once, and passed on.

        Raises:
            UnreadableError: the run's record, or what decides of its end, cannot be read.
        """
        cluster = self.clusters.describe(cluster_id)
        run_id = cluster.tags.get(RUN_TAG)
        record = self.runs.ledger.get(run_id) if run_id is not None else None
        if record is None:
            return Ignored(f"cluster {cluster_id} ({cluster.name}) is of no run in the ledger")
        record = self._attend_door(record, cluster)
        final = None if cluster.lives else self.runs.documents(record)
        reports = self._reports(record, cluster, final) if final else ()
        # Asked when the run begins, and when it has ended; not with each event between.
        asks = final is not None or (has_begun(cluster) and record.phases is None)
        machines = self.clusters.instances(cluster_id, self.runs.now()) if asks else ()
        phases = phases_of(cluster, machines) if asks else None
        used = _usage(machines, final.plan) if final else None

        def advanced(seen: RunRecord) -> RunRecord:
            if not is_of(seen, cluster):
                return seen
            return advance(seen, cluster, reports, used, self.runs.now(), phases)

        before, after = self.runs.change(record.run_id, advanced)
        self._attend_end(record, after)
        if before is None or after is None or not is_of(before, cluster):
            return Ignored(f"cluster {cluster_id} ({cluster.name}) is not the one of run {record.run_id}")
        # One end has several events, which come at once: who made the last change does what follows from it.
        ended_now = is_terminal(after.state) and not is_terminal(before.state)
        if ended_now and final:
            learning = partial(self._learn, after, final, machines, cluster.ended_at)
            self.runs.guarded(after.run_id, learning, noted=False)
        # A cancelled launch may have made this cluster, which counts until it is gone.
        if ended_now or (not cluster.lives and is_left_open(after, self.runs.now())):
            return _told(self.teller.close(after, final), record.run_id)
        if is_left_untold(after, self.runs.now()):
            return _told(self.teller.tell(after.run_id), after.run_id)
        if after == before:
            return Ignored(f"nothing new of run {record.run_id}, which is {record.state}")
        return self.runs.publish(after, final)

    def _attend_door(self, record: RunRecord, cluster: ClusterSnapshot) -> RunRecord:
        """Have the door lead to a workbench's cluster from when that is set up until it has ended.

        Raises:
            LookupError: it should, and the cluster's address is not known (yet).
        """
        if not is_workbench(record.run_id):
            return record
        if not cluster.lives:
            self.teller.lock(record)
            return record
        is_due = record.state in (*NOT_LAUNCHED, RunState.LAUNCHED) and record.stopping is None
        if not (is_due and is_of(record, cluster) and is_set_up(cluster.steps)):
            return record
        if (address := self.clusters.primary_address(cluster.cluster_id)) is None:
            raise LookupError(f"EMR names no running primary node of cluster {cluster.cluster_id}")

        def noted(seen: RunRecord) -> RunRecord:
            return seen if is_terminal(seen.state) else dataclasses.replace(seen, door=address)

        # First on the record: whoever ends the run closes what stands there.
        _, after = self.runs.change(record.run_id, noted)
        if after is None or after.door != address:
            return record
        self.teller.door.open(address)
        return after

    def _attend_end(self, record: RunRecord, after: RunRecord | None) -> None:
        """A workbench may have ended while its door was being opened."""
        if after is not None and after.state not in ON_CLUSTER:
            self.teller.lock(record)

    def _learn(
        self,
        record: RunRecord,
        final: RunDocuments,
        machines: Sequence[InstanceUse],
        ended_at: float | None,
    ) -> None:
        """Later estimates rest on what the run measured. Given up after a few tries: they can do without."""
        if (found := of_run(record, final.plan, final.reports, machines, ended_at)) is None:
            return
        start, rate = found
        for _ in range(LEARNING_TRIES):
            seen = self.runs.ledger.measured()
            after = seen.with_run(start, rate)
            if after == seen or self.runs.ledger.swap_measured(seen, after):
                return

    def _reports(
        self, record: RunRecord, cluster: ClusterSnapshot, final: RunDocuments
    ) -> tuple[StepReport, ...]:
        """What decides of the end. How a run ends that is cancelled, or has ended, no report changes."""
        if record.stopping is RunState.CANCELLED or is_terminal(record.state):
            return final.reports
        try:
            return final.sure_reports()
        except UnreadableError:
            # The run's end has to wait for them; its place need not, for there is no cluster any more.
            self.runs.give_way(record.run_id, lambda seen: seen.state in ON_CLUSTER and is_of(seen, cluster))
            raise


def _usage(machines: Sequence[InstanceUse], plan: RunPlan | None) -> Usage | None:
    """What the cluster used; None where no region, hence no price, is known."""
    return usage(machines, plan.estimate.region) if plan and plan.estimate else None


def _told(told: Status | Skipped | None, run_id: str) -> Status | Ignored:
    if isinstance(told, Skipped):
        return Ignored(f"run {run_id} has ended, and is told later: {told.reason}")
    return told or Ignored(f"run {run_id} has ended, and somebody else tells of it")


def is_of(record: RunRecord, cluster: ClusterSnapshot) -> bool:
    """Whether this is the cluster of the run's present attempt."""
    return cluster.name == record.cluster_name and record.cluster_id in (None, cluster.cluster_id)
