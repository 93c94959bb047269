"""The use case: something happened to a cluster; bring the run's record and status up to date.

An event is only a hint that EMR should be asked. What is written follows from EMR's and the ledger's
present state, so events may come late, twice or in any order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from lambdas.contract.estimate import usage
from lambdas.contract.layout import RunLayout
from lambdas.contract.plan import Plan
from lambdas.contract.report import STEPS, StepReport
from lambdas.contract.run import RUN_TAG, Ending, RunRecord, RunState, cluster_name
from lambdas.contract.status import Status, compose_status, timestamp
from lambdas.ports import Clusters, Ledger, Objects, Topic
from lambdas.tracker import message
from lambdas.tracker.outcome import decide


@dataclass(frozen=True)
class Tracked:
    """``entered``: the state that this event brought the run into, None when it was there already."""

    status: Status
    entered: RunState | None


@dataclass(frozen=True)
class Ignored:
    """The event concerns none of our runs; ``detail`` says why."""

    detail: str


@dataclass(frozen=True)
class Tracker:
    """The use case with its collaborators. ``now`` gives Unix seconds."""

    objects: Objects
    ledger: Ledger
    clusters: Clusters
    topic: Topic
    now: Callable[[], float]

    def track(self, cluster_id: str) -> Tracked | Ignored:
        """Bring the run of this cluster up to date."""
        cluster = self.clusters.describe(cluster_id)
        run_id = cluster.tags.get(RUN_TAG)
        if run_id is None or cluster.name != cluster_name(run_id):
            return Ignored(f"cluster {cluster_id} ({cluster.name}) is none of ours")
        record = self.ledger.get(run_id)
        if record is None:
            return Ignored(f"cluster {cluster_id} names run {run_id}, which the ledger does not know")
        if record.cluster_id not in (None, cluster_id):
            return Ignored(f"run {run_id} has cluster {record.cluster_id}, not {cluster_id}")
        keys = RunLayout(record.dataset, run_id)
        decision = decide(cluster, self._reports(keys))
        # The cluster proves a launch, even one that the launcher has not recorded (yet).
        self.ledger.enter(run_id, RunState.LAUNCHED, cluster_id=cluster_id)
        plan = self._plan(keys)
        ending = decision.ending and self._priced(decision.ending, cluster_id, plan)
        entered = self.ledger.enter(run_id, decision.state, ending=ending)
        status = self._publish(record, keys, plan)
        if entered and ending and plan and plan.notify:
            self.topic.publish(message.subject(status), message.body(status))
        return Tracked(status, decision.state if entered else None)

    def _publish(self, record: RunRecord, keys: RunLayout, plan: Plan | None) -> Status:
        """Write ``status.json`` for ``record`` as it is now.

        Written again if the run moved meanwhile, so that the last of several concurrent writers is right.
        """
        current: RunRecord | None = None
        while (latest := self.ledger.get(record.run_id) or record) != current:
            current = latest
            status = compose_status(current, plan, self._reports(keys), timestamp(self.now()))
            self.objects.write(keys.status, status.to_json())
        return status

    def _priced(self, ending: Ending, cluster_id: str, plan: Plan | None) -> Ending:
        """The ending with what the cluster used; as it is where no region, hence no price, is known."""
        if plan is None or plan.estimate is None:
            return ending
        used = usage(self.clusters.instances(cluster_id, self.now()), plan.estimate.region)
        return dataclasses.replace(ending, instance_hours=used.instance_hours, actual_eur=used.eur)

    def _plan(self, keys: RunLayout) -> Plan | None:
        body = self.objects.read(keys.plan)
        return Plan.from_json(body) if body else None

    def _reports(self, keys: RunLayout) -> list[StepReport]:
        bodies = (self.objects.read(keys.step_report(step)) for step in STEPS)
        return [StepReport.from_json(body) for body in bodies if body]
