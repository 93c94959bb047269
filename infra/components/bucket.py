"""A bucket that nobody can open to the public or read over plain HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.components import iam
from infra.naming import Naming

NONCURRENT_DAYS = 30
"""How long a replaced or deleted object can be restored; after that it is really erased."""
INCOMPLETE_UPLOAD_DAYS = 7
_ENCRYPTION = "s3:x-amz-server-side-encryption"
_KMS_KEY = f"{_ENCRYPTION}-aws-kms-key-id"
_CUSTOMER_KEY = f"{_ENCRYPTION}-customer-algorithm"


@dataclass(frozen=True)
class PrivateBucketArgs:
    """What sets one bucket apart.

    ``bucket_name`` None lets Pulumi choose. ``adopted`` is the name of an existing bucket that is taken
    over. ``keep`` makes it survive `pulumi destroy`. ``key_arn`` None means S3's own key, for the one kind of
    bucket that takes no other. ``access_logs`` names the bucket that every request is noted in.
    ``expiry_days`` maps prefixes (empty: everything) to an age in days.
    ``locked_days`` is how long nobody can delete a version.
    """

    name: str
    bucket_name: str | None
    keep: bool
    key_arn: pulumi.Input[str] | None
    access_logs: pulumi.Input[str] | None
    expiry_days: dict[str, int]
    locked_days: int | None = None
    adopted: str | None = None


class PrivateBucket(pulumi.ComponentResource):
    """A bucket with all its guards; whoever makes one also calls :meth:`protect`."""

    def __init__(
        self, naming: Naming, args: PrivateBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        name = f"{naming.prefix}-{args.name}"
        super().__init__("fruits:infra:PrivateBucket", name, None, opts)
        # The guards are kept with the bucket: data that outlives the stack must not lose its protection.
        self._kept = pulumi.ResourceOptions(parent=self, retain_on_delete=args.keep)
        self._name = name
        self.bucket = aws.s3.Bucket(
            name,
            bucket=args.bucket_name,
            force_destroy=not args.keep,
            object_lock_enabled=True if args.locked_days else None,
            opts=pulumi.ResourceOptions.merge(self._kept, pulumi.ResourceOptions(import_=args.adopted)),
        )
        bucket = self.bucket.id
        self._public_access = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._kept,
        )
        aws.s3.BucketOwnershipControls(
            name, bucket=bucket, rule={"object_ownership": "BucketOwnerEnforced"}, opts=self._kept
        )
        self.encrypted = aws.s3.BucketServerSideEncryptionConfiguration(
            name, bucket=bucket, rules=[_encryption(args.key_arn)], opts=self._kept
        )
        self.versioned = aws.s3.BucketVersioning(
            name, bucket=bucket, versioning_configuration={"status": "Enabled"}, opts=self._kept
        )
        # S3 refuses rules about versions and locks while a bucket is not versioned yet.
        after_versioning = pulumi.ResourceOptions.merge(
            self._kept, pulumi.ResourceOptions(depends_on=[self.versioned])
        )
        aws.s3.BucketLifecycleConfiguration(
            name, bucket=bucket, rules=_lifecycle(args.expiry_days), opts=after_versioning
        )
        if args.locked_days:
            aws.s3.BucketObjectLockConfiguration(
                name,
                bucket=bucket,
                rule={"default_retention": {"mode": "GOVERNANCE", "days": args.locked_days}},
                opts=after_versioning,
            )
        if args.access_logs is not None:
            aws.s3.BucketLogging(
                name,
                bucket=bucket,
                target_bucket=args.access_logs,
                target_prefix=f"{args.name}/",
                opts=self._kept,
            )
        self.register_outputs({"bucket": bucket})

    def protect(self, statements: Sequence[iam.Statement] = ()) -> aws.s3.BucketPolicy:
        """Write the bucket's policy: TLS only, and what ``statements`` allow or deny beside that."""
        arn = self.bucket.arn
        tls_only = iam.tls_only("s3:*", [arn, pulumi.Output.concat(arn, "/*")])
        return aws.s3.BucketPolicy(
            self._name,
            bucket=self.bucket.id,
            policy=iam.policy([tls_only, *statements]),
            # Both are bucket policies to S3, which answers concurrent changes with OperationAborted.
            opts=pulumi.ResourceOptions.merge(
                self._kept, pulumi.ResourceOptions(depends_on=[self._public_access])
            ),
        )


def _encryption(key_arn: pulumi.Input[str] | None) -> Any:
    if key_arn is None:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    return {
        "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn},
        # One call to KMS a bucket and a while, instead of one an object.
        "bucket_key_enabled": True,
    }


def _lifecycle(expiry_days: dict[str, int]) -> list[Any]:
    erase: dict[str, Any] = {
        "id": "erase-what-was-replaced-or-abandoned",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrent_version_expiration": {"noncurrent_days": NONCURRENT_DAYS},
        "abort_incomplete_multipart_upload": {"days_after_initiation": INCOMPLETE_UPLOAD_DAYS},
    }
    expire: list[dict[str, Any]] = [
        {
            "id": f"expire-{prefix.rstrip('/').replace('/', '-') or 'everything'}",
            "status": "Enabled",
            "filter": {"prefix": prefix},
            "expiration": {"days": days},
        }
        for prefix, days in sorted(expiry_days.items())
    ]
    return [erase, *expire]


def only_with_key(bucket_arn: pulumi.Output[str], key_arn: pulumi.Input[str]) -> list[iam.Statement]:
    """Refuse what is not encrypted with this key.

    A put that says nothing of encryption gets the bucket's default, which is the key.
    """
    refused: dict[str, iam.Condition] = {
        "NoWeakerEncryption": {"Null": {_ENCRYPTION: "false"}, "StringNotEquals": {_ENCRYPTION: "aws:kms"}},
        "NoOtherKey": {"Null": {_KMS_KEY: "false"}, "StringNotEquals": {_KMS_KEY: key_arn}},
        "NoCustomerKey": {"Null": {_CUSTOMER_KEY: "false"}},
    }
    objects = iam.objects(bucket_arn, [""])
    return [
        iam.Statement(sid, ["s3:PutObject"], objects, condition, iam.Effect.DENY, iam.ANYBODY)
        for sid, condition in refused.items()
    ]
