"""Listing in key order against an endpoint that pages as S3 does."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark.datasets import listing
from tests.spark.s3_endpoint import S3Answer, serving

PAGE = 7
"""Keys an answer, so that small buckets have pages too."""


class ListingBucket(ThreadingHTTPServer):
    """ListObjectsV2 over a set of keys: prefix, delimiter and continuation."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.keys: set[str] = set()
        self.prefixes: list[str] = []

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
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        self.server.prefixes.append(prefix)
        keys, folders, more = self.server.page(prefix, delimiter, query.get("continuation-token", ""))
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>5</Size><ETag>&quot;{len(key)}&quot;</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in keys
        )
        contents += "".join(
            f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders
        )
        if more:
            contents += f"<NextContinuationToken>{escape(max(keys + folders))}</NextContinuationToken>"
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        body = f"<ListBucketResult>{truncated}{contents}</ListBucketResult>"
        return body.encode(), 200


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
