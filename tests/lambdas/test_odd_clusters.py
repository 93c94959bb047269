"""Clusters that EMR does not describe, or that are nobody's, leave the others alone."""

from __future__ import annotations

import dataclasses

from lambdas.runs.cluster_port import ClusterState

from .world import World


def test_a_cluster_that_emr_does_not_describe_leaves_the_others_alone(world: World) -> None:
    first = world.launched_cluster()
    strangers = [
        dataclasses.replace(
            world.clusters.clusters[first],
            cluster_id=f"j-{name}",
            name=f"fruits-{name}",
            tags={"fruits:run_id": name, "fruits:ledger": "runs"},
        )
        for name in ("first", "silent", "second")
    ]
    world.clusters.clusters |= {stranger.cluster_id: stranger for stranger in strangers}
    world.clusters.unanswered = {"j-silent"}
    done = world.reconcile()
    assert sorted(world.clusters.terminated) == ["j-first", "j-second"]
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
