"""What does not agree between ledger and EMR: a table of what is found, and what is done about it."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.run import Change, Ending, RunRecord, RunState, Setback, Telling, stopping
from lambdas.reconciler.pass_metrics import of_pass
from lambdas.reconciler.reconcile import Gauges, Reconciliation
from lambdas.reconciler.repairs import (
    Close,
    GiveUp,
    GiveUpTelling,
    Repair,
    Requeue,
    Stop,
    StopOrphan,
    Tell,
    Track,
    repairs,
)
from lambdas.runs.cluster_port import ClusterState, ClusterSummary
from lambdas.runs.endings import MANIFEST_DELETED
from lambdas.runs.run_service import spent_eur
from lambdas.runs.setbacks import LASTING_LIMIT, given_up

from .test_outcome import RECORD

CREATED = 1000.0
LIMIT = CREATED + 120 * 60
LAUNCHED = dataclasses.replace(RECORD, history=(Change(RunState.LAUNCHED, CREATED, "j-1"),))
RUNNING = dataclasses.replace(LAUNCHED, state=RunState.RUNNING)
CLAIMED = dataclasses.replace(RECORD, state=RunState.CLAIMED, cluster_id=None, lease_until=1500.0)
CLUSTER = ClusterSummary("j-1", "fruits-d-1", ClusterState.RUNNING, CREATED, None)
OVERDUE = Ending(
    "MAX_RUNTIME",
    "The run was stopped after the 120 minutes that the manifest allows.",
    "Raise limits.max_runtime_minutes or cluster.workers and upload the manifest again.",
    "user",
)
IDLE = Ending(
    "IDLE_CLUSTER",
    "The cluster had nothing left to do and did not end; it was stopped.",
    "Read the steps' stderr in the logs; somebody may have protected the cluster against termination.",
    "ours",
)
LOST = Ending(
    "CLUSTER_LOST",
    "EMR does not know the run's cluster any more.",
    "Upload the manifest again for a new run; finished parts are not lost.",
    "aws",
)


def in_state(state: ClusterState, **changes: object) -> ClusterSummary:
    ended = CREATED + 600 if state.startswith("TERMINATED") else None
    return dataclasses.replace(CLUSTER, state=state, ended_at=ended, **changes)


def of_run(record: RunRecord, *clusters: ClusterSummary, now: float = CREATED + 700) -> list[Repair]:
    return repairs([record], iter(clusters), {}, now)


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (LAUNCHED, ClusterState.STARTING),
        (LAUNCHED, ClusterState.BOOTSTRAPPING),
        (LAUNCHED, ClusterState.TERMINATING),
        (RUNNING, ClusterState.RUNNING),
        (RUNNING, ClusterState.TERMINATING),
    ],
)
def test_where_both_agree_there_is_nothing_to_do(record: RunRecord, state: ClusterState) -> None:
    assert of_run(record, in_state(state)) == []


def test_what_emr_knows_more_of_is_tracked() -> None:
    track = [Track("d-1", "j-1")]
    assert of_run(LAUNCHED, in_state(ClusterState.RUNNING)) == track
    for record in (LAUNCHED, RUNNING):
        assert of_run(record, in_state(ClusterState.TERMINATED)) == track
        assert of_run(record, in_state(ClusterState.TERMINATED_WITH_ERRORS), now=LIMIT + 99) == track
    for record in (CLAIMED, dataclasses.replace(CLAIMED, state=RunState.QUEUED)):
        assert of_run(record, in_state(ClusterState.STARTING)) == track


def test_a_claim_whose_lease_has_ended_goes_back_to_the_queue_and_a_queued_run_waits() -> None:
    assert of_run(CLAIMED, now=1500.0) == []
    assert of_run(CLAIMED, now=1500.5) == [Requeue("d-1", 1500.0)]
    # By a clock that was wrong: a lease is 50 s, and clocks differ by 300 s.
    for lease_until, found in ((1850.0, []), (1850.5, [Requeue("d-1", 1850.5)])):
        assert of_run(dataclasses.replace(CLAIMED, lease_until=lease_until), now=1500.0) == found
    unleased = dataclasses.replace(CLAIMED, lease_until=None)
    assert of_run(unleased, now=0.5) == [Requeue("d-1", None)]
    queued = dataclasses.replace(CLAIMED, state=RunState.QUEUED, lease_until=None)
    assert of_run(queued, now=9e9) == []


def test_a_cluster_that_emr_does_not_list_is_given_up_after_ten_minutes() -> None:
    assert of_run(LAUNCHED, now=CREATED + 600) == []
    assert of_run(LAUNCHED, now=CREATED + 601) == [GiveUp("d-1", LOST)]


@pytest.mark.parametrize("record", [LAUNCHED, RUNNING])
def test_a_run_past_its_time_is_stopped(record: RunRecord) -> None:
    starting = in_state(ClusterState.STARTING)
    assert of_run(record, starting, now=LIMIT) == []
    assert of_run(record, starting, now=LIMIT + 1) == [Stop("d-1", "j-1", OVERDUE, overdue=True)]
    second = dataclasses.replace(record, earlier_seconds=600.0)
    assert of_run(second, starting, now=LIMIT - 599) == [Stop("d-1", "j-1", OVERDUE, overdue=True)]


def test_a_cluster_that_waits_for_steps_is_stopped() -> None:
    waiting = in_state(ClusterState.WAITING)
    assert of_run(RUNNING, waiting) == [Stop("d-1", "j-1", IDLE, overdue=False)]
    assert of_run(RUNNING, waiting, now=LIMIT + 1) == [Stop("d-1", "j-1", IDLE, overdue=True)]


def test_a_stop_that_had_no_effect_is_asked_for_again_and_keeps_its_reason() -> None:
    stopping = dataclasses.replace(RUNNING, stopping=RunState.CANCELLED)
    for state in (ClusterState.RUNNING, ClusterState.WAITING):
        assert of_run(stopping, in_state(state)) == [Stop("d-1", "j-1", None, overdue=False)]
        assert of_run(stopping, in_state(state), now=LIMIT + 1) == [Stop("d-1", "j-1", None, overdue=True)]
    assert of_run(stopping, in_state(ClusterState.TERMINATING), now=LIMIT + 1) == []


def test_an_end_that_was_cut_off_is_closed_after_a_minute() -> None:
    end = dataclasses.replace(RUNNING, state=RunState.FAILED, history=(Change(RunState.FAILED, CREATED),))
    assert of_run(end, now=CREATED + 60) == []
    assert of_run(end, now=CREATED + 61) == [Close("d-1")]
    assert of_run(dataclasses.replace(end, closed=True), now=CREATED + 61) == []


def test_the_end_of_a_closed_run_is_told_when_nobody_is_at_it() -> None:
    untold = dataclasses.replace(RUNNING, state=RunState.FAILED, closed=True, untold=(Telling.MESSAGE,))
    assert of_run(untold) == [Tell("d-1")]
    told_by_another = dataclasses.replace(untold, lease_until=CREATED + 730)
    assert of_run(told_by_another) == []
    assert of_run(told_by_another, now=CREATED + 731) == [Tell("d-1")]
    far = dataclasses.replace(untold, lease_until=9e9)  # by a clock that was wrong
    assert of_run(far) == [Tell("d-1")]


def orphans(record: RunRecord | None, *clusters: ClusterSummary) -> list[Repair]:
    """What is done where every cluster says that it is of run d-1; ``record`` is what the ledger has."""
    records = [] if record is None else [dataclasses.replace(record, closed=True)]
    return repairs(records, clusters, {cluster.cluster_id: "d-1" for cluster in clusters}, CREATED + 700)


ENDED = dataclasses.replace(RUNNING, state=RunState.COMPLETED)
ORPHAN = [StopOrphan("d-1", "j-1")]


def test_a_cluster_that_computes_no_run_is_stopped() -> None:
    assert orphans(None, CLUSTER) == ORPHAN
    assert orphans(ENDED, CLUSTER) == ORPHAN
    assert orphans(RUNNING, CLUSTER) == []
    second_attempt = dataclasses.replace(CLAIMED, attempt=2, lease_until=CREATED + 720)
    assert orphans(second_attempt, CLUSTER) == ORPHAN


def test_a_cluster_beside_the_one_that_is_recorded_is_stopped() -> None:
    second = dataclasses.replace(CLUSTER, cluster_id="j-2", created_at=CREATED + 1)
    assert orphans(RUNNING, CLUSTER, second) == [StopOrphan("d-1", "j-2")]
    # Nobody recorded either: tracking decides first.
    assert orphans(CLAIMED, CLUSTER) == [Track("d-1", "j-1")]


@pytest.mark.parametrize(
    "state", [ClusterState.TERMINATING, ClusterState.TERMINATED, ClusterState.TERMINATED_WITH_ERRORS]
)
def test_an_orphan_that_ends_by_itself_is_left_alone(state: ClusterState) -> None:
    assert orphans(None, in_state(state)) == []


def test_clusters_of_others_are_no_orphans() -> None:
    assert repairs([], [CLUSTER], {}, CREATED) == []
    other = dataclasses.replace(CLUSTER, cluster_id="j-other")
    assert repairs([], [other, CLUSTER], {"j-1": "d-1"}, CREATED) == ORPHAN


HOPELESS = Setback(LASTING_LIMIT, "why", CREATED + 720, lasting=True)
GIVEN_UP = given_up(HOPELESS)


def of_hopeless(record: RunRecord, *clusters: ClusterSummary) -> list[Repair]:
    return of_run(dataclasses.replace(record, setback=HOPELESS), *clusters)


def test_of_a_run_that_is_given_up_first_the_cluster_ends_and_then_the_run() -> None:
    ended = in_state(ClusterState.TERMINATED)
    assert of_hopeless(RUNNING, CLUSTER) == [Stop("d-1", "j-1", GIVEN_UP)]
    assert of_hopeless(RUNNING, in_state(ClusterState.TERMINATING)) == []
    assert of_hopeless(RUNNING, ended) == of_hopeless(RUNNING) == [GiveUp("d-1", GIVEN_UP)]
    unclaimed = dataclasses.replace(CLAIMED, lease_until=CREATED)
    assert of_hopeless(unclaimed, CLUSTER) == [StopOrphan("d-1", "j-1")]
    assert of_hopeless(unclaimed, ended) == of_hopeless(unclaimed) == [GiveUp("d-1", GIVEN_UP)]
    claimed = dataclasses.replace(CLAIMED, lease_until=CREATED + 720)
    assert of_hopeless(claimed) == []  # somebody may be launching it


def test_of_a_run_that_has_ended_only_the_telling_is_given_up() -> None:
    end = dataclasses.replace(RUNNING, state=RunState.FAILED, history=(Change(RunState.FAILED, 0.0),))
    untold = dataclasses.replace(end, closed=True, untold=(Telling.MESSAGE,))
    assert of_hopeless(untold) == [GiveUpTelling("d-1")]
    assert of_hopeless(dataclasses.replace(untold, untold=())) == []
    assert of_hopeless(dataclasses.replace(untold, closed=False)) == []  # closing waits for the pause


def test_every_run_and_every_orphan_is_dealt_with_in_one_pass() -> None:
    another = dataclasses.replace(RUNNING, run_id="d-2", cluster_id="j-2")
    strangers = dataclasses.replace(CLUSTER, cluster_id="j-3", name="fruits-d-3")
    well = dataclasses.replace(RUNNING, run_id="d-0", cluster_id="j-0")
    its = dataclasses.replace(CLUSTER, cluster_id="j-0", name="fruits-d-0")
    clusters = [its, CLUSTER, strangers]
    found = repairs([well, LAUNCHED, another], clusters, {"j-3": "d-3"}, CREATED + 700)
    assert found == [Track("d-1", "j-1"), GiveUp("d-2", LOST), StopOrphan("d-3", "j-3")]


def test_a_pass_is_measured_by_what_it_left() -> None:
    gauges = Gauges(
        queued=2,
        on_cluster=3,
        oldest_seconds=4.5,
        orphans=5,
        overdue=6,
        certificate_days=7.5,
        paused=True,
        skipped=8,
    )
    samples = of_pass(Reconciliation(repairs=(), dispatched={}, wait=None, gauges=gauges, skipped={}))
    assert {sample.metric.name: sample.value for sample in samples} == {
        "ReconcilerHeartbeat": 1,
        "QueuedRuns": 2,
        "RunningRuns": 3,
        "OldestRunSeconds": 4.5,
        "SkippedRuns": 8,
        "OrphanClusters": 5,
        "OverdueClusters": 6,
        "LaunchesInDoubt": 0,
        "NodeCertificateDaysLeft": 7.5,
        "LaunchingPaused": 1,
    }
    assert {tuple(sample.dimensions.items()) for sample in samples} == {(("service", "reconciler"),)}


def test_of_two_clusters_of_a_launch_in_doubt_the_living_one_is_tracked() -> None:
    dead = in_state(ClusterState.TERMINATED)
    living = dataclasses.replace(CLUSTER, cluster_id="j-2", created_at=CREATED + 1)
    assert of_run(CLAIMED, dead, living) == [Track("d-1", "j-2")]


def test_what_a_run_spent_is_nothing_before_its_launch_and_all_that_was_set_aside_where_it_is_not_known() -> (
    None
):
    unlaunched = dataclasses.replace(RECORD, cluster_id=None)
    assert spent_eur(unlaunched) == 0.0
    assert spent_eur(RECORD) == 1.0  # a launch that nobody recorded had made its cluster
    assert spent_eur(LAUNCHED) == 1.0
    assert spent_eur(dataclasses.replace(LAUNCHED, actual_eur=0.25)) == 0.25
    assert spent_eur(dataclasses.replace(unlaunched, history=(Change(RunState.QUEUED, 0.0),))) == 0.0


@pytest.mark.parametrize(
    ("clusters", "found"),
    [
        ((CLUSTER,), [Stop("d-1", "j-1", MANIFEST_DELETED, leads_to=RunState.CANCELLED)]),
        ((), []),
        ((in_state(ClusterState.TERMINATED),), [Track("d-1", "j-1")]),
    ],
)
def test_a_run_whose_manifest_is_gone_is_stopped_while_its_cluster_lives(
    clusters: tuple[ClusterSummary, ...], found: list[Repair]
) -> None:
    assert repairs([RUNNING], clusters, {}, CREATED + 500, deleted={"d-1"}) == found
    assert repairs([RUNNING], [CLUSTER], {}, CREATED + 500, deleted={"d-2"}) == []


def test_a_cluster_that_outlives_the_stop_of_its_deleted_run_is_overdue() -> None:
    stopped = stopping(RUNNING, RunState.CANCELLED, MANIFEST_DELETED)
    (found,) = repairs([stopped], [CLUSTER], {}, LIMIT + 1, deleted={"d-1"})
    assert isinstance(found, Stop)
    assert found.overdue
