"""Record and status follow what EMR and the steps say, in whatever order and number events come."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.estimate import InstanceUse
from lambdas.contract.report import StepError
from lambdas.contract.run import TRANSITIONS, RunState, is_terminal, moved
from lambdas.ports import ClusterState, LaunchRefusedError, StepState
from lambdas.tracker.track import Ignored, Tracked

from .world import BUCKET, World

DONE = {"featurize": StepState.COMPLETED, "pca": StepState.COMPLETED}


def completed_run(world: World, **manifest: Any) -> str:
    """A run whose cluster has done everything, and of which no event was heard."""
    cluster_id = world.launched_cluster(**manifest)
    world.report(
        "featurize",
        seconds={"infer": 2.0, "total": 3.0},
        outputs=("Results/fruits/x/",),
        images_in=3,
        images_featurized=2,
        images_quarantined=1,
        quarantine_reasons={"corrupt": 1},
        feature_dim=1280,
    )
    world.report("pca", outputs=("Results_PCA/fruits/x/",), pca_components=2, explained_variance=0.75)
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    return cluster_id


def failed_run(world: World, reason: str, steps: dict[str, StepState] | None = None) -> str:
    cluster_id = world.launched_cluster(notify=True)
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, reason, steps)
    return cluster_id


def fails_for_good(world: World, reason: str) -> str:
    """Every attempt at the run fails of the same; the id of the last one's cluster."""
    while world.record().state is not RunState.FAILED:
        *_, cluster_id = world.clusters.clusters
        world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, reason)
        world.tracker.track(cluster_id)
        world.reconcile()
    return cluster_id


def test_a_completed_run_shows_what_was_measured_and_nothing_else(world: World) -> None:
    cluster_id = completed_run(world)
    tracked = world.tracker.track(cluster_id)
    assert isinstance(tracked, Tracked)
    assert tracked.entered is RunState.COMPLETED
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
    world.tracker.track(cluster_id)
    assert world.status()["state"] == "RUNNING"


def test_a_failed_step_says_in_its_own_words_what_to_do(world: World) -> None:
    cluster_id = failed_run(
        world, "STEP_FAILURE", {"featurize": StepState.FAILED, "pca": StepState.CANCELLED}
    )
    world.report("featurize", error=StepError("user", "no image could be read.", "Look at the quarantine."))
    world.tracker.track(cluster_id)
    status = world.status()
    assert (status["state"], status["reason"], status["kind"]) == ("FAILED", "STEP_FAILURE", "user")
    assert status["message"] == "Step featurize: no image could be read."
    assert status["remedy"] == "Look at the quarantine."
    assert status["outputs"] == []


def test_a_failed_step_counts_though_the_cluster_ended_well(world: World) -> None:
    cluster_id = completed_run(world)
    world.clusters.change(
        cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", {"pca": StepState.FAILED}
    )
    world.tracker.track(cluster_id)
    assert world.status()["state"] == "FAILED"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("BOOTSTRAP_FAILURE", "ours"),
        ("VALIDATION_ERROR", "config"),
        ("INSTANCE_FLEET_TIMEOUT", "capacity"),
        ("INSTANCE_FAILURE", "aws"),
        ("INTERNAL_ERROR", "aws"),
        ("SOMETHING_NEW", "aws"),
        ("", "aws"),
    ],
)
def test_a_cluster_that_ends_before_any_report_gives_a_truthful_failure(
    world: World, reason: str, kind: str
) -> None:
    failed_run(world, reason)
    cluster_id = fails_for_good(world, reason)
    status = world.status()
    assert (status["state"], status["kind"]) == ("FAILED", kind)
    assert status["reason"] == (reason or "UNKNOWN")
    assert status["message"]
    assert status["remedy"]
    assert status["logs"] == f"s3://{BUCKET}/logs/{cluster_id}/"
    assert status["images_in"] is None


def test_steps_that_completed_without_reports_are_no_success(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.tracker.track(cluster_id)
    assert (world.status()["state"], world.status()["reason"]) == ("FAILED", "REPORT_MISSING")


def test_a_cluster_terminated_by_request_is_a_cancelled_run(world: World) -> None:
    cluster_id = failed_run(world, "USER_REQUEST", {"featurize": StepState.CANCELLED})
    world.tracker.track(cluster_id)
    assert world.status()["state"] == "CANCELLED"


def test_a_cluster_terminated_by_request_after_its_work_is_a_completed_run(world: World) -> None:
    cluster_id = completed_run(world)
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "USER_REQUEST")
    world.tracker.track(cluster_id)
    assert world.status()["state"] == "COMPLETED"


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


def test_people_are_told_what_happened_and_what_to_do_when_a_run_fails(world: World) -> None:
    failed_run(world, "INSTANCE_FLEET_TIMEOUT")
    fails_for_good(world, "INSTANCE_FLEET_TIMEOUT")
    ((subject, body),) = world.topic.messages
    assert subject.startswith("FAILED: ")
    assert "What happened: AWS had not enough machines" in body
    assert "What to do: Name more cluster.instance_types" in body
    assert "Logs: s3://" in body


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


def test_too_little_capacity_is_tried_again_on_demand_and_on_other_types(world: World) -> None:
    first = world.launched_cluster(cluster={"market": "spot", "instance_types": ["m5.xlarge"]})
    world.clusters.change(first, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    world.tracker.track(first)
    assert world.status()["state"] == "QUEUED"
    world.reconcile()
    record, (_, second) = world.record(), world.clusters.requests
    assert (record.state, record.attempt) == (RunState.LAUNCHED, 2)
    assert second["Name"] == f"fruits-{record.run_id}-2"
    _, core, task = second["Instances"]["InstanceFleets"]
    assert (core["TargetOnDemandCapacity"], task["TargetOnDemandCapacity"]) == (1, 1)
    assert len(task["InstanceTypeConfigs"]) > 1


def test_a_bad_step_is_never_tried_again(world: World) -> None:
    cluster_id = failed_run(world, "STEP_FAILURE", {"featurize": StepState.FAILED})
    world.tracker.track(cluster_id)
    world.reconcile()
    assert (world.record().state, world.record().attempt) == (RunState.FAILED, 1)
    assert len(world.clusters.requests) == 1


def test_a_late_event_of_an_earlier_attempt_changes_nothing(world: World) -> None:
    first = world.launched_cluster()
    world.clusters.change(first, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    world.tracker.track(first)
    world.reconcile()
    record = world.record()
    assert isinstance(world.tracker.track(first), Ignored)
    assert world.record() == record


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
