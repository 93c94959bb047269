"""What tests spoil of a run, and two runs to see it with."""

from __future__ import annotations

import json
from collections.abc import Callable

from lambdas.contract.run import Setback

from .world import World, manifest

PASS_SECONDS = 300
SETBACK = Setback(1, "why", 0.0, lasting=True)


def two_queued(world: World) -> tuple[str, str]:
    """Two runs that wait for one place, the first of which is to be poisoned."""
    world.configure(max_clusters="0")
    runs = []
    for name in ("first", "second"):
        runs.append(world.launch(world.upload(manifest(notify=True), key=f"manifests/{name}.json")).run_id)
        world.time += 1
    world.configure(max_clusters="1")
    return runs[0] or "", runs[1] or ""


def plan_is(text: str) -> Callable[[World, str], None]:
    return lambda world, run: world.objects.write(f"runs/{run}/plan.json", text)


def newer_plan(world: World, run: str) -> None:
    document = json.loads(world.objects.text(f"runs/{run}/plan.json"))
    plan_is(json.dumps({**document, "version": 2}))(world, run)


def closed_prefix(world: World, run: str) -> None:
    world.objects.closed = f"runs/{run}/"


def record_of_another_release(world: World, run: str) -> None:
    world.ledger.garbled[run] = "the run's record is of version 2, and this release reads up to 1"
