"""Listing S3 buckets with their keys exactly as they are.

The client that reads objects (:mod:`spark.datasets.object_store`) makes paths of keys: it fails over a whole
page for one key that it cannot address, and drops the '/' at the end of a placeholder's. So one odd key would
cost all images, or pass for another. botocore does neither, but needs 65 ms for a page of a thousand objects,
in which the driver does nothing else. So botocore signs, and the answer is read here: 7 ms.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import unquote_plus
from xml.etree import ElementTree

import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.session import get_session

from spark.datasets.object_store import Folder, Listed, not_allowed, not_answered, split_uri
from spark.errors import StepFailedError

CONNECTIONS = 16
PATIENCE = urllib3.Timeout(connect=5, read=60)
RETRIES = urllib3.Retry(
    total=9,
    backoff_factor=0.4,
    backoff_max=20,
    backoff_jitter=0.4,
    status_forcelist=(429, 500, 502, 503, 504),
    raise_on_status=False,
)
SIGNED_FOR_SECONDS = 900
_TAG = re.compile(r"<[^>]*>")
_OK, _FORBIDDEN, _NOT_FOUND = 200, (400, 401, 403), 404


class BucketListing:
    """What lists, for as many threads at once as there are ``CONNECTIONS``.

    ``region``: None takes botocore's. ``authorities``: a file of certificates; None takes the system's.
    """

    def __init__(self, region: str | None, authorities: str | None) -> None:
        config = Config(signature_version="s3v4")
        self._signer: Any = get_session().create_client("s3", region_name=region, config=config)
        self._http = urllib3.PoolManager(
            maxsize=CONNECTIONS, block=True, timeout=PATIENCE, retries=RETRIES, ca_certs=authorities
        )

    def below(self, uri: str) -> Iterator[Listed]:
        """All objects below ``uri`` (``s3://bucket/prefix/``) in the order of their keys.

        Raises:
            StepFailedError: S3 refuses or does not answer.
        """
        for page in self._pages(uri, delimiter=""):
            yield from page.objects

    def folder(self, uri: str) -> Folder:
        """What is directly below ``uri``; raises as :meth:`below`."""
        pages = list(self._pages(uri, delimiter="/"))
        return Folder(
            tuple(folder for page in pages for folder in page.folders),
            tuple(item for page in pages for item in page.objects),
        )

    def _pages(self, uri: str, delimiter: str) -> Iterator[Folder]:
        root, prefix = split_uri(uri)
        query = {"Bucket": root.partition("://")[2], "Prefix": prefix, "Delimiter": delimiter}
        while True:
            # URL encoding, because XML cannot hold every character that a key may.
            body = self._answer(uri, {**query, "EncodingType": "url"})
            try:
                answer = _Answer(body)
            except ElementTree.ParseError as error:
                raise not_answered("list", uri, f"the answer is no XML: {error}") from error
            yield answer.page(root)
            token = answer.next_token
            if token is None:
                return
            query["ContinuationToken"] = token

    def _answer(self, uri: str, query: dict[str, str]) -> bytes:
        try:
            url = self._signer.generate_presigned_url("list_objects_v2", query, SIGNED_FOR_SECONDS)
        except BotoCoreError as error:
            raise not_allowed("list", uri, str(error)) from error
        try:
            answer = self._http.request("GET", url)
        except urllib3.exceptions.HTTPError as error:
            raise not_answered("list", uri, str(error)) from error
        if answer.status == _OK:
            return answer.data
        # Its code and message, without the tags around.
        said = " ".join(_TAG.sub(" ", answer.data[:1000].decode(errors="replace")).split())
        if answer.status == _NOT_FOUND:
            correct = "correct the bucket in the manifest"
            raise StepFailedError("user", f"cannot list {uri}: there is no such bucket", correct)
        raise (not_allowed if answer.status in _FORBIDDEN else not_answered)("list", uri, said)


class _Answer:
    """ListObjectsV2's answer. Source: Amazon S3 API reference, "ListObjectsV2"."""

    def __init__(self, body: bytes) -> None:
        self._root = ElementTree.fromstring(body)  # noqa: S314  # S3's own, over a signed and encrypted request
        self._space = self._root.tag.removesuffix("ListBucketResult")  # in braces, or nothing
        self._is_encoded = self._text("EncodingType") == "url"
        self.next_token = self._text("NextContinuationToken") if self._text("IsTruncated") == "true" else None

    def page(self, root: str) -> Folder:
        """Its objects and folders below the bucket whose URI is ``root``."""
        prefix, contents = f"{self._space}CommonPrefixes", f"{self._space}Contents"
        return Folder(
            tuple(f"{root}/{self._name(entry, 'Prefix')}" for entry in self._root.iter(prefix)),
            tuple(
                Listed(
                    f"{root}/{self._name(entry, 'Key')}",
                    int(entry.findtext(f"{self._space}Size") or 0),
                    entry.findtext(f"{self._space}ETag"),
                )
                for entry in self._root.iter(contents)
            ),
        )

    def _name(self, entry: ElementTree.Element, tag: str) -> str:
        name = entry.findtext(f"{self._space}{tag}") or ""
        return unquote_plus(name) if self._is_encoded else name

    def _text(self, tag: str) -> str | None:
        return self._root.findtext(f"{self._space}{tag}")


@cache
def bucket_listing() -> BucketListing:
    """The process' own. The region comes from the environment, by the name that EMR's nodes are given, which
    botocore overlooks."""
    return BucketListing(os.environ.get("AWS_REGION") or None, os.environ.get("AWS_CA_BUNDLE") or None)
