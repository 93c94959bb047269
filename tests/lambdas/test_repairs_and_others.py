"""What others do while the reconciler looks is not undone by what it saw before."""

from __future__ import annotations

import dataclasses
from typing import Any

from lambdas.contract.run import RunState
from lambdas.reconciler.repairs import GiveUp, Requeue, Stop
from lambdas.runs.cluster_port import ClusterSummary
from lambdas.runs.setbacks import LASTING_LIMIT

from .fake_clusters import throttled
from .poison import SETBACK
from .world import World


def meanwhile(world: World, **changes: Any) -> None:
    """While the reconciler looks at EMR, somebody else changes the run's record."""
    list_clusters = world.clusters.list

    def changed_while_listing(created_after: float) -> list[ClusterSummary]:
        world.clusters.list = list_clusters
        world.ledger.swap(world.record(), dataclasses.replace(world.record(), **changes))
        return list_clusters(created_after)

    world.clusters.list = changed_while_listing


def test_a_claim_that_was_renewed_meanwhile_is_left_alone(world: World) -> None:
    world.clusters.error = throttled()
    world.launched()
    before = world.record()
    world.time += 60
    meanwhile(world, lease_until=world.time + 77)
    assert world.reconcile().repairs == (Requeue(before.run_id, before.lease_until),)
    assert (world.record().state, world.record().lease_until) == (RunState.CLAIMED, world.time + 77)


def test_a_cluster_that_is_not_the_runs_any_more_is_not_stopped_for_it(world: World) -> None:
    cluster_id = world.launched_cluster(limits={"max_runtime_minutes": 30})
    world.time += 31 * 60
    meanwhile(world, cluster_id="j-second")
    (stop,) = world.reconcile().repairs
    assert isinstance(stop, Stop)
    assert stop.cluster_id == cluster_id
    assert (world.record().stopping, world.clusters.terminated) == (None, [])


def test_a_run_that_was_queued_again_meanwhile_is_not_given_up(world: World) -> None:
    world.launched()
    world.clusters.clusters.clear()
    world.time += 601
    meanwhile(world, state=RunState.QUEUED, attempt=2, cluster_id=None)
    (given_up,) = world.reconcile().repairs
    assert isinstance(given_up, GiveUp)
    record = world.record()  # launched again in the same pass
    assert (record.state, record.attempt, record.closed) == (RunState.LAUNCHED, 2, False)


def test_a_launch_that_was_begun_meanwhile_is_not_given_up_and_keeps_its_place(world: World) -> None:
    world.clusters.error = throttled()
    world.launched()
    hopeless = dataclasses.replace(SETBACK, count=LASTING_LIMIT)
    world.ledger.swap(world.record(), dataclasses.replace(world.record(), setback=hopeless))
    world.time += 60
    meanwhile(world, lease_until=world.time + 77)
    (given_up,) = world.reconcile().repairs
    assert isinstance(given_up, GiveUp)
    assert (world.record().state, set(world.ledger.shared.slots)) == (
        RunState.CLAIMED, {world.record().run_id},
    )  # fmt: skip
