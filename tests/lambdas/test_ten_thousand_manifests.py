"""Ten thousand manifests, each accepted, or refused for a reason that names the field.

Each starts as a good manifest and is changed where manifests are really wrong: types, names, bounds, nesting,
encodings, torn files. Seeded: the same ten thousand every time.
"""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lambdas.contract.manifest.faults import ManifestError
from lambdas.contract.manifest.schema import parse_manifest
from lambdas.runs.dispatch import Outcome
from tests.contract.test_manifest import FULL, SMALLEST

from .fakes import FakeBuckets
from .world import BUCKET, World

MANIFESTS = 10_000
SEED = 360

Place = tuple[str | int, ...]
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    7,
    10**30,
    0.5,
    -0.0,
    float("nan"),
    float("inf"),
    "",
    " ",
    "fast",
    "s3://",
    "s3://bkt/a/",
    "http://bkt/a/",
    "s3://BKT/a/",
    "s3://1.2.3.4/a/",
    "../" * 5,
    "(",
    "(a)" * 80,
    "é" * 70,
    "\x00",
    "\ud800",
    "x" * 5000,
    [],
    [[]],
    [None],
    ["s3://bkt/a/", "s3://bkt/a/b/"],
    {},
    {"": 1},
    {"regex": "(a+)+$"},
    {"prefixes": ["s3://bkt/a/"], "keys": ["s3://bkt/b"]},
)


@dataclass(frozen=True)
class Broken:
    """A manifest's bytes and the top-level fields that were touched; None: anything may be wrong."""

    body: bytes
    touched: frozenset[str] | None


def places_in(node: Any, path: Place = ()) -> list[Place]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for step, child in children for place in ((*path, step), *places_in(child, (*path, step)))]


def parent_of(document: Any, place: Place) -> Any:
    for step in place[:-1]:
        document = document[step]
    return document


def replace_value(rng: random.Random, document: Any, place: Place) -> None:
    parent_of(document, place)[place[-1]] = copy.deepcopy(rng.choice(VALUES))


def remove(rng: random.Random, document: Any, place: Place) -> None:
    del parent_of(document, place)[place[-1]]


def misspell(rng: random.Random, document: Any, place: Place) -> None:
    parent, key = parent_of(document, place), place[-1]
    if isinstance(parent, dict):
        letters = list(str(key))
        letters[rng.randrange(len(letters))] = rng.choice("abcxyz_-A é")
        parent["".join(letters)] = parent.pop(key)


def put_into_another(rng: random.Random, document: Any, place: Place) -> None:
    document[rng.choice(list(document))] = copy.deepcopy(parent_of(document, place)[place[-1]])


def wrap(rng: random.Random, document: Any, place: Place) -> None:
    parent = parent_of(document, place)
    parent[place[-1]] = rng.choice(
        [[parent[place[-1]]], {"value": parent[place[-1]]}, str(parent[place[-1]])]
    )


def scale(rng: random.Random, document: Any, place: Place) -> None:
    parent = parent_of(document, place)
    if type(parent[place[-1]]) in (int, float):
        parent[place[-1]] = parent[place[-1]] * rng.choice([-1, 0, 0.1, 2, 10, 1000, 10**9])


CHANGES: tuple[Callable[[random.Random, Any, Place], None], ...] = (
    replace_value,
    remove,
    misspell,
    put_into_another,
    wrap,
    scale,
)


def tear(rng: random.Random, body: bytes) -> bytes:
    """What happens to files: cut, flipped, doubled, saved in another encoding."""
    where = rng.randrange(len(body))
    return rng.choice(
        [
            body[:where],
            body[:where] + bytes([rng.randrange(256)]) + body[where + 1 :],
            body + body,
            b"\xef\xbb\xbf" + body,
            body.decode(errors="replace").encode("utf-16"),
            body.replace(b":", b"=", 1),
            body.replace(b'"', b"'"),
            body.replace(b"{", b"[" * rng.choice([1, 2000]), 1),
            body[:-1] + b', "version": 1}',
        ]
    )


def broken_manifest(rng: random.Random) -> Broken:
    before = rng.choice([SMALLEST, FULL])
    document = copy.deepcopy(before)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        if places := places_in(document):
            rng.choice(CHANGES)(rng, document, rng.choice(places))
    body = json.dumps(document).encode()
    if rng.random() < 0.15:
        return Broken(tear(rng, body), None)
    keys = before.keys() | document.keys()
    missing = object()
    touched = {key for key in keys if repr(before.get(key, missing)) != repr(document.get(key, missing))}
    return Broken(body, frozenset(touched))


class NothingMayBeAsked:
    """A bucket, ledger or cluster service that nobody may call yet."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called before the manifest was known to be valid")


@pytest.mark.slow
def test_ten_thousand_broken_manifests_are_accepted_or_refused_by_field_before_anything_is_asked() -> None:
    rng = random.Random(SEED)  # noqa: S311  # to be repeatable is the point
    outcomes: Counter[str] = Counter()
    for _ in range(MANIFESTS):
        broken = broken_manifest(rng)
        try:
            parse_manifest(broken.body)
        except ManifestError as error:
            outcomes["refused"] += 1
            for fault in error.faults:
                assert fault.problem, broken
                assert fault.remedy, broken
                assert names_what_was_touched(fault.path, broken), (fault, broken)
            assert_only_a_rejection_is_written(broken.body, len(error.faults))
        else:
            outcomes["accepted"] += 1
            assert_launched(broken.body)
    assert sum(outcomes.values()) == MANIFESTS
    assert min(outcomes["refused"], outcomes["accepted"]) > MANIFESTS / 20, outcomes


def names_what_was_touched(path: str, broken: Broken) -> bool:
    if broken.touched is None:
        return path.startswith("$")
    section = path.removeprefix("$").lstrip(".").split(".")[0].split("[")[0]
    odd_key = path.startswith('$["') and any(not key.isidentifier() for key in broken.touched)
    # Size, type and time of the cluster decide the cost, which the cost limit answers for.
    costs = section == "limits" and "cluster" in broken.touched
    return section in broken.touched or odd_key or costs


def assert_only_a_rejection_is_written(body: bytes, faults: int) -> None:
    world = World()
    world.ledger = world.buckets = world.clusters = NothingMayBeAsked()  # type: ignore[assignment]  # on purpose
    world.configure()
    result = world.launch(world.upload(body))
    assert result.outcome is Outcome.REJECTED
    assert len(world.rejection()["faults"]) == faults


def assert_launched(body: bytes) -> None:
    """Accepted means that the whole launcher accepts it, or finds the images missing."""
    world = World()
    world.buckets = FakeBuckets({BUCKET: "eu-west-1", "my-bucket": "eu-west-1"})
    world.configure()
    result = world.launch(world.upload(body))
    assert result.outcome in (Outcome.LAUNCHED, Outcome.REJECTED)
