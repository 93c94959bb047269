"""Listing S3 buckets with their keys exactly as they are.

The client that reads objects (:mod:`spark.datasets.object_store`) makes paths of keys: it fails over a whole
page for one key that it cannot address, and drops the '/' at the end of a placeholder's. So one odd key would
cost all images, or pass for another. botocore does neither, but is 15 MB for every node to install, and needs
65 ms for a page of a thousand objects. So the AWS CRT signs, and the answer is read here: 7 ms.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import quote, unquote_plus, urlencode, urlsplit
from xml.etree import ElementTree

import urllib3
from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignedBodyHeaderType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.exceptions import AwsCrtError
from awscrt.http import HttpHeaders, HttpRequest

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
SIGNING_SECONDS = 30.0
"""For credentials, which a node asks its machine for."""
_TAG = re.compile(r"<[^>]*>")
_OK, _FORBIDDEN, _NOT_FOUND = 200, (400, 401, 403), 404


class BucketListing:
    """What lists, for as many threads at once as there are ``CONNECTIONS``.

    ``endpoint``: S3's URL, below which buckets are folders. ``authorities``: a file of certificates; None
    takes the system's.
    """

    def __init__(self, region: str, endpoint: str, authorities: str | None) -> None:
        self._region, self._endpoint = region, endpoint
        self._credentials = AwsCredentialsProvider.new_default_chain()
        self._http = urllib3.PoolManager(
            maxsize=CONNECTIONS, block=True, timeout=PATIENCE, retries=RETRIES, ca_certs=authorities
        )

    def pages(self, uri: str, after: str = "") -> Iterator[Folder]:
        """All objects below ``uri`` (``s3://bucket/prefix/``) in the order of their keys, page by page.

        ``after``: begin behind that name below ``uri``, which need not exist.

        Raises:
            StepFailedError: S3 refuses or does not answer.
        """
        # Where it is given, the token of a next page counts. Source: as for :class:`_Answer`.
        return self._pages(uri, **({"start-after": split_uri(uri)[1] + after} if after else {}))

    def below(self, uri: str) -> Iterator[Listed]:
        """The objects of all :meth:`pages`; raises as it."""
        for page in self.pages(uri):
            yield from page.objects

    def first_behind(self, uri: str, after: str) -> str | None:
        """The first name below ``uri`` that sorts behind ``after``, if any; raises as :meth:`pages`."""
        query = {"start-after": split_uri(uri)[1] + after, "max-keys": "1"}
        found = next(self._pages(uri, **query)).objects
        return found[0].uri.removeprefix(uri) if found else None

    def folder(self, uri: str) -> Folder:
        """What is directly below ``uri``; raises as :meth:`pages`."""
        pages = list(self._pages(uri, delimiter="/"))
        return Folder(
            tuple(folder for page in pages for folder in page.folders),
            tuple(item for page in pages for item in page.objects),
        )

    def _pages(self, uri: str, **further: str) -> Iterator[Folder]:
        root, prefix = split_uri(uri)
        # URL encoding, because XML cannot hold every character that a key may.
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix, **further}
        while True:
            asked = urlencode(query, quote_via=quote, safe="")
            body = self._answer(uri, f"/{root.partition('://')[2]}?{asked}")
            try:
                answer = _Answer(body)
            except ElementTree.ParseError as error:
                raise not_answered("list", uri, f"the answer is no XML: {error}") from error
            yield answer.page(root)
            token = answer.next_token
            if token is None:
                return
            query["continuation-token"] = token

    def _answer(self, uri: str, path: str) -> bytes:
        try:
            headers = self._signed(path)
        except (AwsCrtError, TimeoutError) as error:
            raise not_allowed("list", uri, f"no credentials: {error}") from error
        try:
            answer = self._http.request("GET", f"{self._endpoint}{path}", headers=headers)
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

    def _signed(self, path: str) -> dict[str, str]:
        config = AwsSigningConfig(
            algorithm=AwsSigningAlgorithm.V4,
            credentials_provider=self._credentials,
            region=self._region,
            service="s3",
            # As S3 wants it: Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
            use_double_uri_encode=False,
            should_normalize_uri_path=False,
            signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
        )
        host = HttpHeaders([("host", urlsplit(self._endpoint).netloc)])
        signed = aws_sign_request(HttpRequest("GET", path, host), config).result(SIGNING_SECONDS)
        return dict(signed.headers)


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
            goes_on=self.next_token is not None,
        )

    def _name(self, entry: ElementTree.Element, tag: str) -> str:
        name = entry.findtext(f"{self._space}{tag}") or ""
        return unquote_plus(name) if self._is_encoded else name

    def _text(self, tag: str) -> str | None:
        return self._root.findtext(f"{self._space}{tag}")


@cache
def bucket_listing() -> BucketListing:
    """The process' own, of the region and endpoint that the environment names, as on EMR's nodes."""
    region = os.environ["AWS_REGION"]
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or f"https://s3.{region}.amazonaws.com"
    return BucketListing(region, endpoint, os.environ.get("AWS_CA_BUNDLE") or None)
