"""What is uploaded and delivered, and what goes wrong. All drawn from one seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from infra.local.emr.injected_failures import ClusterFailure, EventFailure, InjectedFailures, LaunchFailure
from infra.local.service_failures import ServiceFailure
from lambdas.contract.cost.prices import worst_case_eur
from lambdas.contract.manifest.schema import Cluster

POISONED_SHARE = 0.06
"""Of the manifests: something is wrong with their run alone. Of the runs of `make chaos`, 5 %."""
REJECTED_SHARE = 0.1
"""Of the manifests: wrong in a way that their rejection must name."""
DELETED_SHARE = 0.05
SECOND_VERSION_SHARE = 0.08
"""Of the manifests that follow another: a newer version under its name."""
NOTIFIED_SHARE = 0.5
WORKBENCHES = ("explore", "figures")
"""Names."""
LONGEST_HOURS = 3
WRONG_HOURS = 13
REPLACING_WORKBENCHES_SHARE = 0.3
DELETED_WORKBENCHES_SHARE = 0.2
MAX_COPIES = 5
ORPHANS = 3
"""Clusters of this stack that nobody's run asked for. They come first, and nothing befalls them."""
MAX_RUNTIME_MINUTES = 60
OVERRUN_MINUTES = 1
"""By so much a cluster whose step hangs is overdue."""
COST_MARGIN = 1.1
"""What a manifest may cost, as a multiple of its worst case: little, so that going beyond it shows."""
LAUNCH_FAILURES = {
    LaunchFailure.THROTTLED: 0.08,
    LaunchFailure.THROTTLED_BUT_CREATED: 0.06,
    LaunchFailure.ANSWER_LOST: 0.03,
    LaunchFailure.CALLER_KILLED_BEFORE: 0.02,
    LaunchFailure.CALLER_KILLED_AFTER: 0.02,
}
CLUSTER_FAILURES = {
    ClusterFailure.SPOT_TIMEOUT: 0.08,
    ClusterFailure.BOOTSTRAP_FAILURE: 0.05,
    ClusterFailure.STEP_FAILURE: 0.05,
    ClusterFailure.SLOW_START: 0.02,
    ClusterFailure.HUNG_STEP: 0.01,
}
DEFAULT_TYPES = Cluster().instance_types
EVENT_FAILURES = {EventFailure.LOST: 0.15, EventFailure.DUPLICATED: 0.15}
SERVICE_FAILURES = {
    ServiceFailure.THROTTLED: 0.01,
    ServiceFailure.THROTTLED_FOR_LONG: 0.001,
    ServiceFailure.SLOW: 0.001,
    ServiceFailure.ANSWER_LOST: 0.001,
}
"""Of the functions' calls of DynamoDB, and of S3."""
CALLS_PER_MANIFEST = 150
MANIFESTS_PER_REFUSED_MESSAGE = 15
"""The topic is dead from the beginning until it has refused one message for so many manifests: so many that
several runs meet it, and meet it again, and not so many that the pauses between outlast the load test."""


class Poison(Enum):
    """What is wrong with one run alone, from its acceptance on."""

    PLAN_SPOILED = "plan that is no JSON"
    PLAN_NEWER = "plan of a newer release"
    REPORT_SPOILED = "report that is no JSON"
    RECORD_NEWER = "record of a newer release"

    @property
    def lets_start(self) -> bool:
        """Whether the run gets a cluster all the same."""
        return self is Poison.REPORT_SPOILED


@dataclass(frozen=True)
class Upload:
    """One manifest version to upload. ``copies``: deliveries of its event while the load test lasts;
    ``replays``: deliveries after all runs ended; ``deleted``: a deletion is delivered too."""

    key: str
    manifest: dict[str, Any]
    copies: int
    replays: int
    deleted: bool
    poison: Poison | None = None


def draw_uploads(
    seed: int, manifests: int, deliveries: int, image_prefix: str, poisoned_share: float = 0.0
) -> list[Upload]:
    """``manifests`` uploads whose events are delivered ``deliveries`` times in all. What else is drawn does
    not depend on which are poisoned: with and without poison, the load is the same."""
    chance = random.Random(seed)  # noqa: S311  # repeatable on purpose
    poisoner = random.Random(seed + 3)  # noqa: S311  # as above
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
        poisoned = poisoner.random() < poisoned_share
        poison = poisoner.choice([*Poison]) if poisoned else None
        uploads.append(Upload(key, document, copies[number] - replays, replays, deleted, poison))
    return uploads


def draw_workbenches(seed: int, number: int) -> list[Upload]:
    """``number`` uploads, at least two, of few names. The first and the last are of one name and of an hour;
    with more of them, some last longer, are faulty, replace another one, or are deleted."""
    chance = random.Random(seed + 5)  # noqa: S311  # repeatable on purpose
    uploads: list[Upload] = []
    for place in range(number):
        is_plain = place in (0, number - 1)
        key = f"manifests/workbench-{place:02d}.json"
        faulty = not is_plain and chance.random() < REJECTED_SHARE
        if not is_plain and not faulty and chance.random() < REPLACING_WORKBENCHES_SHARE:
            key = uploads[-1].key if "hours" in uploads[-1].manifest["workbench"] else key
        hours = WRONG_HOURS if faulty else 1 if is_plain else chance.randint(1, LONGEST_HOURS)
        bench = {"name": "explore" if is_plain else chance.choice(WORKBENCHES), "hours": hours, "workers": 1}
        document: dict[str, Any] = {
            "version": 1,
            "workbench": bench,
            "when_deleted": chance.choice(["nothing", "stop"]),
            "notify": chance.random() < NOTIFIED_SHARE,
        }
        copies, replays = (2, 0) if is_plain else (chance.randint(1, 3), chance.randint(0, 1))
        deleted = not is_plain and chance.random() < DELETED_WORKBENCHES_SHARE
        uploads.append(Upload(key, document, copies, replays, deleted))
    return uploads


def event(name: str, bucket: str, key: str, version_id: str, sequencer: str) -> dict[str, Any]:
    """What S3 tells of an object."""
    s3_object = {"key": key, "versionId": version_id, "sequencer": sequencer}
    record = {
        "eventName": name,
        "eventTime": "2026-01-01T00:00:00.000Z",
        "s3": {"bucket": {"name": bucket}, "object": s3_object},
    }
    return {"Records": [record]}


def draw_failures(
    seed: int, manifests: int, on_instant_step: Callable[[Sequence[str]], None]
) -> InjectedFailures:
    """Scripts long enough for every launch of so many manifests; after them all is well.

    Each failure comes early at least once, so that even a small load test has them all.
    """
    chance = random.Random(seed + 1)  # noqa: S311  # repeatable on purpose
    return InjectedFailures(
        launches=(None,) * ORPHANS + _script(chance, LAUNCH_FAILURES, 2 * manifests),
        clusters=(None,) * ORPHANS + _script(chance, CLUSTER_FAILURES, 2 * manifests),
        events=_script(chance, EVENT_FAILURES, 20 * manifests),
        instant_steps=True,
        on_instant_step=on_instant_step,
        # Long enough that clusters get in each other's way, as far as the caps let them.
        starting_seconds=2.0,
        slow_starting_seconds=8.0,
        bootstrapping_seconds=0.5,
        hung_seconds=(MAX_RUNTIME_MINUTES + OVERRUN_MINUTES) * 60.0,
    )


def draw_service_failures(seed: int, manifests: int) -> dict[str, tuple[ServiceFailure | None, ...]]:
    """What the services' calls meet, by service; as for EMR, each failure early at least once."""
    chance = random.Random(seed + 4)  # noqa: S311  # repeatable on purpose
    calls = CALLS_PER_MANIFEST * manifests
    return {
        "dynamodb": _script(chance, SERVICE_FAILURES, calls),
        "s3": _script(chance, SERVICE_FAILURES, calls),
        "sns": (ServiceFailure.REFUSED,) * max(1, manifests // MANIFESTS_PER_REFUSED_MESSAGE),
    }


def _manifest(chance: random.Random, number: int, image_prefix: str) -> dict[str, Any]:
    workers = chance.randint(1, 8)
    worst_case = worst_case_eur(DEFAULT_TYPES, workers, MAX_RUNTIME_MINUTES)
    document: dict[str, Any] = {
        "version": 1,
        "dataset": f"chaos-{number:04d}",
        "images": {"prefixes": [image_prefix]},
        "cluster": {"workers": workers, "market": chance.choice(["spot", "on_demand"])},
        "limits": {
            "max_runtime_minutes": MAX_RUNTIME_MINUTES,
            "max_cost_eur": math.ceil(worst_case * COST_MARGIN * 100) / 100,
        },
        "when_deleted": chance.choice(["nothing", "stop"]),
        "notify": chance.random() < NOTIFIED_SHARE,
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
    front = [*shares, *[None for _ in shares]]
    chance.shuffle(front)
    kinds = [*shares, None]
    weights = [*shares.values(), 1 - sum(shares.values())]
    return (*front, *chance.choices(kinds, weights, k=length))
