"""Buckets that manifests name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.aws.errors import error_code
from lambdas.contract.object_keys import archived_in
from lambdas.runs.ports import BucketDenied, BucketMissing, Found

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef


class S3Buckets:
    """Implements :class:`lambdas.runs.ports.Buckets`."""

    def __init__(self, s3: S3Client) -> None:
        self._s3 = s3

    def region(self, bucket: str) -> str:
        with _translated():
            return self._s3.head_bucket(Bucket=bucket)["BucketRegion"]

    def pages(self, bucket: str, prefix: str) -> Iterator[tuple[Found, ...]]:
        with _translated():
            for entries in listed(self._s3, bucket, prefix):
                yield tuple(Found(entry["Key"], archive_of(entry)) for entry in entries)

    def folders(self, bucket: str, prefix: str) -> tuple[str, ...]:
        with _translated():
            page = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, Delimiter="/")
        return tuple(entry["Prefix"] for entry in page.get("CommonPrefixes", ()))


def listed(s3: S3Client, bucket: str, prefix: str) -> Iterator[Sequence[ObjectTypeDef]]:
    """The objects below ``prefix`` as S3 lists them, page by page, with whether they are restored."""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, OptionalObjectAttributes=["RestoreStatus"]
    )
    for page in pages:
        yield page.get("Contents", ())


def archive_of(entry: ObjectTypeDef) -> str | None:
    """The class out of which a listed object must be restored first."""
    # Only a restored copy has an end. Source: Amazon S3 API reference, "RestoreStatus".
    restored = "RestoreExpiryDate" in entry.get("RestoreStatus", {})
    return archived_in(entry.get("StorageClass"), restored=restored)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if code in ("NoSuchBucket", "404"):
            raise BucketMissing from error
        if code in ("AccessDenied", "403", "Forbidden"):
            headers = error.response["ResponseMetadata"]["HTTPHeaders"]
            raise BucketDenied(headers.get("x-amz-bucket-region")) from error
        raise
