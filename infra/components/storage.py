"""The data bucket: everything that a run reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.audit import AccessLogs
from infra.components.bucket import PrivateBucket, PrivateBucketArgs, only_with_key
from infra.naming import Naming
from lambdas.contract.layout import IMAGES, LOGS, QUERIES, STEP_OUTPUTS

QUERY_RESULT_DAYS = 7
"""Answers are copies of results, and can be asked for again."""


@dataclass(frozen=True)
class StorageArgs:
    """``bucket_name`` None lets Pulumi choose; ``adopted`` is the name of a kept bucket to take over.

    ``keep_data`` makes the bucket survive `pulumi destroy`.

    ``data_retention_days`` is when images and results are deleted; None keeps them.
    """

    bucket_name: str | None
    adopted: str | None
    keep_data: bool
    key: aws.kms.Key
    access_logs: AccessLogs
    log_retention_days: int
    data_retention_days: int | None


class Storage(pulumi.ComponentResource):
    """One bucket for everything: manifests, images, artifacts, plans and results."""

    def __init__(self, naming: Naming, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fruits:infra:Storage", f"{naming.prefix}-storage", None, opts)
        expiry_days = {LOGS: args.log_retention_days, QUERIES: QUERY_RESULT_DAYS}
        if args.data_retention_days is not None:
            expiry_days |= dict.fromkeys((IMAGES, *STEP_OUTPUTS), args.data_retention_days)
        made = PrivateBucket(
            naming,
            PrivateBucketArgs(
                name="data",
                bucket_name=args.bucket_name,
                adopted=args.adopted,
                keep=args.keep_data,
                key_arn=args.key.arn,
                access_logs=args.access_logs.bucket_name,
                expiry_days=expiry_days,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        made.protect(only_with_key(made.bucket.arn, args.key.arn))
        self.bucket = made.bucket
        self.key = args.key
        # A manifest's run is named by its object version: no upload may come before versioning.
        self.versioned = made.versioned
        # What comes before the default encryption is encrypted with S3's key, and stays so.
        self.encrypted = made.encrypted
        self.register_outputs({"bucket": self.bucket.id})
