"""A bucket in memory that is listed and read as S3's are, odd keys for it, and what the launcher counts."""

from __future__ import annotations

from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote_plus, unquote, urlsplit
from xml.sax.saxutils import escape

from hypothesis import strategies as st

from lambdas.contract.listing_summary import ListingSummary
from lambdas.contract.manifest.schema import Images
from lambdas.contract.plan import Plan, Source
from lambdas.runs.preflight import preflight
from tests.lambdas.fakes import FakeBuckets
from tests.spark.conftest import PlanFactory
from tests.spark.s3_endpoint import S3Answer

SPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
PAGE = 7
"""Keys an answer, so that small buckets have pages too."""


class ListingBucket(ThreadingHTTPServer):
    """ListObjectsV2 over a set of keys: prefix, delimiter, where to begin and how to go on; GET answers with
    what is in ``contents``, where None is an object that is gone, or with the key."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.keys: set[str] = set()
        self.contents: dict[str, bytes | None] = {}
        self.prefixes: list[str] = []
        self.begun_behind: list[str] = []
        self.refusal: tuple[bytes, int] | None = None

    def page(self, prefix: str, delimiter: str, after: str, most: int) -> tuple[list[str], list[str], bool]:
        """Keys, common prefixes, and whether there are more than ``most`` of both."""
        found: dict[str, bool] = {}
        for key in sorted(key for key in self.keys if key.startswith(prefix)):
            rest = key[len(prefix) :]
            folder = bool(delimiter) and delimiter in rest
            found[prefix + rest.split(delimiter)[0] + delimiter if folder else key] = folder
        names = [name for name in found if name > after]
        page = names[:most]
        keys, folders = ([n for n in page if found[n] is folder] for folder in (False, True))
        return keys, folders, len(names) > most


class _Answer(S3Answer):
    server: ListingBucket

    def found(self) -> tuple[bytes, int]:
        if self.server.refusal:
            return self.server.refusal
        path, _, asked = self.path.partition("?")
        if not asked:
            key = unquote(path.removeprefix("/photos/"))
            content = self.server.contents.get(key, key.encode())
            return (content, 200) if key in self.server.keys and content is not None else (b"", 404)
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        self.server.prefixes.append(prefix)
        most = min(PAGE, int(query.get("max-keys", PAGE)))
        if most == PAGE and "continuation-token" not in query:
            self.server.begun_behind.append(query.get("start-after", ""))
        keys, folders, more = self.server.page(prefix, delimiter, _begins_behind(query), most)
        # As S3 does, since XML cannot hold every character.
        encoded = query.get("encoding-type") == "url"
        name = quote_plus if encoded else escape
        sizes = {key: len(self.server.contents.get(key) or key) for key in keys}
        contents = "".join(
            f"<Contents><Key>{name(key)}</Key><Size>{sizes[key]}</Size><ETag>&quot;{len(key)}&quot;</ETag>"
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


def _begins_behind(query: dict[str, str]) -> str:
    token = query.get("continuation-token")
    return query.get("start-after", "") if token is None else bytes.fromhex(token).decode()


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
