"""What is wrong with one run costs that run alone: the others go on, and it ends truthfully at last."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.run import RunState
from lambdas.runs.admission import Slot, Wait
from lambdas.runs.cluster_port import ClusterState
from lambdas.runs.dispatch import Outcome
from lambdas.runs.setbacks import FIRST_PAUSE_SECONDS, LASTING_LIMIT, LIMIT, LONGEST_PAUSE_SECONDS

from .poison import PASS_SECONDS, closed_prefix, newer_plan, plan_is, record_of_another_release, two_queued
from .world import World, manifest

POISONS = {
    "plan is no JSON": (plan_is("{"), LASTING_LIMIT, "Plan is not JSON"),
    "plan is something else": (plan_is('{"a": 1}'), LASTING_LIMIT, "Plan lacks"),
    "plan of a newer version": (newer_plan, LASTING_LIMIT, "Plan is of version 2"),
    "objects are closed to us": (closed_prefix, LIMIT, "Access Denied"),
    "record of a newer version": (record_of_another_release, LASTING_LIMIT, "record is of version 2"),
}


@pytest.mark.parametrize("poison", POISONS)
def test_whoever_waits_behind_a_poisoned_run_starts_in_the_same_pass(world: World, poison: str) -> None:
    first, second = two_queued(world)
    inject, _, why = POISONS[poison]
    inject(world, first)
    done = world.reconcile()
    assert world.ledger.records[second].state is RunState.LAUNCHED
    assert set(world.ledger.shared.slots) == {second}
    assert done.gauges.skipped == 1
    assert why in done.skipped[first]
    setback = world.ledger.records[first].setback
    assert setback is not None
    assert (setback.count, why in setback.reason) == (1, True)


@pytest.mark.parametrize("poison", POISONS)
def test_a_poisoned_run_ends_truthfully_after_a_bound_and_holds_nothing(world: World, poison: str) -> None:
    first, second = two_queued(world)
    inject, limit, why = POISONS[poison]
    inject(world, first)
    passes = 0
    while world.ledger.records[first].state is RunState.QUEUED:
        passes += 1
        before = world.ledger.records[first].setback
        assert before is None or before.count <= limit
        world.reconcile()
        world.time += PASS_SECONDS
        assert passes < 200
    record = world.ledger.records[first]
    assert (record.state, record.reason, record.kind) == (RunState.FAILED, "GIVEN_UP", "ours")
    told, _, reason = (record.message or "").partition(" in a row: ")
    assert told == f"The stack could not deal with the run, {limit} times"
    assert why in reason
    assert record.remedy == (
        "Mend what the message names (another release's object, a permission, a missing object); then upload "
        "the manifest again: finished parts are not lost."
    )
    assert record.closed
    assert first not in world.ledger.shared.slots
    assert world.ledger.records[second].cluster_id is not None
    assert passes > limit


@pytest.mark.parametrize(
    "poison", ["plan is no JSON", "objects are closed to us", "record of a newer version"]
)
def test_a_poisoned_run_goes_on_as_soon_as_what_was_wrong_is_mended(world: World, poison: str) -> None:
    first, second = two_queued(world)
    world.configure(max_clusters="2")
    good = world.objects.text(f"runs/{first}/plan.json")
    POISONS[poison][0](world, first)
    world.reconcile()
    assert world.ledger.records[second].state is RunState.LAUNCHED
    world.objects.closed = None
    world.ledger.garbled.clear()
    world.objects.write(f"runs/{first}/plan.json", good)
    world.time += PASS_SECONDS
    assert world.reconcile().gauges.skipped == 0
    record = world.ledger.records[first]
    assert (record.state, record.setback) == (RunState.LAUNCHED, None)
    assert world.status_of(first)["trouble"] is None


def test_whoever_holds_a_place_since_an_earlier_attempt_does_not_wait_for_whoever_waits_for_a_place(
    world: World,
) -> None:
    first, second = two_queued(world)
    world.configure(max_clusters="0")
    third = world.launch(world.upload(manifest(), key="manifests/third.json")).run_id
    world.configure(max_clusters="1")
    closed_prefix(world, first)
    world.reconcile()
    (cluster_id,) = world.clusters.clusters
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT", {})
    world.tracker.hear(cluster_id)
    world.objects.closed = None
    world.time += PASS_SECONDS
    assert [record.run_id for record in world.ledger.queue()] == [first, second, third]
    done = world.reconcile()
    assert (dict(done.dispatched), done.wait) == ({second: Outcome.LAUNCHED}, Wait.CLUSTERS)
    assert world.ledger.records[second].state is RunState.LAUNCHED
    assert {world.ledger.records[run].state for run in (first, third)} == {RunState.QUEUED}


def test_people_see_in_the_status_why_a_run_is_left_alone(world: World) -> None:
    first, _ = two_queued(world)
    newer_plan(world, first)
    world.reconcile()
    trouble = world.status_of(first)["trouble"]
    assert (trouble["count"], trouble["not_before"]) == (1, "1970-01-12T13:46:52+00:00")
    assert trouble["reason"].startswith(f"runs/{first}/plan.json: Plan is of version 2")


def test_pauses_double_up_to_an_hour(world: World) -> None:
    first, _ = two_queued(world)
    closed_prefix(world, first)
    pauses = []
    while world.ledger.records[first].state is RunState.QUEUED:
        tried_at = world.time
        world.reconcile()
        setback = world.ledger.records[first].setback
        assert setback is not None
        pauses.append(setback.not_before - tried_at)
        world.time = setback.not_before
    assert pauses[:3] == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, 4 * FIRST_PAUSE_SECONDS]
    assert pauses[-3] == LONGEST_PAUSE_SECONDS
    assert sum(pauses) > 3 * 3600


def test_a_run_that_is_left_alone_does_not_end_the_queue(world: World) -> None:
    first, _ = two_queued(world)
    newer_plan(world, first)
    world.reconcile()
    world.configure(max_clusters="0")
    third = world.launch(world.upload(manifest(), key="manifests/third.json")).run_id or ""
    world.configure(max_clusters="2")
    world.reconcile()
    assert world.ledger.records[third].state is RunState.LAUNCHED
    assert world.ledger.records[first].state is RunState.QUEUED


def test_an_upload_starts_in_front_of_which_a_poisoned_run_waits(world: World) -> None:
    first, second = two_queued(world)
    newer_plan(world, first)
    world.configure(max_clusters="2")
    third = world.launch(world.upload(manifest(), key="manifests/third.json"))
    assert third.others == {first: Outcome.SKIPPED, second: Outcome.LAUNCHED}
    assert third.outcome is Outcome.LAUNCHED


def test_an_upload_whose_own_run_cannot_start_is_queued_and_not_delivered_again(world: World) -> None:
    upload = world.upload(manifest())

    def close(key: str) -> None:
        if key.endswith("plan.json"):
            world.objects.closed = "runs/"

    world.objects.before_write = close
    assert world.launch(upload).outcome is Outcome.QUEUED
    assert world.launch(upload).outcome is Outcome.DUPLICATE


def test_an_upload_that_comes_again_of_a_run_whose_record_is_not_understood_is_known(world: World) -> None:
    upload = world.upload(manifest())
    world.launch(upload)
    record_of_another_release(world, world.record().run_id)
    again = world.launch(upload)
    assert (again.outcome, again.detail) == (
        Outcome.DUPLICATE,
        "the run is known already: the run's record is of version 2, and this release reads up to 1",
    )
    assert len(world.clusters.requests) == 1


def test_a_run_of_a_further_attempt_gives_its_place_to_the_next_while_it_is_left_alone(world: World) -> None:
    first, second = two_queued(world)
    world.reconcile()
    (cluster_id,) = world.clusters.clusters
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    world.tracker.track(cluster_id)
    newer_plan(world, first)
    world.reconcile()
    record = world.ledger.records[first]
    assert (record.state, record.attempt, record.actual_eur) == (RunState.QUEUED, 2, 0.0)
    assert set(world.ledger.shared.slots) == {second}
    assert world.ledger.shared.committed_eur == pytest.approx(world.ledger.records[second].worst_case_eur)


def test_a_further_attempt_does_not_wait_for_what_was_wrong_with_the_one_before(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    closed_prefix(world, world.record().run_id)
    world.reconcile()
    assert world.record().setback is not None
    world.objects.closed = None
    world.tracker.hear(cluster_id)
    assert (world.record().state, world.record().setback) == (RunState.QUEUED, None)
    world.reconcile()
    assert (world.record().state, world.record().attempt) == (RunState.LAUNCHED, 2)


def test_a_run_whose_launch_is_in_doubt_keeps_its_place_whatever_is_wrong_with_it(world: World) -> None:
    first, second = two_queued(world)
    world.configure(max_clusters="1")
    record = world.ledger.records[first]
    claimed = dataclasses.replace(
        record, history=(*record.history, dataclasses.replace(record.history[0], state=RunState.CLAIMED))
    )
    world.ledger.records[first] = claimed
    world.ledger.shared = dataclasses.replace(world.ledger.shared, slots={first: Slot(1.0, "")})
    newer_plan(world, first)
    world.reconcile()
    assert set(world.ledger.shared.slots) == {first}
    assert world.ledger.records[second].state is RunState.QUEUED
