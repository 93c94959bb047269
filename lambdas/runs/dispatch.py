"""The use case: queued runs get their clusters, oldest first, as far as the stack's caps allow.

The launcher and the reconciler both dispatch, at any time and any number at once. Order of events in a
launch, each of which may be the last before a crash, and what the reconciler then finds:

1. slot taken            the run is QUEUED still: its turn comes again
2. CLAIMED (swap)        when the lease has ended: no cluster of its name, back to QUEUED
3. RunJobFlow            when the lease has ended: a cluster of its name, which is adopted
4. LAUNCHED (swap)       all is well
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from lambdas.contract.cost.measured import architecture_of
from lambdas.contract.plan import ClusterSpec, RunPlan
from lambdas.contract.run import Ending, RunRecord, RunState, ended, is_workbench, moved
from lambdas.contract.settings import LauncherSettings
from lambdas.runs import older_plans
from lambdas.runs.admission import FOR_A_PLACE, Wait
from lambdas.runs.attempts import cluster_of, was_claimed_before
from lambdas.runs.clocks import CLOCK_SKEW_SECONDS
from lambdas.runs.cluster_port import Clusters, ClusterSummary, LaunchInDoubtError, LaunchRefusedError
from lambdas.runs.door import Door
from lambdas.runs.endings import (
    DOOR_REMOVED,
    DOOR_TAKEN,
    MANIFEST_DELETED,
    PACKAGES_MISSING,
    PLAN_ERASED,
    PLAN_OUTDATED,
    SUPERSEDED,
    over_budget,
    refused,
)
from lambdas.runs.fleets import cluster_for
from lambdas.runs.job_flow import run_job_flow
from lambdas.runs.ports import Newest
from lambdas.runs.run_service import RunDocuments, RunService, Skipped, spent_eur
from lambdas.runs.setbacks import is_hopeless, waits

LEASE_SECONDS = 50
"""How long a claim is presumed alive. From claim to cluster takes seconds."""
LAUNCH_CALL_SECONDS = 25
"""The longest that RunJobFlow may take (the client's timeouts). It is not begun later than this before the
lease ends, so whoever finds an ended lease knows that no call is under way."""
DOUBT_SECONDS = 10
"""How long after a launch in doubt EMR may need to list the cluster that it did create."""


class Outcome(StrEnum):
    """What became of an upload, of a deletion, or of a run's turn to launch."""

    LAUNCHED = "launched"
    CANCELLED = "cancelled"
    """The manifest was deleted or replaced since, or the plan was erased."""
    REFUSED = "refused"
    """EMR refused the cluster, or the plan does not say which one is wanted; the run failed."""

    ADOPTED = "adopted"
    """An earlier attempt to launch had made the cluster, and could not record it."""
    IN_DOUBT = "in_doubt"
    """EMR gave no clear answer; the reconciler looks again when the lease has ended."""
    OVERTAKEN = "overtaken"
    """Somebody else took this turn."""

    SKIPPED = "skipped"
    """Something was wrong with this very run, which its record says; it is left alone for a while."""

    QUEUED = "queued"
    """The run waits for its turn, or for a second look at a launch in doubt; the reconciler sees to it."""
    DUPLICATE = "duplicate"
    """The run is in the ledger already."""
    REJECTED = "rejected"
    IGNORED = "ignored"
    DELETED = "deleted"
    """The event told of a deletion, which was noted."""


@dataclass(frozen=True)
class _Launch:
    """A launch that only waits for its place: the parameters of RunJobFlow, and what is known of the run."""

    request: Mapping[str, Any]
    documents: RunDocuments


@dataclass(frozen=True)
class Dispatcher:
    """The use case with its collaborators. ``sleep`` takes seconds."""

    settings: LauncherSettings
    runs: RunService
    clusters: Clusters
    door: Door
    sleep: Callable[[float], None]

    def dispatch(
        self, deadline: float, own: RunRecord | None = None
    ) -> tuple[dict[str, Outcome], Wait | None]:
        """Start queued runs in their order: until ``own`` had its turn, or all of them without ``own``.

        Waits for the launch pace only without ``own``: an upload's delivery should end soon, a queue should
        be worked off. Stops before ``deadline`` (Unix seconds) in any case. A run that something is wrong
        with is passed over, and holds no place meanwhile. Where one has to wait for a place, those behind it
        that hold theirs since an earlier attempt do not: it may be for theirs that it waits.

        Returns:
            What became of each run that had its turn, and why the next one has to wait.
        """
        done: dict[str, Outcome] = {}
        waited: Wait | None = None
        holders: Container[str] = ()
        for record in waiting(self.runs.ledger.queue(), own):
            if is_left_alone(record, self.runs.now()) or (waited and record.run_id not in holders):
                continue
            if self._has_no_time(deadline):
                return done, waited or Wait.PACE
            turn = self._turn(record, deadline, patient=own is None)
            if isinstance(turn, Wait):
                if waited or turn not in FOR_A_PLACE:
                    return done, waited or turn
                waited, holders = turn, self.runs.ledger.admissions().slots
                continue
            done[record.run_id] = turn
            if own is not None and own.run_id in done:
                break
        return done, waited

    def _turn(self, record: RunRecord, deadline: float, *, patient: bool) -> Outcome | Wait:
        """What becomes of the run now, or why it has to wait."""
        turn = self.runs.guarded(record.run_id, partial(self._prepare, record))
        if isinstance(turn, _Launch):
            admitting = partial(self._admit, record, deadline, patient=patient)
            # The account of all runs does not answer, which says nothing of this one.
            wait = self.runs.guarded(record.run_id, admitting, noted=False)
            if isinstance(wait, Skipped):
                return Outcome.SKIPPED
            never = self._never(record, wait)
            if wait is not None and never is None:
                return wait
            next_move = (
                partial(self._end, record, RunState.FAILED, never, Outcome.REFUSED)
                if never
                else partial(self._start, record, turn)
            )
            turn = self.runs.guarded(record.run_id, next_move)
        if isinstance(turn, Skipped):
            self.runs.guarded(record.run_id, partial(self._give_way, record), noted=False)
            return Outcome.SKIPPED
        return turn

    def _give_way(self, turn: RunRecord) -> None:
        """While a run is left alone, others may have the place that it holds; also where its record takes no
        writes, and is the one of ``turn`` still."""

        def is_idle(record: RunRecord) -> bool:
            unclaimed = record.state is RunState.QUEUED and not was_claimed_before(record)
            return unclaimed and (waits(record.setback, self.runs.now()) or record == turn)

        self.runs.give_way(turn.run_id, is_idle)

    def _never(self, record: RunRecord, wait: Wait | None) -> Ending | None:
        """Why waiting would not help, or would hold up the queue for hours; None where it is worth it."""
        if wait is Wait.DOOR:
            return DOOR_TAKEN
        # The daily budget may have been lowered since the run was accepted.
        if wait is Wait.BUDGET and not self.settings.caps.ever_admit(record.worst_case_eur):
            return over_budget(record.worst_case_eur, self.settings.caps.max_eur_per_day)
        return None

    def _has_no_time(self, deadline: float, pause: float = 0.0) -> bool:
        return self.runs.now() + pause > deadline - LEASE_SECONDS

    def _admit(self, record: RunRecord, deadline: float, *, patient: bool) -> Wait | None:
        caps = self.settings.caps
        pause = 1 / caps.launches_per_second
        while True:
            wait = self.runs.admit(record, caps)
            if wait is not Wait.PACE or not patient or self._has_no_time(deadline, pause):
                return wait
            self.sleep(pause)

    def _prepare(self, record: RunRecord) -> _Launch | Outcome:
        """What the run's launch takes. Before its place is taken, which a run that cannot launch must not
        hold, and before the claim, whose lease this must not use up."""
        if record.stopping is not None:
            return self._end(record, record.stopping, None, Outcome.CANCELLED)
        if (ending := obsolete(record, self.runs.ledger.newest(record.manifest_key))) is not None:
            return self._end(record, RunState.CANCELLED, ending, Outcome.CANCELLED)
        documents = self.runs.documents(record)
        if (plan := documents.sure_plan()) is None:
            return self._end(record, RunState.CANCELLED, PLAN_ERASED, Outcome.CANCELLED)
        if (wanted := plan.cluster or self._cluster_of_older(plan)) is None:
            return self._end(record, RunState.FAILED, PLAN_OUTDATED, Outcome.REFUSED)
        if architecture_of(wanted.instance_types[0]) not in self.settings.architectures:
            return self._end(record, RunState.FAILED, PACKAGES_MISSING, Outcome.REFUSED)
        if is_workbench(record.run_id) and not self.settings.workbench_address:
            return self._end(record, RunState.FAILED, DOOR_REMOVED, Outcome.REFUSED)
        offered = self.clusters.instance_types(self.settings.release_label)
        cluster = cluster_for(wanted, record.attempt, self.settings.region, offered)
        return _Launch(run_job_flow(plan, cluster, self.settings, record.attempt), documents)

    def _cluster_of_older(self, plan: RunPlan) -> ClusterSpec | None:
        """Of a plan that an older release made: the manifest says it, if it is still there."""
        manifest = self.runs.objects.read(plan.manifest.key, plan.manifest.version_id)
        return older_plans.cluster_of(manifest) if manifest else None

    def _start(self, record: RunRecord, launch: _Launch) -> Outcome:
        ledger, now = self.runs.ledger, self.runs.now
        claimed = ledger.swap(
            record, moved(record, RunState.CLAIMED, now(), lease_until=now() + LEASE_SECONDS)
        )
        if claimed is None:
            return Outcome.OVERTAKEN
        # Claimed before: that launch may have made a cluster that was not to be seen yet.
        if was_claimed_before(record) and (found := self._find(claimed)):
            return self._launched(claimed, found.cluster_id, Outcome.ADOPTED)
        if is_workbench(claimed.run_id):
            # Anew for each cluster, and before it: its set-up waits for nothing.
            self.runs.objects.write(claimed.layout.login, self.door.new_password(claimed.run_id))
        return self._launch(claimed, launch)

    def _launch(self, claimed: RunRecord, launch: _Launch) -> Outcome:
        if claimed.lease_until is None or self.runs.now() > claimed.lease_until - LAUNCH_CALL_SECONDS:
            return Outcome.IN_DOUBT
        try:
            cluster_id = self.clusters.launch(launch.request)
        except LaunchRefusedError as error:
            return self._end(claimed, RunState.FAILED, refused(error), Outcome.REFUSED)
        except LaunchInDoubtError:
            if found := self._find(claimed):
                return self._launched(claimed, found.cluster_id, Outcome.ADOPTED, launch.documents)
            doubtful = dataclasses.replace(claimed, lease_until=self.runs.now() + DOUBT_SECONDS)
            self.runs.ledger.swap(claimed, doubtful)
            return Outcome.IN_DOUBT
        return self._launched(claimed, cluster_id, Outcome.LAUNCHED, launch.documents)

    def _find(self, record: RunRecord) -> ClusterSummary | None:
        listed = self.clusters.list(record.accepted_at - CLOCK_SKEW_SECONDS)
        return cluster_of(record, listed)

    def _launched(
        self, claimed: RunRecord, cluster_id: str, outcome: Outcome, documents: RunDocuments | None = None
    ) -> Outcome:
        launched = moved(claimed, RunState.LAUNCHED, self.runs.now(), cluster_id=cluster_id)
        # None when the tracker heard of the cluster before we could record it, which is as good.
        self._publish(self.runs.ledger.swap(claimed, launched) or claimed, documents)
        return outcome

    def _end(self, record: RunRecord, state: RunState, ending: Ending | None, outcome: Outcome) -> Outcome:
        """Without ``ending``, the run ends for the reason that its record has for the stop."""
        now = self.runs.now()
        after = ended(record, state, ending, now) if ending else moved(record, state, now)
        if (end := self.runs.ledger.swap(record, after)) is None:
            return Outcome.OVERTAKEN
        # The queue behind it moves in the same pass. The reconciler closes it, and frees what this did not.
        self.runs.guarded(end.run_id, partial(self.runs.release, end.run_id, spent_eur(end)))
        self._publish(end)
        return outcome

    def _publish(self, record: RunRecord, documents: RunDocuments | None = None) -> None:
        """What became of the run stands, whatever becomes of its status."""
        self.runs.guarded(record.run_id, lambda: self.runs.publish(record, documents))


def waiting(queue: Iterator[RunRecord], own: RunRecord | None) -> Iterator[RunRecord]:
    """The queue in its order, up to ``own``, which is last even where the list does not show it yet."""
    for record in queue:
        if own is not None and (record.accepted_at, record.run_id) >= (own.accepted_at, own.run_id):
            break
        yield record
    if own is not None:
        yield own


def is_left_alone(record: RunRecord, now: float) -> bool:
    """Whether the run had setbacks: too lately to try again, or so many that the reconciler gives it up."""
    return waits(record.setback, now) or is_hopeless(record.setback)


def obsolete(record: RunRecord, newest: Newest | None) -> Ending | None:
    """Why a run that has not launched is not wanted any more; None when it is."""
    if newest is None or newest.sequencer <= record.sequencer:
        return None
    return MANIFEST_DELETED if newest.deleted else SUPERSEDED
