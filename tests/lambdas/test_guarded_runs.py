"""The guard around each run: what goes wrong behind it is noted once, and never gets out."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.documents import UnreadableError
from lambdas.contract.run import RunRecord, RunState
from lambdas.reconciler.looking import TURN_FAILED
from lambdas.reconciler.pass_metrics import of_pass
from lambdas.runs.admission import Wait
from lambdas.runs.dispatch import Outcome
from lambdas.runs.run_service import Skipped
from lambdas.runs.setbacks import FIRST_PAUSE_SECONDS

from .fake_clusters import throttled
from .poison import PASS_SECONDS, SETBACK, two_queued
from .world import World


def fail(world: World, error: Exception, run: str | None = None) -> object:
    def action() -> None:
        raise error

    return world.runs.guarded(run or world.record().run_id, action)


def setbacks(world: World) -> int:
    return world.record().setback.count if world.record().setback else 0


def test_what_several_meet_at_once_is_one_setback(world: World) -> None:
    world.launched()
    for _ in range(3):
        assert fail(world, TimeoutError("slow")) == Skipped(world.record().run_id, "TimeoutError: slow")
    assert setbacks(world) == 1
    world.time += FIRST_PAUSE_SECONDS
    fail(world, TimeoutError("slow"))
    assert setbacks(world) == 2


def test_a_setback_leaves_a_claim_its_lease(world: World) -> None:
    world.clusters.error = throttled()
    world.launched()
    lease = world.record().lease_until
    fail(world, TimeoutError("slow"))
    assert (world.record().state, setbacks(world)) == (RunState.CLAIMED, 1)
    assert world.record().lease_until == lease is not None


def test_where_even_the_setback_cannot_be_noted_the_pass_goes_on_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.launched()

    def refuse(seen: RunRecord, after: RunRecord) -> None:
        raise PermissionError("the table takes no writes")

    monkeypatch.setattr(world.ledger, "swap", refuse)
    assert fail(world, TimeoutError("slow")) == Skipped(world.record().run_id, "TimeoutError: slow")
    assert setbacks(world) == 0


def test_a_run_that_the_ledger_does_not_know_is_skipped_all_the_same(world: World) -> None:
    assert fail(world, UnreadableError("torn"), "gone") == Skipped("gone", "torn")
    assert world.objects.names() == set()


def test_the_status_tells_of_what_is_not_understood_and_not_of_what_passes(world: World) -> None:
    world.launched()
    written: list[str] = []
    world.objects.before_write = written.append
    fail(world, TimeoutError("slow"))
    assert written == []
    world.time += FIRST_PAUSE_SECONDS
    fail(world, UnreadableError("torn"))
    assert written == [world.keys().status]
    assert world.status()["trouble"]["reason"] == "torn"


def test_where_in_the_code_it_went_wrong_is_logged_unless_a_document_is_at_fault(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    torn, slow = UnreadableError("torn"), TimeoutError("slow")
    fail(world, torn, "d-1")
    fail(world, slow, "d-1")
    told = [(record.getMessage(), record.exc_info and record.exc_info[1]) for record in caplog.records]
    assert told == [("run d-1 was skipped: torn", None), ("run d-1 was skipped: TimeoutError: slow", slow)]


def test_a_run_whose_record_cannot_be_written_is_told_as_skipped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(max_clusters="0")
    run = world.launched().run_id
    world.configure()

    def refuse(seen: RunRecord, after: RunRecord) -> None:
        raise ConnectionError("the item is too large")

    monkeypatch.setattr(world.ledger, "swap", refuse)
    found = world.reconcile()
    assert found.skipped == {run: TURN_FAILED}
    assert found.gauges.skipped == 1


def test_a_run_whose_record_cannot_be_written_holds_no_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_queued(world)
    swap = world.ledger.swap

    def refuse(seen: RunRecord, after: RunRecord) -> RunRecord | None:
        if seen.run_id == first:
            raise ConnectionError("the item is too large")
        return swap(seen, after)

    monkeypatch.setattr(world.ledger, "swap", refuse)
    done = world.reconcile()
    assert done.dispatched == {first: Outcome.SKIPPED, second: Outcome.LAUNCHED}
    assert set(world.ledger.shared.slots) == {second}


@pytest.mark.parametrize("call", ["active", "queue", "unreadable", "admissions", "swap_admissions"])
def test_what_all_runs_share_may_fail_once_and_the_rest_of_the_pass_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    two_queued(world)
    works = getattr(world.ledger, call)
    failures = [TimeoutError("throttled")]

    def once(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return works(*arguments)

    monkeypatch.setattr(world.ledger, call, once)
    done = world.reconcile()
    assert "TimeoutError: throttled" in done.skipped.values() or Outcome.SKIPPED in done.dispatched.values()
    assert done.gauges.skipped == 1
    world.time += PASS_SECONDS
    assert world.reconcile().gauges.skipped == 0
    assert len(world.ledger.shared.slots) == 1


def test_a_ledger_that_does_not_answer_is_told_and_nothing_is_measured_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    two_queued(world)
    monkeypatch.setattr(world.ledger, "get", lambda run_id: pytest.fail(f"asked for {run_id}"))

    def fails(*_: object) -> None:
        raise TimeoutError("throttled")

    for call in ("active", "queue", "unreadable", "admissions"):
        monkeypatch.setattr(world.ledger, call, fails)
    done = world.reconcile()
    assert done.skipped == {"all runs": "TimeoutError: throttled"}
    assert {record.getMessage() for record in caplog.records} == {
        "run all runs was skipped: TimeoutError: throttled"
    }
    measured = {sample.metric.name: sample.value for sample in of_pass(done)}
    assert (measured["SkippedRuns"], "QueuedRuns" in measured, "LaunchingPaused" in measured) == (
        1,
        False,
        False,
    )


def test_a_cluster_whose_run_cannot_be_asked_for_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.launched_cluster()
    run = world.record().run_id
    monkeypatch.setattr(world.ledger, "active", tuple)

    def fails(run_id: str) -> None:
        raise TimeoutError("throttled")

    monkeypatch.setattr(world.ledger, "get", fails)
    done = world.reconcile()
    assert (done.skipped, world.clusters.terminated) == ({run: "TimeoutError: throttled"}, [])


@pytest.mark.parametrize(("not_before", "skipped"), [(0.0, False), (1_000_060.0, True)])
def test_a_run_is_told_as_left_alone_while_its_pause_lasts_and_not_after(
    world: World, not_before: float, skipped: bool
) -> None:
    world.launched()
    setback = dataclasses.replace(SETBACK, not_before=not_before)
    world.ledger.records[world.record().run_id] = dataclasses.replace(world.record(), setback=setback)
    assert world.reconcile().skipped == ({world.record().run_id: "why"} if skipped else {})


def test_places_in_the_queue_are_told_in_time_and_of_no_run_that_is_left_alone(world: World) -> None:
    world.configure(max_clusters="0")
    world.launched()
    status, record = world.keys().status, world.record()
    world.objects.delete(status)
    world.runs.publish_queue(Wait.PAUSED, until=world.time - 1)
    assert status not in world.objects.names()
    left_alone = dataclasses.replace(record, setback=dataclasses.replace(SETBACK, not_before=world.time + 60))
    world.ledger.records[record.run_id] = left_alone
    world.runs.publish_queue(Wait.PAUSED, until=world.time)
    assert status not in world.objects.names()
    world.ledger.records[record.run_id] = record
    world.runs.publish_queue(Wait.PAUSED, until=world.time)
    assert (world.status()["queue_position"], world.status()["waits_for"]) == (1, Wait.PAUSED)


def test_a_place_that_cannot_be_told_is_a_setback_of_the_run_that_has_it(world: World) -> None:
    world.configure(max_clusters="0")
    world.launched()
    world.objects.closed = world.keys().status
    world.runs.publish_queue(Wait.PAUSED, until=world.time)
    assert setbacks(world) == 1
