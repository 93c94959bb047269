"""The data bucket's objects in S3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.aws.errors import error_code, is_temporary

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3Objects:
    """Implements :class:`lambdas.runs.ports.Objects`."""

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read(self, key: str, version_id: str | None = None, max_bytes: int | None = None) -> bytes | None:
        try:
            if version_id is None:
                answer = self._s3.get_object(Bucket=self._bucket, Key=key)
            else:
                answer = self._s3.get_object(Bucket=self._bucket, Key=key, VersionId=version_id)
        except ClientError as error:
            # 405: the version is a delete marker.
            if error_code(error) in ("NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "404", "405"):
                return None
            raise
        with answer["Body"] as body:
            return body.read(max_bytes)

    def write(self, key: str, text: str) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=text.encode(), ContentType="application/json")

    def refusal(self, key: str) -> str | None:
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=b"")
        except ClientError as error:
            if is_temporary(error):
                raise
            return str(error)
        return None

    def create(self, key: str, text: str) -> bool:
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=text.encode(),
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as error:
            # ConditionalRequestConflict: another writer of the same key is ahead of us.
            if error_code(error) in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                return False
            raise
        return True

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self._bucket, Key=key)
