"""Files of a person's machine as objects of one bucket.

By boto3, which finds a person's credentials wherever they are (profiles, single sign-on), and is faster at it
than `aws s3 cp` (docs/performance.md).
"""

from __future__ import annotations

import base64
import mimetypes
from typing import IO, TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from lambdas.aws.buckets import archive_of, listed
from lambdas.aws.errors import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

UNKNOWN_TYPE = "binary/octet-stream"
"""What S3 itself says of an object of which nobody told the type."""


class Stored(NamedTuple):
    """An object that is there. ``archived_in``: the class out of which it must be restored first."""

    size: int
    archived_in: str | None = None


class S3Uploads:
    """Sends files, and compares them by the SHA-256 that S3 keeps: the ETag of an object that is encrypted
    with a key of KMS does not say what is in it. Source: Amazon S3 API reference, "Object".

    Every method raises botocore's ClientError where S3 refuses.
    """

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def below(self, prefix: str) -> dict[str, Stored]:
        """Every object below ``prefix``, by key."""
        return {
            entry["Key"]: Stored(entry["Size"], archive_of(entry))
            for entries in listed(self._s3, self._bucket, prefix)
            for entry in entries
        }

    def sha256(self, key: str) -> bytes | None:
        """The hash that S3 keeps of an object; None where there is no object, or none was sent with it.

        A listing has none, so this is a request an object.
        """
        try:
            answer = self._s3.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error_code(error) in ("NoSuchKey", "404"):
                return None
            raise
        told = answer.get("ChecksumSHA256", "")
        # Of an upload in parts, it is a hash of hashes: "...=-3".
        return base64.b64decode(told) if told.endswith("=") else None

    def send(self, key: str, body: bytes | IO[bytes], sha256: bytes) -> None:
        """Write an object. S3 refuses other bytes than those of the hash, and keeps it."""
        self._s3.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=body,
            ChecksumSHA256=base64.b64encode(sha256).decode(),
            ContentType=mimetypes.guess_type(key)[0] or UNKNOWN_TYPE,
        )

    def send_manifest(self, key: str, body: bytes) -> str:
        """Write a manifest, which asks for a run; the version that it became."""
        answer = self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")
        return answer["VersionId"]
