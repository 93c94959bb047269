"""Listing S3 buckets with their keys exactly as they are.

The client that reads objects (:mod:`spark.datasets.object_store`) makes paths of keys: it fails over a whole
page for one key that it cannot address, and drops the '/' at the end of a placeholder's. So one odd key would
cost all images, or pass for another. botocore, with which the launcher lists, does neither.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from spark.datasets.object_store import Folder, Listed, not_allowed, not_answered, split_uri
from spark.errors import StepFailedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

CONNECTIONS = 16
PATIENCE = Config(
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=CONNECTIONS,
    retries={"mode": "standard", "total_max_attempts": 10},
)
_DENIED = frozenset({"AccessDenied", "403", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


@cache
def client() -> S3Client:
    """The process' client, for as many listings at once as there are ``CONNECTIONS``.

    The region comes from the environment, by the name that EMR's nodes are given, which botocore overlooks.
    """
    region = os.environ.get("AWS_REGION") or None
    made: S3Client = get_session().create_client("s3", region_name=region, config=PATIENCE)
    return made


def list_below(uri: str) -> Iterator[Listed]:
    """All objects below ``uri`` (``s3://bucket/prefix/``) in the order of their keys.

    Raises:
        StepFailedError: S3 refuses or does not answer.
    """
    for page in _pages(uri, delimiter=""):
        yield from _objects(uri, page)


def list_folder(uri: str) -> Folder:
    """What is directly below ``uri``; raises as :func:`list_below`."""
    root = split_uri(uri)[0]
    folders: list[str] = []
    objects: list[Listed] = []
    for page in _pages(uri, delimiter="/"):
        folders += (f"{root}/{entry['Prefix']}" for entry in page.get("CommonPrefixes", ()))
        objects += _objects(uri, page)
    return Folder(tuple(folders), tuple(objects))


def _pages(uri: str, delimiter: str) -> Iterator[ListObjectsV2OutputTypeDef]:
    root, prefix = split_uri(uri)
    bucket = root.partition("://")[2]
    with _explained(uri):
        yield from client().get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, Delimiter=delimiter
        )


def _objects(uri: str, page: ListObjectsV2OutputTypeDef) -> Iterator[Listed]:
    root = split_uri(uri)[0]
    for entry in page.get("Contents", ()):
        yield Listed(f"{root}/{entry['Key']}", entry["Size"], entry.get("ETag"))


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _DENIED:
            raise not_allowed("list", uri, str(error)) from error
        if code == "NoSuchBucket":
            raise StepFailedError(
                "user", f"cannot list {uri}: there is no such bucket", "correct the bucket in the manifest"
            ) from error
        raise not_answered("list", uri, str(error)) from error
    except BotoCoreError as error:
        raise not_answered("list", uri, str(error)) from error
