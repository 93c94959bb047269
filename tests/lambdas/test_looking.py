"""What the reconciler sees of ledger and EMR, also where one of them does not answer, or time is short."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.run import RunRecord
from lambdas.reconciler.looking import NO_TIME
from lambdas.reconciler.reconcile import REPAIR_RESERVE_SECONDS
from lambdas.reconciler.repairs import Release, StopOrphan, Tell
from lambdas.runs.admission import Admissions, Slot
from lambdas.runs.cluster_port import ClusterState
from lambdas.runs.run_service import CLOSING_SECONDS

from .runs import completed_run
from .world import World


def test_a_slot_of_a_run_that_the_list_does_not_show_yet_is_kept(world: World) -> None:
    world.launched()
    world.clusters.clusters.clear()
    world.ledger.active = lambda: ()
    slots = dict(world.ledger.shared.slots)
    assert not world.reconcile().repairs
    assert world.ledger.shared.slots == slots != {}


def test_a_slot_that_no_run_needs_gives_back_all_that_was_set_aside_today(world: World) -> None:
    today = "1970-01-12"
    world.ledger.shared = Admissions(slots={"gone": Slot(1.0, today)}, day=today, committed_eur=1.5)
    world.reconcile()
    assert (world.ledger.shared.slots, world.ledger.shared.committed_eur) == ({}, 0.5)


def test_a_running_run_that_the_list_does_not_show_yet_keeps_its_cluster(world: World) -> None:
    world.launched()
    world.ledger.active = lambda: ()
    done = world.reconcile()
    assert (done.repairs, done.skipped, world.clusters.terminated) == ((), {}, [])


def test_clusters_are_looked_for_as_far_back_as_the_oldest_run_and_two_days(world: World) -> None:
    asked: list[float] = []
    list_clusters = world.clusters.list
    world.clusters.list = lambda since: asked.append(since) or list_clusters(since)
    assert world.reconcile().gauges.oldest_seconds == 0.0
    assert asked.pop() == world.time - 2 * 24 * 3600
    world.configure(max_clusters="0")
    world.launched()
    accepted = world.time
    world.time += 3 * 24 * 3600
    asked.clear()
    world.reconcile()
    assert asked == [accepted - 300]


def test_a_run_that_cannot_be_asked_for_keeps_its_slot_and_others_lose_theirs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ledger.shared = Admissions(slots={"a": Slot(1.0, ""), "b": Slot(1.0, "")})

    def get(run_id: str) -> RunRecord | None:
        if run_id == "a":
            raise TimeoutError("throttled")
        return None

    monkeypatch.setattr(world.ledger, "get", get)
    done = world.reconcile()
    assert (done.repairs, done.skipped) == ((Release("b"),), {"a": "TimeoutError: throttled"})
    assert set(world.ledger.shared.slots) == {"a"}


def test_a_pass_without_time_says_what_it_left_to_the_next(world: World) -> None:
    own = completed_run(world, notify=True)
    world.track_and_die(own)  # its end has still to be told
    world.time += CLOSING_SECONDS + 1
    stranger = dataclasses.replace(
        world.clusters.clusters[own],
        cluster_id="j-stranger",
        name="fruits-stranger",
        state=ClusterState.WAITING,
        tags={"fruits:run_id": "stranger", "fruits:ledger": "runs"},
    )
    world.clusters.clusters["j-stranger"] = stranger
    run = world.record().run_id
    late = world.reconciler.reconcile(world.time + REPAIR_RESERVE_SECONDS - 1)
    assert (late.repairs, late.skipped) == ((), {run: NO_TIME, "j-stranger": NO_TIME})
    in_time = world.reconciler.reconcile(world.time + REPAIR_RESERVE_SECONDS)
    assert (in_time.repairs, in_time.skipped) == ((StopOrphan("stranger", "j-stranger"), Tell(run)), {})
