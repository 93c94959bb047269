"""The turns of queued runs: whose it is, what costs a run its turn, and where that is noted."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.run import RunState, Setback
from lambdas.runs.admission import Wait
from lambdas.runs.dispatch import Outcome, waiting
from lambdas.runs.setbacks import LIMIT

from .poison import SETBACK, newer_plan, two_queued
from .world import World

DAY = 24 * 3600


def dispatch(world: World) -> tuple[dict[str, Outcome], Wait | None]:
    return world.acceptor.dispatcher.dispatch(world.time + 300)


def fail_once(world: World, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """The ledger does not answer the next such call."""
    works = getattr(world.ledger, call)

    def fails(*_: object) -> None:
        monkeypatch.setattr(world.ledger, call, works)
        raise TimeoutError("throttled")

    monkeypatch.setattr(world.ledger, call, fails)


def setbacks(world: World) -> list[Setback | None]:
    return [record.setback for record in world.ledger.active()]


def test_the_turns_of_an_upload_end_with_its_own_run_whether_the_list_shows_it_or_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_queued(world)
    first, own = world.ledger.queue()
    behind = dataclasses.replace(own, run_id=f"{own.run_id}-behind")  # in the same moment
    assert list(waiting(iter([first, own, behind]), own)) == [first, own]
    assert list(waiting(iter([first]), own)) == [first, own]
    assert list(waiting(iter([first, own]), None)) == [first, own]
    monkeypatch.setattr(world.ledger, "queue", lambda: iter(()))
    assert world.launched().outcome is Outcome.LAUNCHED


@pytest.mark.parametrize(
    ("count", "pause", "has_its_turn"),
    [(1, 10, False), (LIMIT - 1, -1, True), (LIMIT, -1, False)],
    ids=["in_its_pause", "tried_again", "hopeless"],
)
def test_a_run_has_no_turn_in_its_pause_nor_when_it_is_to_be_given_up(
    world: World, count: int, pause: int, has_its_turn: bool
) -> None:
    first, second = two_queued(world)
    world.configure()
    setback = dataclasses.replace(SETBACK, count=count, not_before=world.time + pause, lasting=False)
    world.ledger.records[first] = dataclasses.replace(world.ledger.records[first], setback=setback)
    turns = {first, second} if has_its_turn else {second}
    assert dispatch(world) == (dict.fromkeys(turns, Outcome.LAUNCHED), None)


def test_an_account_of_all_runs_that_does_not_answer_is_noted_on_no_run_and_the_queue_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = two_queued(world)
    fail_once(world, monkeypatch, "admissions")
    assert dispatch(world) == ({first: Outcome.SKIPPED, second: Outcome.LAUNCHED}, None)
    assert caplog.messages == [f"run {first} was skipped: TimeoutError: throttled"]
    assert setbacks(world) == [None, None]


def test_a_place_that_cannot_be_given_away_is_noted_on_no_run_and_the_queue_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = two_queued(world)
    newer_plan(world, first)
    fail_once(world, monkeypatch, "get")  # so that the plan's fault cannot be noted
    fail_once(world, monkeypatch, "admissions")
    assert dispatch(world) == ({first: Outcome.SKIPPED, second: Outcome.LAUNCHED}, None)
    unread, unfreed = caplog.messages
    assert unread.startswith(f"run {first} was skipped: runs/{first}/plan.json: Plan is of version 2")
    assert unfreed == f"run {first} was skipped: TimeoutError: throttled"
    assert setbacks(world) == [None, None]


def test_a_launch_that_fails_of_something_unknown_is_noted_on_its_run_which_keeps_its_place(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = two_queued(world)
    world.clusters.error = RuntimeError("no route")
    assert dispatch(world) == ({first: Outcome.SKIPPED}, Wait.CLUSTERS)
    assert caplog.messages == [f"run {first} was skipped: RuntimeError: no route"]
    noted, untouched = setbacks(world)
    assert noted is not None
    assert (noted.count, noted.reason, untouched) == (1, "RuntimeError: no route", None)
    assert world.ledger.records[first].state is RunState.CLAIMED
    assert set(world.ledger.shared.slots) == {first}


def test_a_run_for_which_todays_budget_is_too_small_by_now_launches_tomorrow(world: World) -> None:
    first, second = two_queued(world)
    worst_case = world.ledger.records[second].worst_case_eur
    world.configure(max_eur_per_day=str(1.5 * worst_case))
    assert dispatch(world) == ({first: Outcome.LAUNCHED}, Wait.BUDGET)
    assert world.ledger.records[second].state is RunState.QUEUED
    world.time += DAY
    assert dispatch(world) == ({second: Outcome.LAUNCHED}, None)
