"""Listing in key order against an endpoint that pages as S3 does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark.datasets import listing
from spark.errors import StepFailedError
from tests.spark.listed_bucket import ListingBucket
from tests.spark.s3_endpoint import serving


@pytest.fixture(scope="module")
def bucket() -> Iterator[ListingBucket]:
    server = ListingBucket()
    with serving(server):
        yield server


NAME = st.text("ab-.~é ", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
KEY = st.lists(NAME, min_size=1, max_size=4).map("/".join)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sets(KEY, max_size=60))
def test_every_key_is_listed_once_and_in_order_however_folders_are_nested(
    bucket: ListingBucket, keys: set[str]
) -> None:
    bucket.keys = {f"images/{key}" for key in keys} | {"imagesque/1.jpg"}
    listed = [item.uri for item in listing.list_in_order("s3://photos/images/")]
    assert listed == sorted(f"s3://photos/images/{key}" for key in keys)


def test_nested_folders_are_opened_until_there_are_enough(bucket: ListingBucket) -> None:
    bucket.keys = {f"images/set/{part}/{kind}/1.jpg" for part in ("Test", "Training") for kind in range(20)}
    division = listing.divide("s3://photos/images/")
    assert len(division.leaves) == 40
    assert division.objects == ()


def test_a_flat_folder_is_not_opened(bucket: ListingBucket) -> None:
    bucket.keys = {f"images/{number:05d}.jpg" for number in range(100)}
    assert listing.divide("s3://photos/images/") == listing.Division(("s3://photos/images/",), ())


def test_a_flat_folder_of_many_keys_is_listed_from_several_places_at_once(bucket: ListingBucket) -> None:
    names = [f"{number:04d} é+&.jpg" for number in range(300)]
    bucket.keys = {f"images/{name}" for name in names} | {"imagesque/1.jpg"}
    bucket.begun_behind = []
    listed = [item.uri for item in listing.list_in_order("s3://photos/images/")]
    assert listed == [f"s3://photos/images/{name}" for name in names]
    assert len(set(bucket.begun_behind)) > 4


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (
            403,
            "<Error><Code>AccessDenied</Code><Message>No.</Message></Error>",
            "aws: not allowed to list .*No",
        ),
        (404, "<Error><Code>NoSuchBucket</Code></Error>", "user: cannot list .*: there is no such bucket"),
        (501, "<Error><Code>NotImplemented</Code></Error>", "aws: could not list .*: NotImplemented"),
        (200, "<ListBucketResult><Contents>", "aws: could not list .*: the answer is no XML"),
    ],
)
def test_a_listing_that_s3_refuses_says_who_has_to_do_what(
    status: int, body: str, error: str, bucket: ListingBucket
) -> None:
    bucket.refusal = (body.encode(), status)
    try:
        with pytest.raises(StepFailedError, match=error):
            list(listing.list_in_order("s3://photos/images/"))
    finally:
        bucket.refusal = None
