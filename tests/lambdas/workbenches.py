"""What is done with workbenches in tests."""

from __future__ import annotations

import json
from typing import Any

from lambdas.contract.layout import RunLayout
from lambdas.contract.run import run_id
from lambdas.contract.workbench import SETUP_STEP
from lambdas.runs.cluster_port import ClusterState, StepState
from lambdas.runs.dispatch import Outcome
from lambdas.runs.run_service import CLOSING_SECONDS

from .world import BUCKET, World, workbench

KEY = "manifests/explore.json"
RUN = run_id("workbench.explore", BUCKET, KEY, "v1")
SET_UP = {SETUP_STEP: StepState.COMPLETED}
ACTIVITY = RunLayout("explore", RUN).activity
ADDRESS = "10.0.0.1"


def asked(world: World, version_id: str = "v1", key: str = KEY, **changes: Any) -> Outcome:
    return world.launch(world.upload(workbench(**changes), version_id, key)).outcome


def launched(world: World, **changes: Any) -> str:
    """The id of the workbench's cluster, which is not set up yet."""
    assert asked(world, **changes) is Outcome.LAUNCHED
    return list(world.clusters.clusters)[-1]


def opened(world: World, **changes: Any) -> str:
    """The id of the cluster of a workbench that people can use."""
    cluster_id = launched(world, **changes)
    world.clusters.change(cluster_id, ClusterState.WAITING, steps=SET_UP)
    world.tracker.track(cluster_id)
    return cluster_id


def ended(world: World, passes: int = 3) -> None:
    """The reconciler's passes go on until all has been told."""
    for _ in range(passes):
        world.time += CLOSING_SECONDS + 1
        world.reconcile()


def active(world: World, seconds_ago: float) -> None:
    written = json.dumps({"version": 1, "last_active_at": world.time - seconds_ago})
    world.objects.write(ACTIVITY, written)


def faults(world: World) -> list[dict[str, str]]:
    found: list[dict[str, str]] = world.rejection("explore")["faults"]
    return found
