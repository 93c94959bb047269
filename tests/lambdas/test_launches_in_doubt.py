"""A launch that EMR did not answer may have made a cluster: it counts, and no other is taken for it."""

from __future__ import annotations

import pytest

from lambdas.contract.cost.estimate import InstanceUse
from lambdas.contract.run import RunState, ended
from lambdas.launcher.withdraw import Deletion
from lambdas.runs.cluster_port import ClusterState
from lambdas.runs.dispatch import LEASE_SECONDS, Outcome
from lambdas.runs.endings import MANIFEST_DELETED

from .fake_clusters import throttled
from .runs import complete
from .world import KEY, World, manifest

FIRST, SECOND = "j-0000000000000", "j-0000000000001"


def unseen_launch(world: World, seconds: float) -> None:
    """EMR makes a cluster, does not say so, and lists it only after so many seconds."""
    world.clusters.listing_lag_seconds = seconds
    world.clusters.error, world.clusters.creates_despite_error = throttled(), True
    world.launched(notify=True)
    world.clusters.error = None
    assert world.record().state is RunState.CLAIMED


def cancelled(world: World) -> None:
    """As by a person, while the launch is in doubt."""
    record = world.record()
    world.ledger.swap(record, ended(record, RunState.CANCELLED, MANIFEST_DELETED, world.time))


def next_upload(world: World) -> Outcome:
    return world.launch(world.upload(manifest(), "v1", "manifests/next.json")).outcome


def living(world: World) -> int:
    return sum(cluster.lives for cluster in world.clusters.clusters.values())


def test_a_run_ends_with_its_own_cluster_beside_a_double_that_was_stopped(world: World) -> None:
    unseen_launch(world, 120)
    world.time += LEASE_SECONDS + 1
    world.reconcile()  # asks for another one
    assert world.record().cluster_id == SECOND
    world.time += 300
    world.reconcile()
    assert world.clusters.terminated == [FIRST]
    complete(world, SECOND)  # of which no event is heard
    world.time += 300
    world.reconcile()
    assert world.record().state is RunState.COMPLETED
    assert not world.ledger.shared.slots


def test_a_cancelled_launch_keeps_its_place_while_an_event_tells_of_its_living_cluster(world: World) -> None:
    world.configure(max_clusters="1")
    unseen_launch(world, 5)
    cancelled(world)
    world.time += 61
    world.clusters.change(FIRST, ClusterState.STARTING)
    world.tracker.hear(FIRST)
    assert next_upload(world) is Outcome.QUEUED
    assert living(world) == 1


def test_a_cancelled_launch_keeps_its_place_until_its_cluster_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(max_clusters="1")
    unseen_launch(world, 5)
    stop = world.clusters.terminate
    monkeypatch.setattr(
        world.clusters, "terminate", lambda it: world.clusters.change(it, ClusterState.TERMINATING)
    )
    first = world.record().run_id
    cancelled(world)
    assert next_upload(world) is Outcome.QUEUED
    world.time += 61
    world.reconcile()
    assert world.clusters.clusters[FIRST].state is ClusterState.TERMINATING
    assert living(world) == 1
    stop(FIRST)
    world.time += 300
    world.reconcile()
    assert world.ledger.records[first].closed
    assert (world.clusters.clusters[FIRST].lives, living(world)) == (False, 1)


@pytest.mark.parametrize(("hours", "eur"), [(0.5, 0.3), (None, None)])
def test_a_cancelled_launch_is_charged_with_what_its_cluster_used(
    world: World, hours: float | None, eur: float | None
) -> None:
    unseen_launch(world, 5)
    cancelled(world)
    world.clusters.used = (
        InstanceUse("m5.xlarge" if eur else "z9.huge", spot=False, hours=hours or 1.0),
    ) * 3
    world.time += 61
    world.reconcile()
    assert world.clusters.terminated == [FIRST]
    world.time += 300
    world.reconcile()
    record = world.record()
    assert (record.state, record.closed, record.cluster_id) == (RunState.CANCELLED, True, FIRST)
    assert record.actual_eur == (pytest.approx(eur, abs=0.1) if eur else None)
    # What is not known may have been all of it.
    committed = world.ledger.shared.committed_eur
    assert committed == pytest.approx(record.actual_eur if eur else record.worst_case_eur)


@pytest.mark.parametrize("how", ["by a person", "with its manifest"])
def test_a_cancelled_launch_that_made_no_cluster_has_cost_nothing(world: World, how: str) -> None:
    world.clusters.error = throttled()
    world.launched()
    world.clusters.error = None
    if how == "by a person":
        cancelled(world)
    else:
        world.delete(Deletion(KEY, None, world.sequencer()))
    for _ in range(2):
        world.time += 120
        world.reconcile()
    assert (world.record().closed, world.ledger.shared.committed_eur) == (True, 0.0)
