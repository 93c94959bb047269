"""Record and status follow what EMR and the steps say, in whatever order and number events come."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.cost.estimate import InstanceUse
from lambdas.contract.report import STEPS
from lambdas.contract.run import TRANSITIONS, Ending, RunState, ended, is_terminal, moved
from lambdas.contract.status import timestamp
from lambdas.runs.cluster_port import ClusterState, LaunchRefusedError, StepState
from lambdas.runs.run_service import CLOSING_SECONDS
from lambdas.runs.tracking import Ignored

from .runs import DONE, complete, completed_run
from .world import BUCKET, World


def test_a_completed_run_shows_what_was_measured_and_nothing_else(world: World) -> None:
    cluster_id = completed_run(world)
    world.tracker.track(cluster_id)
    status = world.status()
    assert status["state"] == "COMPLETED"
    assert (status["images_in"], status["images_featurized"], status["images_quarantined"]) == (3, 2, 1)
    assert status["quarantine_reasons"] == {"corrupt": 1}
    assert (status["feature_dim"], status["pca_components"], status["explained_variance"]) == (1280, 2, 0.75)
    assert (status["weights"], status["engine"], status["kind"]) == ("imagenet", "fast", None)
    assert status["seconds"] == {"featurize.infer": 2.0, "featurize.total": 3.0, "pca.total": 1.5}
    assert status["outputs"] == [f"s3://{BUCKET}/Results/fruits/x/", f"s3://{BUCKET}/Results_PCA/fruits/x/"]


def test_a_run_is_seen_starting_then_running(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.tracker.track(cluster_id)
    assert world.status()["state"] == "LAUNCHED"
    world.clusters.change(cluster_id, ClusterState.RUNNING, steps={"featurize": StepState.RUNNING})
    world.time += 90
    world.tracker.track(cluster_id)
    assert (world.status()["state"], world.status()["updated_at"]) == ("RUNNING", timestamp(world.time))


def test_a_cluster_that_the_launcher_could_not_record_is_recorded_by_its_first_event(world: World) -> None:
    cluster_id = world.launched_cluster()
    record = world.record()
    world.ledger.records[record.run_id] = dataclasses.replace(record, state=RunState.CLAIMED, cluster_id=None)
    world.tracker.track(cluster_id)
    assert (world.record().state, world.record().cluster_id) == (RunState.LAUNCHED, cluster_id)


@pytest.mark.parametrize(
    "difference",
    [
        {"tags": {}},
        {"name": "another"},
        {"name": "fruits-unknown", "tags": {"fruits:run_id": "unknown"}},
        {"cluster_id": "j-second"},
    ],
    ids=["no tag", "other name", "unknown run", "second cluster of a run"],
)
def test_clusters_of_others_are_left_alone(world: World, difference: dict[str, Any]) -> None:
    cluster_id = world.launched_cluster()
    before = dict(world.objects.versions)
    stranger = dataclasses.replace(world.clusters.clusters[cluster_id], **difference)
    world.clusters.clusters[stranger.cluster_id] = stranger
    assert isinstance(world.tracker.track(stranger.cluster_id), Ignored)
    assert world.objects.versions == before


def test_people_are_told_once_when_they_asked_for_it(world: World) -> None:
    cluster_id = completed_run(world, notify=True)
    for _ in range(3):
        world.tracker.track(cluster_id)
    ((subject, body),) = world.topic.messages
    assert subject == f"COMPLETED: {world.record().run_id}"
    assert "3 in, 2 with features, 1 in quarantine" in body
    assert "2 components hold 75.0% of the variance" in body
    assert f"Results: s3://{BUCKET}/Results/fruits/x/" in body


def test_people_are_not_told_when_they_did_not_ask(world: World) -> None:
    world.tracker.track(completed_run(world))
    assert world.topic.messages == []


def test_a_late_writer_of_an_old_state_corrects_itself(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.clusters.change(cluster_id, ClusterState.RUNNING, steps={"featurize": StepState.RUNNING})

    def another_tracker_finishes_first(key: str) -> None:
        world.objects.before_write = lambda key: None
        running = world.record()
        world.ledger.swap(running, moved(running, RunState.COMPLETED, world.time))

    world.objects.before_write = another_tracker_finishes_first
    world.tracker.track(cluster_id)
    assert world.status()["state"] == "COMPLETED"


def test_figures_that_were_reported_after_a_late_writer_looked_are_in_the_status(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.clusters.change(cluster_id, ClusterState.RUNNING, steps={"featurize": StepState.RUNNING})

    def the_run_ends_meanwhile(key: str) -> None:
        world.objects.before_write = lambda key: None
        complete(world, cluster_id)
        world.tracker.track(cluster_id)

    world.objects.before_write = the_run_ends_meanwhile
    world.tracker.track(cluster_id)
    assert (world.status()["state"], world.status()["images_in"]) == ("COMPLETED", 3)


@pytest.mark.parametrize(
    ("reason", "state"), [("ALL_STEPS_COMPLETED", "COMPLETED"), ("INSTANCE_FLEET_TIMEOUT", "QUEUED")]
)
def test_the_event_of_an_end_reads_plan_and_reports_once_and_nothing_else(
    world: World, reason: str, state: str
) -> None:
    cluster_id = world.launched_cluster(notify=True)
    if state == "COMPLETED":
        complete(world, cluster_id)
    else:
        world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, reason)
    world.objects.reads.clear()
    world.tracker.track(cluster_id)
    assert world.status()["state"] == state
    keys = world.keys()
    assert world.objects.reads == dict.fromkeys([keys.plan, *map(keys.step_report, STEPS)], 1)


def test_closing_a_run_whose_closing_was_cut_off_reads_each_object_once_too(world: World) -> None:
    world.track_and_die(completed_run(world, notify=True))
    world.time += CLOSING_SECONDS + 1
    world.objects.reads.clear()
    world.reconcile()
    assert world.record().closed
    assert set(world.objects.reads.values()) == {1}


VIEWS = [
    (ClusterState.STARTING, "", {}),
    (ClusterState.RUNNING, "", {"featurize": StepState.RUNNING}),
    (ClusterState.TERMINATING, "", {"featurize": StepState.COMPLETED, "pca": StepState.RUNNING}),
    (ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE),
    (ClusterState.TERMINATED_WITH_ERRORS, "STEP_FAILURE", {"pca": StepState.FAILED}),
    (ClusterState.TERMINATED_WITH_ERRORS, "USER_REQUEST", {"pca": StepState.CANCELLED}),
]


@given(st.lists(st.sampled_from(VIEWS), max_size=8))
def test_a_run_only_moves_along_legal_transitions_and_its_end_is_final(views: list[Any]) -> None:
    world = World()
    cluster_id = completed_run(world, notify=True)
    states = [world.record().state]
    for state, reason, steps in views:
        world.clusters.change(cluster_id, state, reason, steps)
        world.tracker.track(cluster_id)
        states.append(world.record().state)
        assert world.status()["state"] == states[-1]
    for before, after in itertools.pairwise(states):
        assert after is before or after in TRANSITIONS[before]
    assert len(world.topic.messages) == sum(is_terminal(state) for state in states[-1:])


def test_a_run_that_emr_refused_has_no_cluster_and_still_a_status(world: World) -> None:
    world.clusters.error = LaunchRefusedError("ValidationException", "no")
    world.launched()
    assert world.status()["cluster_id"] is None
    assert world.status()["logs"] is None


def test_machines_are_asked_for_when_a_run_begins_and_when_it_has_ended(world: World) -> None:
    cluster_id, asked = world.launched_cluster(), []

    def instances(of: str, now: float) -> tuple[InstanceUse, ...]:
        asked.append(of)
        return (InstanceUse("m5.xlarge", spot=False, hours=0.25, began_at=world.time),)

    world.clusters.instances = instances  # type: ignore[method-assign]
    world.tracker.track(cluster_id)
    assert asked == []
    world.clusters.change(cluster_id, ClusterState.RUNNING, steps={"featurize": StepState.RUNNING})
    for _ in range(3):
        world.tracker.track(cluster_id)
    assert asked == [cluster_id]
    phases = world.status()["cluster_phases"]
    assert phases["asked"] == phases["provisioned"] == timestamp(world.time)
    assert phases["step_started"] is None
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "USER_REQUEST")
    world.tracker.track(cluster_id)
    assert asked == [cluster_id] * 2


def test_an_ended_run_frees_its_slot_and_what_it_did_not_spend(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.time += 60
    world.clusters.used = (InstanceUse("m5.xlarge", spot=False, hours=0.25),) * 3
    committed = world.ledger.shared.committed_eur
    world.clusters.change(
        cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "STEP_FAILURE", {"pca": StepState.FAILED}
    )
    world.tracker.track(cluster_id)
    assert not world.ledger.shared.slots
    spent = world.record().actual_eur
    assert spent is not None
    assert 0 < spent < committed
    assert world.ledger.shared.committed_eur == pytest.approx(spent)
    assert world.record().closed


def test_events_of_one_end_that_arrive_at_once_tell_and_measure_it_once(world: World) -> None:
    cluster_id, heard = completed_run(world, notify=True), []

    def another_event(key: str) -> None:
        world.objects.before_write = lambda key: None
        heard.append(world.tracker.track(cluster_id))

    world.objects.before_write = another_event
    world.tracker.track(cluster_id)
    assert heard == [Ignored(f"nothing new of run {world.record().run_id}, which is COMPLETED")]
    assert len(world.topic.messages) == 1
    assert [sample.metric.name for sample in world.meter.samples].count("Runs") == 1


def test_an_event_closes_a_run_whose_closing_was_cut_off_long_ago(world: World) -> None:
    cluster_id = completed_run(world, notify=True)
    world.track_and_die(cluster_id)
    world.time += CLOSING_SECONDS + 1
    world.tracker.track(cluster_id)
    assert (world.record().closed, len(world.topic.messages)) == (True, 1)


def test_a_start_costs_one_read_of_each_document(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.clusters.change(cluster_id, ClusterState.RUNNING, steps={"featurize": StepState.RUNNING})
    world.objects.reads.clear()
    world.tracker.track(cluster_id)
    assert set(world.objects.reads.values()) == {1}


def test_of_a_cluster_that_names_no_run_the_ledger_is_not_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster_id = world.launched_cluster()
    of_others = dataclasses.replace(world.clusters.clusters[cluster_id], tags={})
    world.clusters.clusters[cluster_id] = of_others
    monkeypatch.setattr(world.ledger, "get", lambda run_id: pytest.fail(f"asked for {run_id}"))
    told = f"cluster {cluster_id} ({of_others.name}) is of no run in the ledger"
    assert world.tracker.track(cluster_id) == Ignored(told)


def test_an_end_that_nobody_closed_is_closed_by_the_next_event_after_a_minute(world: World) -> None:
    cluster_id = completed_run(world, notify=True)
    record = ended(
        world.record(), RunState.COMPLETED, Ending("COMPLETED", "All steps completed."), world.time
    )
    world.ledger.swap(world.record(), record)
    assert isinstance(world.tracker.track(cluster_id), Ignored)  # whoever ended it may be at it
    world.time += CLOSING_SECONDS + 1
    assert not isinstance(world.tracker.track(cluster_id), Ignored)
    assert (world.record().active, world.ledger.shared.slots, len(world.topic.messages)) == (False, {}, 1)
