"""An earlier run's PCA that a manifest asks for is looked for before anything is paid for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

import pytest

from lambdas.contract.manifest.faults import Fault
from lambdas.runs.dispatch import Outcome
from lambdas.runs.ports import BucketDenied, Found
from lambdas.runs.preflight import model_faults

from .fakes import FakeBuckets
from .preflights import DATA, OTHER
from .world import BUCKET, World

EARLIER = "models/pca/fruits/fruits-0123456789ab/"


def test_a_model_that_an_earlier_run_has_saved_may_be_applied(world: World) -> None:
    world.buckets.keys[BUCKET].append(f"{EARLIER}model.json")
    assert world.launched(pca={"model": f"s3://{BUCKET}/{EARLIER}"}).outcome is Outcome.LAUNCHED


def test_a_model_that_does_not_exist_is_refused_with_the_nearest_before_anything_is_launched(
    world: World,
) -> None:
    world.buckets.keys[BUCKET].append(f"{EARLIER}model.json")
    uri = f"s3://{BUCKET}/models/pca/fruits/fruits-0123456789a/"
    assert world.launched(pca={"model": uri}).outcome is Outcome.REJECTED
    assert not world.clusters.requests
    assert world.rejection()["faults"] == [
        {
            "path": "$.pca.model",
            "problem": f"is {uri}, where no run has saved a model",
            "remedy": "Name the folder below models/pca/ of a completed run, or leave pca.model out.",
            "nearest": f"s3://{BUCKET}/{EARLIER}",
        }
    ]


def test_a_model_that_is_not_whole_is_none(buckets: FakeBuckets) -> None:
    buckets.keys[DATA] = [f"{EARLIER}model.npz", f"{EARLIER}model.json.old"]
    (fault,) = model_faults(f"s3://{DATA}/{EARLIER}", DATA, buckets)
    assert fault.problem.endswith("where no run has saved a model")


def test_what_is_wrong_with_images_and_model_is_told_at_once(world: World) -> None:
    world.launched(
        images={"prefixes": [f"s3://{BUCKET}/images/none/"]}, pca={"model": f"s3://{BUCKET}/{EARLIER}"}
    )
    assert [fault["path"] for fault in world.rejection()["faults"]] == [
        "$.images.prefixes[0]",
        "$.pca.model",
    ]


@pytest.mark.parametrize("region", ["eu-west-3", "us-east-1"])
def test_a_model_in_a_bucket_that_the_steps_cannot_read_is_refused(buckets: FakeBuckets, region: str) -> None:
    buckets.regions[OTHER] = region
    (fault,) = model_faults(f"s3://{OTHER}/{EARLIER}", DATA, buckets)
    assert fault.path == "$.pca.model"
    assert region in fault.problem
    assert fault.remedy.startswith("Copy what it holds to a bucket in ")


class Closed(FakeBuckets):
    """The bucket is there, and may not be listed."""

    def pages(self, bucket: str, prefix: str) -> NoReturn:
        raise BucketDenied(self.regions[bucket])


def test_a_model_where_the_stack_may_not_look_is_refused() -> None:
    buckets = Closed({DATA: "eu-west-1"})
    assert model_faults(f"s3://{DATA}/{EARLIER}", DATA, buckets) == [
        Fault(
            "$.pca.model",
            f"is s3://{DATA}/{EARLIER}, but the stack may not list the bucket {DATA} there",
            "Check the name. If it is right, add the bucket to the stack's `imageBuckets` and run "
            "`pulumi up`.",
        )
    ]


class Silent(FakeBuckets):
    """Lists nothing, not even a page of nothing."""

    def pages(self, bucket: str, prefix: str) -> Iterator[tuple[Found, ...]]:
        return iter(())


def test_a_model_where_nothing_is_listed_is_none() -> None:
    (fault,) = model_faults(f"s3://{DATA}/{EARLIER}", DATA, Silent({DATA: "eu-west-1"}))
    assert fault.problem.endswith("where no run has saved a model")


@pytest.mark.parametrize("folder", ["models/pca/fruits/", "models/pca/", EARLIER])
def test_what_is_refused_is_not_what_is_proposed(world: World, folder: str) -> None:
    name = "model.npz" if folder == EARLIER else "model.json"
    world.buckets.keys[BUCKET].append(f"{EARLIER}{name}")
    world.launched(pca={"model": f"s3://{BUCKET}/{folder}"})
    assert world.rejection()["faults"][0]["nearest"] is None
