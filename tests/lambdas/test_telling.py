"""A run's end is final before it is told, and is told once."""

from __future__ import annotations

import pytest

from lambdas.contract.run import RunState, Telling
from lambdas.reconciler.repairs import GiveUpTelling
from lambdas.runs.admission import Admissions
from lambdas.runs.dispatch import Outcome
from lambdas.runs.setbacks import LIMIT
from lambdas.runs.tracking import Ignored

from .poison import PASS_SECONDS
from .runs import completed_run
from .world import World, manifest


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
    told = world.tracker.track(ended_unheard)
    record = world.record()
    why = "told later: ConnectionError: the topic is gone"
    assert told == Ignored(f"run {record.run_id} has ended, and is {why}")
    world.time += PASS_SECONDS
    assert world.tracker.track(ended_unheard) == told
    assert (record.state, record.closed, record.untold) == (RunState.COMPLETED, True, (Telling.MESSAGE,))
    assert (world.ledger.shared.slots, world.status()["state"], runs_measured(world)) == ({}, "COMPLETED", 1)
    assert record.setback is not None
    assert record.setback.reason == "ConnectionError: the topic is gone"
    assert record.lease_until is None  # nobody is at it any more


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


def test_a_topic_that_hangs_delays_no_start(world: World, ended_unheard: str) -> None:
    world.tracker.track(ended_unheard)
    world.configure(max_clusters="0")
    world.launch(world.upload(manifest(), key="manifests/next.json"))
    world.configure()

    def hang(subject: str, message: str) -> None:
        world.time += PASS_SECONDS
        raise TimeoutError("the topic does not answer")

    world.topic.publish = hang  # type: ignore[method-assign]
    world.time += PASS_SECONDS
    assert [*world.reconcile().dispatched.values()] == [Outcome.LAUNCHED]


def test_a_message_that_nothing_takes_is_given_up_at_last(world: World, ended_unheard: str) -> None:
    world.tracker.track(ended_unheard)
    repairs = []
    while world.record().active:
        world.time += PASS_SECONDS
        repairs += world.reconcile().repairs
        assert world.time < 1_100_000  # more than a day
    assert repairs[-1] == GiveUpTelling(world.record().run_id)
    assert (world.topic.asked, world.record().state, runs_measured(world)) == (LIMIT, RunState.COMPLETED, 1)
    assert world.record().untold == ()
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


def test_an_end_is_closed_by_one_who_then_tells_of_it(world: World) -> None:
    cluster_id = completed_run(world, notify=True)
    admissions, teller = world.ledger.admissions, world.tracker.teller

    def another() -> Admissions:
        world.ledger.admissions = admissions  # type: ignore[method-assign]
        assert teller.close(world.record()) is not None
        return admissions()

    world.ledger.admissions = another  # type: ignore[method-assign]
    told = world.tracker.track(cluster_id)
    assert told == Ignored(f"run {world.record().run_id} has ended, and somebody else tells of it")
    assert (teller.close(world.record()), len(world.topic.messages)) == (None, 1)


def test_what_cannot_be_told_yet_or_has_been_told_is_not_told(world: World, ended_unheard: str) -> None:
    world.tracker.track(ended_unheard)
    run, tell = world.record().run_id, world.tracker.teller.tell
    world.topic.error = None
    assert (tell(run), world.topic.messages) == (None, [])  # a setback was a moment ago
    world.time += PASS_SECONDS
    assert tell(run) is not None
    before = world.record()
    assert (tell(run), world.record(), len(world.topic.messages)) == (None, before, 1)
    assert tell("nobody-0123456789ab") is None


def test_who_goes_on_telling_is_not_disturbed_by_another(world: World, ended_unheard: str) -> None:
    world.tracker.track(ended_unheard)
    world.topic.error = None
    publish = world.topic.publish

    def meanwhile(subject: str, message: str) -> None:
        world.topic.publish = publish  # type: ignore[method-assign]
        world.time += 1
        world.reconcile()
        publish(subject, message)

    world.topic.publish = meanwhile  # type: ignore[method-assign]
    world.time += PASS_SECONDS
    world.reconcile()
    assert (len(world.topic.messages), world.record().active) == (1, False)


def test_two_who_tell_at_once_tell_once(world: World) -> None:
    cluster_id = completed_run(world, notify=True)

    def another(key: str) -> None:
        world.objects.before_write = lambda key: None
        world.time += PASS_SECONDS
        world.reconcile()

    world.objects.before_write = another
    world.tracker.track(cluster_id)
    assert (len(world.topic.messages), runs_measured(world)) == (1, 1)


def test_where_plan_and_reports_stay_closed_what_the_record_says_is_told_at_last(world: World) -> None:
    world.track_and_die(completed_run(world, notify=True))
    run = world.record().run_id
    world.objects.closed = f"runs/{run}/"
    assert (world.record().closed, world.topic.messages) == (True, [])
    while world.record().active:
        world.time += PASS_SECONDS
        world.reconcile()
        assert world.time < 1_100_000  # more than a day
    assert [subject for subject, _ in world.topic.messages] == [f"COMPLETED: {run}"]
    assert runs_measured(world) == 1
