"""What events and launches left wrong is put right, once, however many reconcilers there are."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdas.contract.run import RunState
from lambdas.reconciler.repairs import LOST_SECONDS
from lambdas.runs.admission import Pause, Slot, Wait
from lambdas.runs.cluster_port import ClusterState, StepState
from lambdas.runs.dispatch import Outcome
from lambdas.runs.run_service import CLOSING_SECONDS

from .world import World, manifest

DONE = {"featurize": StepState.COMPLETED, "pca": StepState.COMPLETED}
FAILED = {"featurize": StepState.FAILED, "pca": StepState.CANCELLED}


def test_when_all_agrees_nothing_is_done(world: World) -> None:
    world.launched()
    before = world.record()
    assert not world.reconcile().repairs
    assert world.record() == before


def test_a_missed_start_and_a_missed_end_are_made_good(world: World) -> None:
    cluster_id = world.launched_cluster(notify=True)
    world.clusters.change(cluster_id, ClusterState.RUNNING, steps={"featurize": StepState.RUNNING})
    world.reconcile()
    assert world.status()["state"] == "RUNNING"
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "STEP_FAILURE", FAILED)
    world.reconcile()
    world.reconcile()
    assert (world.status()["state"], world.record().closed) == ("FAILED", True)
    assert len(world.topic.messages) == 1


def test_a_run_past_its_time_is_stopped_and_says_so(world: World) -> None:
    cluster_id = world.launched_cluster(limits={"max_runtime_minutes": 30})
    world.time += 30 * 60 - 1
    assert not world.reconcile().repairs
    world.time += 2
    world.reconcile()
    assert world.clusters.terminated == [cluster_id]
    world.reconcile()
    record = world.record()
    assert (record.state, record.reason, record.kind) == (RunState.FAILED, "MAX_RUNTIME", "user")
    assert "30 minutes" in world.status()["message"]


def test_earlier_attempts_count_against_the_time_of_a_run(world: World) -> None:
    first = world.launched_cluster(limits={"max_runtime_minutes": 30})
    world.time += 20 * 60
    world.clusters.change(first, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    world.reconcile()
    world.time += 11 * 60
    world.reconcile()
    _, second = world.clusters.clusters
    assert world.clusters.terminated == [second]


def test_a_cluster_that_idles_is_stopped(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.clusters.change(cluster_id, ClusterState.WAITING, steps=FAILED)
    world.reconcile()
    assert world.clusters.terminated == [cluster_id]


def test_a_cluster_of_this_stack_without_a_run_is_stopped_and_counted(world: World) -> None:
    cluster_id = world.launched_cluster()
    orphan = dataclasses.replace(
        world.clusters.clusters[cluster_id],
        cluster_id="j-orphan",
        name="fruits-unknown",
        tags={"fruits:run_id": "unknown", "fruits:ledger": "runs"},
    )
    world.clusters.clusters["j-orphan"] = orphan
    assert world.reconcile().gauges.orphans == 1
    assert world.clusters.terminated == ["j-orphan"]
    assert world.reconcile().gauges.orphans == 0


def test_a_second_cluster_of_a_run_is_stopped(world: World) -> None:
    cluster_id = world.launched_cluster()
    second = dataclasses.replace(world.clusters.clusters[cluster_id], cluster_id="j-second")
    world.clusters.clusters["j-second"] = second
    world.reconcile()
    assert world.clusters.terminated == ["j-second"]
    assert world.record().cluster_id == cluster_id


@pytest.mark.parametrize("tags", [{}, {"fruits:run_id": "unknown", "fruits:ledger": "of another stack"}])
def test_clusters_of_others_are_left_alone(world: World, tags: dict[str, str]) -> None:
    cluster_id = world.launched_cluster()
    strangers = dataclasses.replace(
        world.clusters.clusters[cluster_id], cluster_id="j-other", name="fruits-unknown", tags=tags
    )
    world.clusters.clusters["j-other"] = strangers
    world.reconcile()
    assert world.clusters.terminated == []


def test_a_run_whose_cluster_emr_forgot_fails_after_a_while(world: World) -> None:
    world.launched()
    world.clusters.clusters.clear()
    world.reconcile()
    assert world.record().state is RunState.LAUNCHED
    world.time += LOST_SECONDS + 1
    world.reconcile()
    assert (world.record().state, world.record().reason) == (RunState.FAILED, "CLUSTER_LOST")


def test_an_end_whose_consequences_were_cut_off_is_closed_later(world: World) -> None:
    cluster_id = world.launched_cluster(notify=True)
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "STEP_FAILURE", FAILED)
    world.track_and_die(cluster_id)
    assert (world.record().state, world.record().closed) == (RunState.FAILED, True)
    assert not world.ledger.shared.slots  # free before anything was told
    world.time += CLOSING_SECONDS + 1
    world.reconcile()
    assert world.status()["state"] == "FAILED"
    assert (len(world.topic.messages), world.ledger.shared.slots) == (1, {})


def test_a_slot_that_no_run_needs_is_freed(world: World) -> None:
    shared = dataclasses.replace(world.ledger.shared, slots={"gone": Slot(1.0, "2026-01-02")})
    world.ledger.shared = shared
    world.reconcile()
    assert world.ledger.shared.slots == {}


def test_runs_above_the_cap_wait_and_start_by_themselves_in_order(world: World) -> None:
    world.configure(max_clusters="1")
    runs = []
    for number in range(3):
        result = world.launch(world.upload(manifest(), key=f"manifests/{number}.json"))
        runs.append(result.run_id)
        world.time += 1
    assert [world.ledger.records[run or ""].state for run in runs] == ["LAUNCHED", "QUEUED", "QUEUED"]
    status = json.loads(world.objects.text(f"runs/{runs[2]}/status.json"))
    assert (status["state"], status["queue_position"], status["waits_for"]) == ("QUEUED", 2, Wait.CLUSTERS)
    started = []
    for _ in range(3):
        *_, cluster_id = world.clusters.clusters
        started.append(world.clusters.clusters[cluster_id].tags["fruits:run_id"])
        world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "STEP_FAILURE", FAILED)
        world.reconcile()
    assert started == runs


def test_those_who_wait_are_told_when_they_move_up_or_wait_for_something_else(world: World) -> None:
    world.configure(max_clusters="1")
    for number in range(3):
        last = world.launch(world.upload(manifest(), key=f"manifests/{number}.json"))
        world.time += 1
    (first,) = world.clusters.clusters
    world.clusters.change(first, ClusterState.TERMINATED_WITH_ERRORS, "STEP_FAILURE", FAILED)
    world.reconcile()

    def last_status() -> dict[str, object]:
        status: dict[str, object] = json.loads(world.objects.text(f"runs/{last.run_id}/status.json"))
        return status

    assert last_status()["queue_position"] == 1
    world.ledger.pause(Pause())
    world.reconcile()
    assert last_status()["waits_for"] == Wait.PAUSED
    written: list[str] = []
    world.objects.before_write = written.append
    world.reconcile()
    assert written == []


def test_a_run_that_has_launched_has_no_place_in_the_queue(world: World) -> None:
    world.configure(max_clusters="0")
    world.launched()
    assert world.status()["queue_position"] == 1
    world.configure(max_clusters="1")
    world.reconcile()
    status = world.status()
    assert (status["state"], status["queue_position"], status["waits_for"]) == ("LAUNCHED", None, None)


def test_a_late_upload_does_not_overtake_those_that_wait(world: World) -> None:
    world.configure(max_clusters="0")
    first = world.launch(world.upload(manifest(), key="manifests/first.json"))
    world.configure(max_clusters="1")
    world.time += 1
    second = world.launch(world.upload(manifest(), key="manifests/second.json"))
    assert second.outcome is Outcome.QUEUED
    assert world.ledger.records[first.run_id or ""].state is RunState.LAUNCHED


def test_a_queue_is_launched_at_the_pace_that_emr_allows(world: World) -> None:
    for number in range(8):
        world.launch(world.upload(manifest(), key=f"manifests/{number}.json"))
    assert len(world.clusters.requests) == 5
    started = world.time
    world.reconcile()
    assert len(world.clusters.requests) == 8
    assert world.time - started == pytest.approx(6)  # one every two seconds, and none of them in vain


def test_while_launching_is_paused_runs_wait_and_repairs_go_on(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.ledger.pause(Pause())
    world.launch(world.upload(manifest(), key="manifests/other.json"))
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "STEP_FAILURE", FAILED)
    assert world.reconcile().wait is Wait.PAUSED
    assert sorted(record.state for record in world.ledger.records.values()) == ["FAILED", "QUEUED"]


def test_many_reconcilers_at_once_start_every_run_once(world: World) -> None:
    world.configure(max_clusters="0")
    for number in range(6):
        world.launch(world.upload(manifest(), key=f"manifests/{number}.json"))
    world.configure(max_clusters="4", launches_per_second="1000")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: world.reconcile(), range(8)))
    names = [request["Name"] for request in world.clusters.requests]
    assert len(names) == len(set(names)) == 4


def test_gauges_show_the_queue_and_its_age(world: World) -> None:
    world.configure(max_clusters="1")
    for number in range(3):
        world.launch(world.upload(manifest(), key=f"manifests/{number}.json"))
    world.time += 90
    gauges = world.reconcile().gauges
    assert (gauges.queued, gauges.on_cluster, gauges.oldest_seconds) == (2, 1, 90.0)


def test_a_queued_run_whose_status_was_lost_gets_it_again(world: World) -> None:
    world.configure(max_clusters="0")
    world.launched()
    world.objects.delete(world.keys().status)
    world.reconcile()
    assert (world.status()["queue_position"], world.status()["waits_for"]) == (1, Wait.CLUSTERS)


def test_only_the_first_twenty_of_the_queue_are_told_their_place(world: World) -> None:
    world.configure(max_clusters="0")
    runs = [world.launch(world.upload(manifest(), key=f"manifests/{n:02d}.json")).run_id for n in range(21)]
    places = [json.loads(world.objects.text(f"runs/{run}/status.json"))["queue_position"] for run in runs]
    assert places == [*range(1, 21), None]


def test_nothing_is_launched_that_this_process_could_not_finish(world: World) -> None:
    world.configure(max_clusters="0")
    world.launched()
    world.configure()
    assert world.reconciler.reconcile(world.time + 49).wait is Wait.PACE
    assert not world.clusters.requests
    assert world.reconciler.reconcile(world.time + 50).wait is None
    assert len(world.clusters.requests) == 1
