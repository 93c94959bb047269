"""The guard around each run: what goes wrong behind it is noted once, and never gets out."""

from __future__ import annotations

import pytest

from lambdas.contract.documents import UnreadableError
from lambdas.contract.run import RunRecord, RunState
from lambdas.runs.run_service import Skipped
from lambdas.runs.setbacks import FIRST_PAUSE_SECONDS

from .fakes import throttled
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
    assert found.skipped.keys() == {run}
    assert found.gauges.skipped == 1
