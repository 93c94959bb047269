"""A run's end is final before it is told, and is told once."""

from __future__ import annotations

import pytest

from lambdas.contract.run import RunState, Telling
from lambdas.reconciler.repairs import GiveUpTelling
from lambdas.runs.setbacks import LIMIT

from .poison import (
    PASS_SECONDS,
)
from .runs import completed_run
from .world import World


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
