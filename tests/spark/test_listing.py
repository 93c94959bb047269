"""Listing in key order against an endpoint that pages as S3 does."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote_plus, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.contract.listing_summary import ListingSummary
from lambdas.contract.manifest.schema import Images
from lambdas.contract.plan import Plan, Source
from lambdas.contract.report import QuarantineReason
from lambdas.runs.preflight import preflight
from spark.datasets import listing
from spark.datasets.index import list_images
from spark.datasets.object_store import read_if_below
from spark.datasets.unreadable import ObjectUnreadableError
from spark.errors import StepFailedError
from tests.lambdas.fakes import FakeBuckets
from tests.spark.conftest import PlanFactory
from tests.spark.s3_endpoint import S3Answer, serving

SPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
PAGE = 7
"""Keys an answer, so that small buckets have pages too."""


class ListingBucket(ThreadingHTTPServer):
    """ListObjectsV2 over a set of keys: prefix, delimiter and continuation; GET answers with the key."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.keys: set[str] = set()
        self.prefixes: list[str] = []
        self.refusal: tuple[bytes, int] | None = None

    def page(self, prefix: str, delimiter: str, after: str) -> tuple[list[str], list[str], bool]:
        """Keys, common prefixes, and whether there are more."""
        found: dict[str, bool] = {}
        for key in sorted(key for key in self.keys if key.startswith(prefix)):
            rest = key[len(prefix) :]
            folder = bool(delimiter) and delimiter in rest
            found[prefix + rest.split(delimiter)[0] + delimiter if folder else key] = folder
        names = [name for name in found if name > after]
        page = names[:PAGE]
        keys, folders = ([n for n in page if found[n] is folder] for folder in (False, True))
        return keys, folders, len(names) > PAGE


class _Answer(S3Answer):
    server: ListingBucket

    def found(self) -> tuple[bytes, int]:
        if self.server.refusal:
            return self.server.refusal
        path, _, asked = self.path.partition("?")
        if not asked:
            key = unquote(path.removeprefix("/photos/"))
            return (key.encode(), 200) if key in self.server.keys else (b"", 404)
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        self.server.prefixes.append(prefix)
        keys, folders, more = self.server.page(prefix, delimiter, _of_token(query))
        # As S3 does, since XML cannot hold every character.
        encoded = query.get("encoding-type") == "url"
        name = quote_plus if encoded else escape
        contents = "".join(
            f"<Contents><Key>{name(key)}</Key><Size>5</Size><ETag>&quot;{len(key)}&quot;</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in keys
        )
        contents += "".join(
            f"<CommonPrefixes><Prefix>{name(folder)}</Prefix></CommonPrefixes>" for folder in folders
        )
        if more:
            token = max(keys + folders).encode().hex()
            contents += f"<NextContinuationToken>{token}</NextContinuationToken>"
        contents += "<EncodingType>url</EncodingType>" if encoded else ""
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        body = f"<ListBucketResult{SPACE}>{truncated}{contents}</ListBucketResult>"
        return body.encode(), 200


def _of_token(query: dict[str, str]) -> str:
    return bytes.fromhex(query.get("continuation-token", "")).decode()


@pytest.fixture(scope="module")
def bucket() -> Iterator[ListingBucket]:
    server = ListingBucket()
    with serving(server):
        yield server


NAME = st.text("ab-.~é ", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
KEY = st.lists(NAME, min_size=1, max_size=4).map("/".join)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


ODD = st.sampled_from(
    [
        "a.jpg",
        "B.JPG",
        "c.webp",
        "._d.jpg",
        "__MACOSX",
        ".DS_Store",
        "e f+%20?#&=.jpg",
        "c1\x85\u2028.jpg",
        "back\\.jpg",
        "x",
        "é.jpg",
    ]
) | st.sampled_from(["", ".", "..", "tab\t.jpg", "new\nline.jpg", "del\x7f.jpg", "\x01.jpg"])
ODD_KEY = st.lists(ODD, min_size=1, max_size=3).map("/".join)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(ODD_KEY, max_size=20))
def test_whatever_keys_there_are_what_the_launcher_counts_is_listed_and_read_or_quarantined_one_by_one(
    bucket: ListingBucket, make_plan: PlanFactory, names: set[str]
) -> None:
    bucket.keys = {f"images/{name}" for name in names}
    found = ListingSummary()
    images = list(list_images(plan_of_bucket(make_plan), found))
    assert found == counted_by_the_launcher(bucket.keys)
    assert found.listed == len(bucket.keys)
    assert found.images == len(images)
    reasons = [refusal(image.path) for image in images]
    quarantined = reasons.count(QuarantineReason.UNADDRESSABLE)
    read = reasons.count(None)
    assert quarantined == found.unaddressable
    # out + quarantined + skipped = listed
    assert read + quarantined + sum(found.skipped.values()) == len(bucket.keys)


def refusal(uri: str) -> QuarantineReason | None:
    """Why the image would be quarantined; None where the very object of its key was read."""
    try:
        content = read_if_below(uri, 1000, lambda: None)
    except ObjectUnreadableError as unreadable:
        return unreadable.reason
    assert content == uri.removeprefix("s3://photos/").encode()
    return None


def plan_of_bucket(make_plan: PlanFactory) -> Plan:
    return make_plan(Path("/nowhere"), Path(), sources=(Source("s3://photos/images/"),), suffixes=(".jpg",))


def counted_by_the_launcher(keys: set[str]) -> ListingSummary:
    buckets = FakeBuckets({"photos": "eu-west-1"})
    buckets.keys["photos"] = sorted(keys)
    images = Images(prefixes=["s3://photos/images/"], suffixes=[".jpg"])  # type: ignore[arg-type]
    return preflight(images, "data", FakeHome(buckets), lambda: False).listing


class FakeHome(FakeBuckets):
    """Those buckets, and an empty one of the stack's own."""

    def __init__(self, buckets: FakeBuckets) -> None:
        super().__init__({**buckets.regions, "data": "eu-west-1"})
        self.keys |= buckets.keys


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
