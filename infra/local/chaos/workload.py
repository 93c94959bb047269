"""What is uploaded and delivered, and what goes wrong. All drawn from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infra.local.emr.faults import ClusterFault, EventFault, Faults, LaunchFault

REJECTED_SHARE = 0.1
"""Of the manifests: wrong in a way that their rejection must name."""
DELETED_SHARE = 0.05
SECOND_VERSION_SHARE = 0.08
"""Of the manifests that follow another: a newer version under its name."""
MAX_COPIES = 5
LAUNCH_FAULTS = {
    LaunchFault.THROTTLED: 0.08,
    LaunchFault.THROTTLED_BUT_CREATED: 0.06,
    LaunchFault.ANSWER_LOST: 0.03,
    LaunchFault.CALLER_KILLED_BEFORE: 0.02,
    LaunchFault.CALLER_KILLED_AFTER: 0.02,
}
CLUSTER_FAULTS = {
    ClusterFault.SPOT_TIMEOUT: 0.08,
    ClusterFault.BOOTSTRAP_FAILURE: 0.05,
    ClusterFault.STEP_FAILURE: 0.05,
    ClusterFault.SLOW_START: 0.02,
}
EVENT_FAULTS = {EventFault.LOST: 0.15, EventFault.DUPLICATED: 0.15}


@dataclass(frozen=True)
class Upload:
    """One manifest version to upload. ``copies``: deliveries of its event while the storm lasts;
    ``replays``: deliveries after all runs ended; ``deleted``: a deletion is delivered too."""

    key: str
    manifest: dict[str, Any]
    copies: int
    replays: int
    deleted: bool


def draw_uploads(seed: int, manifests: int, deliveries: int, image_prefix: str) -> list[Upload]:
    """``manifests`` uploads whose events are delivered ``deliveries`` times in all."""
    chance = random.Random(seed)  # noqa: S311  # repeatable on purpose
    copies = [1] * manifests
    while sum(copies) < deliveries:
        if copies[number := chance.randrange(manifests)] < MAX_COPIES:
            copies[number] += 1
    uploads: list[Upload] = []
    for number in range(manifests):
        again = uploads and chance.random() < SECOND_VERSION_SHARE
        key = chance.choice(uploads).key if again else f"manifests/chaos-{number:04d}.json"
        replays = sum(chance.random() < 1 / MAX_COPIES for _ in range(copies[number] - 1))
        deleted = chance.random() < DELETED_SHARE
        document = _manifest(chance, number, image_prefix)
        uploads.append(Upload(key, document, copies[number] - replays, replays, deleted))
    return uploads


def draw_faults(seed: int, manifests: int, on_instant_step: Callable[[Sequence[str]], None]) -> Faults:
    """Scripts long enough for every launch of so many manifests; after them all is well."""
    chance = random.Random(seed + 1)  # noqa: S311  # repeatable on purpose
    return Faults(
        launches=_script(chance, LAUNCH_FAULTS, 2 * manifests),
        clusters=_script(chance, CLUSTER_FAULTS, 2 * manifests),
        events=_script(chance, EVENT_FAULTS, 20 * manifests),
        instant_steps=True,
        on_instant_step=on_instant_step,
        starting_seconds=0.2,
        slow_starting_seconds=3.0,
        bootstrapping_seconds=0.1,
    )


def _manifest(chance: random.Random, number: int, image_prefix: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "version": 1,
        "dataset": f"chaos-{number:04d}",
        "images": {"prefixes": [image_prefix]},
        "cluster": {"workers": chance.randint(1, 4), "market": chance.choice(["spot", "on_demand"])},
        "when_deleted": chance.choice(["nothing", "stop"]),
        "notify": chance.random() < 0.2,
    }
    if chance.random() < REJECTED_SHARE:
        wrong: dict[str, Any] = chance.choice(
            [
                {"engine": "fst"},
                {"dataset": 7},
                {"limits": {"max_cost_eur": 0.01}},
                {"pca": {"components": 0}},
            ]
        )
        document |= wrong
    return document


def _script(chance: random.Random, shares: dict[Any, float], length: int) -> tuple[Any, ...]:
    kinds = [*shares, None]
    weights = [*shares.values(), 1 - sum(shares.values())]
    return tuple(chance.choices(kinds, weights, k=length))
