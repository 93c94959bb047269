"""Who stops a run is obeyed, and nobody works beyond the end of the invocation."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lambdas.contract.run import RunState
from lambdas.reconciler.looking import NO_TIME
from lambdas.reconciler.repairs import LOST_SECONDS
from lambdas.runs.admission import Pause
from lambdas.runs.cluster_port import ClusterSnapshot, ClusterState
from lambdas.runs.dispatch import Outcome
from lambdas.runs.setbacks import LASTING_LIMIT

from .poison import PASS_SECONDS, record_of_another_release
from .runs import complete
from .world import World, manifest

CANCELLED = {
    "stopping": RunState.CANCELLED,
    "reason": "CANCELLED",
    "message": "m",
    "remedy": "r",
    "kind": "user",
}


def cancelled(world: World, **changes: Any) -> None:
    record = world.record()
    world.ledger.records[record.run_id] = dataclasses.replace(record, **CANCELLED, **changes)


def test_a_run_that_was_to_be_stopped_in_a_way_that_it_cannot_end_in_is_given_up(world: World) -> None:
    world.configure(max_clusters="0")
    world.launched()
    world.configure()
    cancelled(world)
    record = world.record()
    impossible = dataclasses.replace(record, stopping=RunState.COMPLETED)
    world.ledger.records[record.run_id] = impossible
    for _ in range(3 * LASTING_LIMIT):
        world.time += 6 * 3600
        world.reconcile()
    assert (world.record().state, world.record().active) == (RunState.FAILED, False)
    assert not world.clusters.requests


def test_a_cancelled_run_that_is_back_in_the_queue_gets_no_cluster(world: World) -> None:
    world.configure(max_clusters="0")
    world.launched()
    world.configure()
    cancelled(world)
    assert world.reconcile().dispatched == {world.record().run_id: Outcome.CANCELLED}
    told = {name: world.status()[name] for name in ("state", "reason", "message", "remedy", "kind")}
    assert [*told.values()] == [*CANCELLED.values()]
    assert (world.record().changed_at, world.clusters.requests) == (world.time, [])


def test_a_cancelled_run_whose_cluster_emr_forgot_is_cancelled(world: World) -> None:
    world.launched()
    cancelled(world)
    world.clusters.clusters.clear()
    world.time += LOST_SECONDS + 1
    world.reconcile()
    assert (world.record().state, world.record().reason) == (RunState.CANCELLED, "CANCELLED")
    assert world.record().changed_at == world.time


def test_a_cancelled_run_whose_record_is_not_understood_is_cancelled_at_last(world: World) -> None:
    world.launched()
    cancelled(world)
    record_of_another_release(world, world.record().run_id)
    for _ in range(LASTING_LIMIT + 2):
        world.time += PASS_SECONDS
        world.reconcile()
    assert (world.record().state, world.record().reason) == (RunState.CANCELLED, "CANCELLED")


def test_nobody_sleeps_beyond_the_end_of_the_invocation(world: World) -> None:
    for number in range(9):
        world.launch(world.upload(manifest(), key=f"manifests/{number}.json"))
    slept: list[float] = []
    world.sleep = lambda seconds: slept.append(seconds)  # type: ignore[method-assign]
    world.configure(launches_per_second="0.001")
    deadline = world.time + 300
    world.reconciler.reconcile(deadline)
    assert sum(slept) <= 300


def test_clusters_that_take_long_to_describe_leave_time_for_the_queue(world: World) -> None:
    first = world.launched_cluster()
    for number in range(6):
        name, cluster_id = f"fruits-stranger-{number}", f"j-{number}"
        stranger = dataclasses.replace(
            world.clusters.clusters[first], cluster_id=cluster_id, name=name, tags={}
        )
        world.clusters.clusters[cluster_id] = stranger
    world.configure(max_clusters="0")
    waits = world.launch(world.upload(manifest(), key="manifests/waits.json")).run_id or ""
    world.configure()
    describe = world.clusters.describe

    def slow(cluster_id: str) -> ClusterSnapshot:
        world.time += 60
        return describe(cluster_id)

    world.clusters.describe = slow  # type: ignore[method-assign]
    done = world.reconcile()
    assert world.ledger.records[waits].state is RunState.LAUNCHED
    assert list(done.skipped.values()) == [NO_TIME] * 2


def test_telling_places_in_the_queue_stops_in_time(world: World) -> None:
    world.configure(max_clusters="0")
    for number in range(9):
        world.launch(world.upload(manifest(), key=f"manifests/{number}.json"))
    world.ledger.pause(Pause())  # all are to be told of it
    began = world.time

    def slow(key: str) -> None:
        world.time += 60

    world.objects.before_write = slow
    world.reconciler.reconcile(began + 300)
    assert world.time - began <= 300


@pytest.mark.parametrize("limits", [{}, {"max_clusters": "0"}], ids=["launched", "waits"])
def test_what_became_of_an_upload_stands_also_where_its_status_cannot_be_written(
    world: World, limits: dict[str, str]
) -> None:
    world.configure(**limits)

    def refuse(key: str) -> None:
        if key.endswith("status.json"):
            raise PermissionError(key)

    world.objects.before_write = refuse
    assert world.launched().outcome is (Outcome.QUEUED if limits else Outcome.LAUNCHED)
    setback = world.record().setback
    assert setback is not None
    assert setback.reason == f"PermissionError: {world.keys().status}"


def test_slow_repairs_leave_time_for_the_queue(world: World) -> None:
    world.configure(max_clusters="9")
    for number in range(5):
        world.launch(world.upload(manifest(), key=f"manifests/{number}.json"))
    for cluster_id in list(world.clusters.clusters):
        world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "STEP_FAILURE")
    world.configure(max_clusters="0")
    waits = world.launch(world.upload(manifest(), key="manifests/waits.json")).run_id or ""
    world.configure(max_clusters="9")

    def slow(cluster_id: str, now: float) -> tuple[()]:
        world.time += 75
        return ()

    world.clusters.instances = slow
    done = world.reconcile()
    assert world.ledger.records[waits].state is RunState.LAUNCHED
    left = [why for why in done.skipped.values() if "no time" in why]
    assert (len(left), done.gauges.skipped) == (2, 2)
    assert not [why for why in world.reconcile().skipped.values() if "no time" in why]


def test_a_wrong_report_of_a_cancelled_run_does_not_keep_it_from_being_cancelled(world: World) -> None:
    cluster_id = world.launched_cluster()
    complete(world, cluster_id)
    world.objects.write(world.keys().step_report("pca"), "{")
    cancelled(world)
    world.tracker.track(cluster_id)
    assert (world.record().state, world.record().reason) == (RunState.CANCELLED, "CANCELLED")
