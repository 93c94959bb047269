"""A data bucket and another one with images, and what the preflight says of them."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.contract.manifest.faults import Fault
from lambdas.contract.manifest.schema import Images
from lambdas.runs.preflight import Preflight, preflight

from .fakes import FakeBuckets

DATA, OTHER = "data-bucket", "other-bucket"


@pytest.fixture
def buckets() -> FakeBuckets:
    buckets = FakeBuckets({DATA: "eu-west-1", OTHER: "eu-west-1"})
    buckets.keys[DATA] = ["images/", "images/apple/1.jpg", "images/apple/2.JPG", "images/notes.txt"]
    buckets.keys[OTHER] = ["pears/1.png", "pears/2.webp"]
    return buckets


def looked_at(buckets: FakeBuckets, *, in_time: bool = True, **images: Any) -> Preflight:
    return preflight(Images(**images), DATA, buckets, lambda: not in_time)


def counted(result: Preflight) -> int:
    assert result.faults == ()
    return result.images_listed


def only_fault(buckets: FakeBuckets, *prefixes: str, **images: Any) -> Fault:
    (fault,) = looked_at(buckets, prefixes=prefixes, **images).faults
    return fault
