"""Runs whose cluster has ended, for the tests of what follows."""

from __future__ import annotations

from typing import Any

from lambdas.contract.run import RunState
from lambdas.runs.cluster_port import ClusterState, StepState

from .world import World

DONE = {"featurize": StepState.COMPLETED, "pca": StepState.COMPLETED}


def completed_run(world: World, **manifest: Any) -> str:
    """A run whose cluster has done everything, and of which no event was heard."""
    cluster_id = world.launched_cluster(**manifest)
    complete(world, cluster_id)
    return cluster_id


def begun(world: World, waited: float, **manifest: Any) -> str:
    """A run whose first step began so many seconds after its launch; the id of its cluster."""
    cluster_id = world.launched_cluster(**manifest)
    world.time += waited
    world.clusters.change(cluster_id, ClusterState.RUNNING, steps={"featurize": StepState.RUNNING})
    world.tracker.track(cluster_id)
    return cluster_id


def complete(world: World, cluster_id: str) -> None:
    """The run's steps do everything, and its cluster ends."""
    world.report(
        "featurize",
        seconds={"infer": 2.0, "total": 3.0},
        outputs=("Results/fruits/x/",),
        images_in=3,
        images_featurized=2,
        images_quarantined=1,
        quarantine_reasons={"corrupt": 1},
        feature_dim=1280,
    )
    world.report("pca", outputs=("Results_PCA/fruits/x/",), pca_components=2, explained_variance=0.75)
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)


def failed_run(world: World, reason: str, steps: dict[str, StepState] | None = None) -> str:
    cluster_id = world.launched_cluster(notify=True)
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, reason, steps)
    return cluster_id


def fails_for_good(world: World, reason: str) -> str:
    """Every attempt at the run fails of the same; the id of the last one's cluster."""
    while world.record().state is not RunState.FAILED:
        *_, cluster_id = world.clusters.clusters
        world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, reason)
        world.tracker.track(cluster_id)
        world.reconcile()
    return cluster_id
