"""What a run failed of, whose move it is, what people are told, and whether it is tried again."""

from __future__ import annotations

import pytest

from lambdas.contract.report import StepError
from lambdas.contract.run import RunState
from lambdas.runs.cluster_port import ClusterState, StepState
from lambdas.runs.tracking import Ignored

from .runs import DONE, completed_run, failed_run, fails_for_good
from .world import BUCKET, World


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


def test_a_step_that_failed_by_emrs_reason_alone_is_not_tried_again(world: World) -> None:
    # EMR's list of steps may lag behind: the failed one still shows as running.
    cluster_id = failed_run(
        world, "STEP_FAILURE", {"featurize": StepState.COMPLETED, "pca": StepState.RUNNING}
    )
    world.report("featurize")
    world.report("pca", error=StepError("data", "too few images.", "Add some."))
    world.tracker.track(cluster_id)
    status = world.status()
    assert (status["state"], status["reason"], status["kind"]) == ("FAILED", "STEP_FAILURE", "data")
    assert status["message"] == "Step pca: too few images."


FAILURES = {
    "BOOTSTRAP_FAILURE": (
        "ours",
        "A node could not install the job's packages: on i-1.",
        "Read the bootstrap action's stderr in the logs",
    ),
    "VALIDATION_ERROR": (
        "config",
        "EMR could not create the cluster as it was asked for: on i-1.",
        "Check cluster.instance_types, the account's quotas and the stack's roles and subnets.",
    ),
    "INSTANCE_FLEET_TIMEOUT": (
        "capacity",
        "AWS had not enough machines of the wanted types in time: on i-1.",
        "Name more cluster.instance_types",
    ),
    "INSTANCE_FAILURE": ("aws", "A machine of the cluster failed: on i-1.", "Upload the manifest again"),
    "INTERNAL_ERROR": ("aws", "EMR had an internal error: on i-1.", "Upload the manifest again"),
    "SOMETHING_NEW": ("aws", "The cluster ended before its steps did: on i-1.", "Upload the manifest again"),
}
"""What EMR says, and what people are told of it: whose move it is, what happened, what to do."""


@pytest.mark.parametrize("reason", FAILURES)
def test_people_are_told_what_happened_and_what_to_do_when_a_run_fails(world: World, reason: str) -> None:
    kind, happened, remedy = FAILURES[reason]
    world.clusters.reason_message = "on i-1."
    failed_run(world, reason)
    cluster_id = fails_for_good(world, reason)
    status, ((subject, body),) = world.status(), world.topic.messages
    assert (status["kind"], status["message"]) == (kind, happened)
    assert status["remedy"].startswith(remedy)
    assert subject == f"FAILED: {world.record().run_id}"
    assert f"What happened: {happened}\n" in body
    assert f"What to do: {status['remedy']}\n" in body
    assert f"Logs: s3://{BUCKET}/logs/{cluster_id}/\n" in body
    assert f"Manifest: s3://{BUCKET}/manifests/fruits.json" in body


@pytest.mark.parametrize("kind", ["user", "data", "aws", "ours"])
def test_a_failed_step_tells_people_in_its_own_words_whose_move_it_is(world: World, kind: str) -> None:
    cluster_id = failed_run(
        world, "STEP_FAILURE", {"featurize": StepState.FAILED, "pca": StepState.CANCELLED}
    )
    world.report("featurize", error=StepError(kind, "it broke.", "Mend it."))
    world.tracker.track(cluster_id)
    ((_, body),) = world.topic.messages
    assert world.status()["kind"] == kind
    assert "What happened: Step featurize: it broke.\nWhat to do: Mend it.\n" in body


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


def test_no_attempt_is_made_for_which_no_time_is_left(world: World) -> None:
    cluster_id = world.launched_cluster(limits={"max_runtime_minutes": 10})
    world.time += 10 * 60
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    world.tracker.track(cluster_id)
    assert (world.record().state, world.record().reason) == (RunState.FAILED, "INSTANCE_FLEET_TIMEOUT")
    assert world.record().kind == "capacity"


def test_as_long_as_there_is_time_another_attempt_is_made(world: World) -> None:
    cluster_id = world.launched_cluster(limits={"max_runtime_minutes": 10})
    world.time += 10 * 60 - 1
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    world.tracker.track(cluster_id)
    assert (world.record().state, world.record().attempt) == (RunState.QUEUED, 2)


def test_the_status_tells_every_state_every_attempt_and_its_cluster(world: World) -> None:
    first = world.launched_cluster()
    world.clusters.change(first, ClusterState.TERMINATED_WITH_ERRORS, "INTERNAL_ERROR")
    world.time += 60
    world.tracker.track(first)
    status = world.status()
    assert (status["state"], status["attempt"], status["attempts_allowed"]) == ("QUEUED", 2, 2)
    world.reconcile()
    status = world.status()
    *_, second = world.clusters.clusters
    assert [(entered["state"], entered["cluster_id"]) for entered in status["history"]] == [
        ("QUEUED", None),
        ("CLAIMED", None),
        ("LAUNCHED", first),
        ("QUEUED", None),
        ("CLAIMED", None),
        ("LAUNCHED", second),
    ]
    assert [entered["at"] for entered in status["history"][2:4]] == [
        "1970-01-12T13:46:40+00:00",
        "1970-01-12T13:47:40+00:00",
    ]


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
