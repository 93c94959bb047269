"""The data bucket: private, encrypted, versioned, TLS-only."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import iam
from infra.place import Place

NONCURRENT_DAYS = 30
"""How long a replaced or deleted object can be restored; after that it is really erased."""
INCOMPLETE_UPLOAD_DAYS = 7


@dataclass(frozen=True)
class StorageArgs:
    """``bucket_name`` None lets Pulumi choose; ``keep_data`` makes the bucket survive `pulumi destroy`."""

    bucket_name: str | None
    keep_data: bool


class Storage(pulumi.ComponentResource):
    """One bucket for everything: manifests, images, artifacts, plans and results."""

    def __init__(self, place: Place, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fruits:infra:Storage", f"{place.prefix}-storage", None, opts)
        # The guards are kept with the bucket: data that outlives the stack must not lose its protection.
        kept = pulumi.ResourceOptions(parent=self, retain_on_delete=args.keep_data)
        name = f"{place.prefix}-data"

        self.bucket = aws.s3.Bucket(
            name, bucket=args.bucket_name, force_destroy=not args.keep_data, opts=kept
        )
        bucket = self.bucket.id
        public_access = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=kept,
        )
        aws.s3.BucketOwnershipControls(
            name, bucket=bucket, rule={"object_ownership": "BucketOwnerEnforced"}, opts=kept
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=kept,
        )
        versioning = aws.s3.BucketVersioning(
            name, bucket=bucket, versioning_configuration={"status": "Enabled"}, opts=kept
        )
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket,
            rules=[
                {
                    "id": "erase-what-was-replaced-or-abandoned",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrent_version_expiration": {"noncurrent_days": NONCURRENT_DAYS},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": INCOMPLETE_UPLOAD_DAYS},
                }
            ],
            # S3 refuses rules about noncurrent versions while a bucket is not versioned yet.
            opts=pulumi.ResourceOptions.merge(kept, pulumi.ResourceOptions(depends_on=[versioning])),
        )
        aws.s3.BucketPolicy(
            name,
            bucket=bucket,
            policy=iam.tls_only("s3:*", [self.bucket.arn, pulumi.Output.concat(self.bucket.arn, "/*")]),
            # Both are bucket policies to S3, which answers concurrent changes with OperationAborted.
            opts=pulumi.ResourceOptions.merge(kept, pulumi.ResourceOptions(depends_on=[public_access])),
        )
        # A manifest's run is named by its object version: no upload may come before versioning.
        self.versioned = versioning
        self.register_outputs({"bucket": self.bucket.id})
