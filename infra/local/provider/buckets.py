"""S3: buckets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind, is_missing, no_update


def _create(aws: Aws, _name: str, inputs: Inputs) -> Created:
    s3, bucket = aws.client("s3"), inputs["bucket"]
    s3.create_bucket(
        Bucket=bucket,
        CreateBucketConfiguration={"LocationConstraint": aws.region},
        ObjectLockEnabledForBucket=inputs.get("objectLockEnabled", False),
    )
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": aws.tag_list})
    return Created(bucket, _outputs(aws, bucket))


def _read(aws: Aws, bucket: str, _known: Inputs) -> Found:
    s3 = aws.client("s3")
    s3.head_bucket(Bucket=bucket)
    found: dict[str, Any] = {"bucket": bucket}
    if sub_resource(lambda: s3.get_object_lock_configuration(Bucket=bucket)):
        found["objectLockEnabled"] = True
    return Found(found, _outputs(aws, bucket))


def _delete(aws: Aws, bucket: str, known: Inputs) -> None:
    s3 = aws.client("s3")
    if known.get("forceDestroy"):
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            versions = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            for version in versions:
                # Governance mode; the real provider overrides it where a bucket goes with all it holds.
                locked = {"BypassGovernanceRetention": True} if known.get("objectLockEnabled") else {}
                s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"], **locked)
    s3.delete_bucket(Bucket=bucket)


def _outputs(aws: Aws, bucket: str) -> dict[str, Any]:
    return {"bucket": bucket, "arn": f"arn:aws:s3:::{bucket}", "region": aws.region}


def sub_resource(get: Callable[[], Any]) -> Any:
    """What a bucket has of something, None where it has none."""
    try:
        return get()
    except ClientError as error:
        if is_missing(error):
            return None
        raise


KINDS: dict[str, Kind] = {
    "aws:s3/bucket:Bucket": Kind(
        _create, _read, _delete, no_update, fixed=frozenset({"bucket", "objectLockEnabled"}), named="bucket"
    ),
}
