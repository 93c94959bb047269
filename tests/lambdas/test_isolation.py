"""What is wrong with one run costs that run alone: the others go on, and it ends truthfully at last."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from lambdas.contract.cost.estimate import InstanceUse
from lambdas.contract.run import RunState, Setback, Telling
from lambdas.reconciler.repairs import LOST_SECONDS, GiveUp, GiveUpTelling, Salvage, SetBack
from lambdas.runs.admission import Pause, Slot
from lambdas.runs.cluster_port import (
    ClusterSnapshot,
    ClusterState,
)
from lambdas.runs.dispatch import Outcome
from lambdas.runs.setbacks import FIRST_PAUSE_SECONDS, LASTING_LIMIT, LIMIT, LONGEST_PAUSE_SECONDS

from .fakes import throttled
from .runs import DONE, complete, completed_run
from .world import World, manifest

PASS_SECONDS = 300
SETBACK = Setback(1, "why", 0.0, lasting=True)


def two_queued(world: World) -> tuple[str, str]:
    """Two runs that wait for one place, the first of which is to be poisoned."""
    world.configure(max_clusters="0")
    runs = []
    for name in ("first", "second"):
        runs.append(world.launch(world.upload(manifest(notify=True), key=f"manifests/{name}.json")).run_id)
        world.time += 1
    world.configure(max_clusters="1")
    return runs[0] or "", runs[1] or ""


def plan_is(text: str) -> Callable[[World, str], None]:
    return lambda world, run: world.objects.write(f"runs/{run}/plan.json", text)


def newer_plan(world: World, run: str) -> None:
    document = json.loads(world.objects.text(f"runs/{run}/plan.json"))
    plan_is(json.dumps({**document, "version": 2}))(world, run)


def closed_prefix(world: World, run: str) -> None:
    world.objects.closed = f"runs/{run}/"


def record_of_another_release(world: World, run: str) -> None:
    world.ledger.garbled[run] = "the run's record is of version 2, and this release reads up to 1"


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
    assert f"{limit} times in a row" in (record.message or "")
    assert why in (record.message or "")
    assert "upload the manifest again" in (record.remedy or "")
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
    newer_plan(world, first)
    world.reconcile()
    assert (world.ledger.records[first].state, world.ledger.records[first].attempt) == (RunState.QUEUED, 2)
    assert set(world.ledger.shared.slots) == {second}


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


@pytest.mark.parametrize("report", ["{", "[]", '{"version": 2}', '{"step": "pca"}'])
def test_a_report_that_is_not_understood_leaves_the_ends_of_others_alone(world: World, report: str) -> None:
    world.configure(max_clusters="2")
    runs = [
        world.launch(world.upload(manifest(), key=f"manifests/{name}.json")).run_id or "" for name in "ab"
    ]
    for cluster_id in list(world.clusters.clusters):
        world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.objects.write(f"runs/{runs[0]}/steps/pca.json", report)
    for _ in range(LASTING_LIMIT):
        pass_ = world.reconcile()
        assert world.ledger.records[runs[1]].state is RunState.FAILED  # its reports are missing
        assert runs[0] in pass_.skipped
        world.time += PASS_SECONDS
    (repair,) = [done for done in world.reconcile().repairs if isinstance(done, GiveUp)]
    record = world.ledger.records[runs[0]]
    assert (repair.run_id, record.state, record.reason, record.closed) == (
        runs[0], RunState.FAILED, "GIVEN_UP", True,
    )  # fmt: skip
    assert world.status_of(runs[0])["reason"] == "GIVEN_UP"
    assert world.ledger.shared.slots == {}


def test_a_plan_that_is_not_understood_any_more_does_not_undo_a_run_that_completed(world: World) -> None:
    cluster_id = completed_run(world, notify=True)
    plan_is("{")(world, world.record().run_id)
    world.tracker.track(cluster_id)
    assert (world.record().state, world.record().closed) == (RunState.COMPLETED, True)
    assert world.status()["images_featurized"] == 2
    # What the plan said of a message is not known: nobody is left in the dark.
    assert len(world.topic.messages) == 1


def test_a_message_needs_nothing_of_a_plan_that_is_not_understood_any_more(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.clusters.used = (InstanceUse("m5.xlarge", spot=False, hours=0.25),)
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    world.tracker.track(cluster_id)
    assert world.record().actual_eur is not None
    plan_is("{")(world, world.record().run_id)
    for _ in range(LASTING_LIMIT + 1):
        world.time += PASS_SECONDS
        world.reconcile()
    ((subject, body),) = world.topic.messages
    assert subject == f"FAILED: {world.record().run_id}"
    assert "Cost" not in body


def test_the_cluster_of_a_run_that_is_given_up_is_stopped_before_its_place_is_free(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.clusters.change(cluster_id, ClusterState.RUNNING)
    hopeless = dataclasses.replace(
        world.record(), setback=dataclasses.replace(SETBACK, count=LASTING_LIMIT, not_before=world.time)
    )
    world.ledger.records[hopeless.run_id] = hopeless
    ended: list[str] = []
    world.clusters.terminate = ended.append
    world.reconcile()
    assert (ended, world.record().state, len(world.ledger.shared.slots)) == (
        [cluster_id], RunState.LAUNCHED, 1,
    )  # fmt: skip
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "USER_REQUEST")
    world.reconcile()
    assert (world.record().state, world.record().reason) == (RunState.FAILED, "GIVEN_UP")
    assert world.ledger.shared.slots == {}


def test_a_launch_in_doubt_whose_cluster_ended_with_a_report_that_is_not_understood_is_given_up_too(
    world: World,
) -> None:
    world.clusters.error, world.clusters.creates_despite_error = throttled(), True
    world.clusters.listing_lag_seconds = 5.0
    cluster_id = world.launched_cluster()
    world.clusters.error = None
    assert world.record().state is RunState.CLAIMED
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.objects.write(world.keys().step_report("pca"), "{")
    for _ in range(LASTING_LIMIT + 1):
        world.time += PASS_SECONDS
        world.reconcile()
    assert (world.record().state, world.record().reason) == (RunState.FAILED, "GIVEN_UP")
    assert (world.record().closed, world.ledger.shared.slots) == (True, {})


def test_a_record_that_is_not_understood_keeps_its_cluster_and_place_until_it_is_given_up(
    world: World,
) -> None:
    cluster_id = world.launched_cluster()
    run = world.record().run_id
    record_of_another_release(world, run)
    for _ in range(LASTING_LIMIT):
        assert [type(done) for done in world.reconcile().repairs] == [SetBack]
        assert (world.clusters.terminated, set(world.ledger.shared.slots)) == ([], {run})
        world.time += PASS_SECONDS
    world.reconcile()
    assert (world.clusters.terminated, set(world.ledger.shared.slots)) == ([cluster_id], {run})
    assert [type(done) for done in world.reconcile().repairs] == [Salvage]
    assert (world.record().state, world.record().reason) == (RunState.FAILED, "GIVEN_UP")
    assert world.ledger.shared.slots == {}
    assert world.status()["state"] == "FAILED"


def test_a_cluster_that_emr_does_not_describe_leaves_the_others_alone(world: World) -> None:
    first = world.launched_cluster()
    strangers = [
        dataclasses.replace(
            world.clusters.clusters[first],
            cluster_id=f"j-{name}",
            name=f"fruits-{name}",
            tags={"fruits:run_id": name, "fruits:ledger": "runs"},
        )
        for name in ("silent", "orphan")
    ]
    world.clusters.clusters |= {stranger.cluster_id: stranger for stranger in strangers}
    world.clusters.unanswered = {"j-silent"}
    done = world.reconcile()
    assert world.clusters.terminated == ["j-orphan"]
    assert done.skipped == {"j-silent": "TimeoutError: EMR does not say what j-silent is"}
    assert done.gauges.skipped == 1


def test_a_stranger_that_cannot_be_stopped_is_no_setback_of_the_run_that_it_names(world: World) -> None:
    own = world.launched_cluster()
    second = dataclasses.replace(world.clusters.clusters[own], cluster_id="j-second")
    world.clusters.clusters["j-second"] = second

    def refuse(cluster_id: str) -> None:
        raise PermissionError(cluster_id)

    world.clusters.terminate = refuse  # type: ignore[method-assign]
    done = world.reconcile()
    assert (done.repairs, done.skipped) == ((), {world.record().run_id: "PermissionError: j-second"})
    assert done.gauges.orphans == 1
    assert world.record().setback is None


def test_a_state_that_emr_added_since_is_that_of_a_cluster_that_is_there(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.clusters.change(cluster_id, ClusterState("HIBERNATING"))
    assert not world.reconcile().repairs
    assert world.clusters.clusters[cluster_id].lives
    world.time += 3 * 3600
    world.reconcile()
    assert world.clusters.terminated == [cluster_id]


@pytest.mark.parametrize("status", [b"{", b"[]", b"\xff", b'"QUEUED"'])
def test_a_status_that_somebody_spoiled_is_written_again(world: World, status: bytes) -> None:
    world.configure(max_clusters="0")
    world.launched()
    world.objects.versions[world.keys().status, None] = status
    world.reconcile()
    assert world.status()["queue_position"] == 1


@pytest.mark.parametrize("rejection", ["{", "[]", ""])
def test_a_rejection_that_somebody_spoiled_does_not_hold_up_the_next_version(
    world: World, rejection: str
) -> None:
    world.objects.write("manifests-rejected/fruits.json", rejection)
    assert world.launched().outcome is Outcome.LAUNCHED
    assert "manifests-rejected/fruits.json" not in world.objects.names()


def test_what_fails_while_other_runs_are_withdrawn_or_replaced_is_theirs(world: World) -> None:
    first, second = two_queued(world)
    closed_prefix(world, first)
    newer = world.launch(world.upload(manifest(), "v2", "manifests/first.json"))
    assert newer.outcome in (Outcome.QUEUED, Outcome.LAUNCHED)
    assert world.ledger.records[first].reason == "SUPERSEDED"
    assert world.ledger.records[second].state is RunState.LAUNCHED


# The end: final, then told.


@pytest.fixture
def ended_unheard(world: World) -> str:
    """A run that asked for a message has completed, and nothing takes messages."""
    world.topic.error = ConnectionError("the topic is gone")
    return completed_run(world, notify=True)


def runs_measured(world: World) -> int:
    return [sample.metric.name for sample in world.meter.samples].count("Runs")


def test_a_dead_topic_keeps_no_place_and_costs_neither_status_nor_metrics(
    world: World, ended_unheard: str
) -> None:
    world.tracker.track(ended_unheard)
    record = world.record()
    assert (record.state, record.closed, record.untold) == (RunState.COMPLETED, True, (Telling.MESSAGE,))
    assert (world.ledger.shared.slots, world.status()["state"], runs_measured(world)) == ({}, "COMPLETED", 1)
    assert record.setback is not None
    assert record.setback.reason == "ConnectionError: the topic is gone"


def test_a_message_is_sent_once_the_topic_is_back_and_nothing_else_again(
    world: World, ended_unheard: str
) -> None:
    world.tracker.track(ended_unheard)
    for _ in range(3):
        world.time += PASS_SECONDS
        assert world.reconcile().gauges.skipped == 1
    world.topic.error = None
    for _ in range(4):
        world.time += PASS_SECONDS
        world.reconcile()
    assert [subject for subject, _ in world.topic.messages] == [f"COMPLETED: {world.record().run_id}"]
    assert (runs_measured(world), world.record().active, world.record().setback) == (1, False, None)


def test_a_message_that_nothing_takes_is_given_up_at_last(world: World, ended_unheard: str) -> None:
    world.tracker.track(ended_unheard)
    repairs = []
    while world.record().active:
        world.time += PASS_SECONDS
        repairs += world.reconcile().repairs
    assert repairs[-1] == GiveUpTelling(world.record().run_id)
    assert (world.topic.asked, world.record().state, runs_measured(world)) == (LIMIT, RunState.COMPLETED, 1)
    assert world.reconcile().gauges.skipped == 0


def test_a_status_that_cannot_be_written_delays_neither_metrics_nor_message(world: World) -> None:
    cluster_id = completed_run(world, notify=True)

    def refuse(key: str) -> None:
        raise PermissionError(key)

    world.objects.before_write = refuse
    world.tracker.track(cluster_id)
    assert (world.record().untold, runs_measured(world), len(world.topic.messages)) == (
        (Telling.STATUS,), 1, 1,
    )  # fmt: skip
    world.objects.before_write = lambda key: None
    world.time += PASS_SECONDS
    world.reconcile()
    assert (world.status()["state"], world.record().untold) == ("COMPLETED", ())
    assert (runs_measured(world), len(world.topic.messages)) == (1, 1)


def test_whoever_dies_over_telling_leaves_the_rest_to_the_next_and_metrics_are_not_counted_twice(
    world: World,
) -> None:
    world.topic.error = KeyboardInterrupt()  # type: ignore[assignment]  # a process that is killed
    cluster_id = completed_run(world, notify=True)
    with pytest.raises(KeyboardInterrupt):
        world.tracker.track(cluster_id)
    world.topic.error = None
    world.reconcile()
    assert world.topic.messages == []  # whoever began it may still be at it
    world.time += PASS_SECONDS
    world.reconcile()
    world.reconcile()
    assert (len(world.topic.messages), runs_measured(world)) == (1, 1)


def test_two_who_tell_at_once_tell_once(world: World) -> None:
    cluster_id = completed_run(world, notify=True)

    def another(key: str) -> None:
        world.objects.before_write = lambda key: None
        world.time += PASS_SECONDS
        world.reconcile()

    world.objects.before_write = another
    world.tracker.track(cluster_id)
    assert (len(world.topic.messages), runs_measured(world)) == (1, 1)


# Stopping wins.


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


def test_a_cancelled_run_that_is_back_in_the_queue_gets_no_cluster(world: World) -> None:
    world.configure(max_clusters="0")
    world.launched()
    world.configure()
    cancelled(world)
    world.reconcile()
    assert (world.record().state, world.record().reason) == (RunState.CANCELLED, "CANCELLED")
    assert world.clusters.requests == []


def test_a_cancelled_run_whose_cluster_emr_forgot_is_cancelled(world: World) -> None:
    world.launched()
    cancelled(world)
    world.clusters.clusters.clear()
    world.time += LOST_SECONDS + 1
    world.reconcile()
    assert (world.record().state, world.record().reason) == (RunState.CANCELLED, "CANCELLED")


# Time.


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
    for number in range(5):
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
    assert len(done.skipped) == 1


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
        world.time += 60
        return ()

    world.clusters.instances = slow
    done = world.reconcile()
    assert world.ledger.records[waits].state is RunState.LAUNCHED
    left = [why for why in done.skipped.values() if "no time" in why]
    assert (len(left), done.gauges.skipped) == (1, 1)
    assert not [why for why in world.reconcile().skipped.values() if "no time" in why]


def test_a_wrong_report_of_a_cancelled_run_does_not_keep_it_from_being_cancelled(world: World) -> None:
    cluster_id = world.launched_cluster()
    complete(world, cluster_id)
    world.objects.write(world.keys().step_report("pca"), "{")
    cancelled(world)
    world.tracker.track(cluster_id)
    assert (world.record().state, world.record().reason) == (RunState.CANCELLED, "CANCELLED")
