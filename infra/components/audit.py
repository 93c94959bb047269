"""Who did what: access logs of the buckets, and a trail of every API call in a bucket of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.components import iam
from infra.components.bucket import PrivateBucket, PrivateBucketArgs
from infra.naming import Naming


class AccessLogs(pulumi.ComponentResource):
    """The bucket that S3 notes every request to the other buckets in."""

    def __init__(
        self,
        naming: Naming,
        *,
        keep: bool,
        retention_days: int,
        bucket_name: str | None,
        adopted: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("fruits:infra:AccessLogs", f"{naming.prefix}-access-logs", None, opts)
        made = PrivateBucket(
            naming,
            PrivateBucketArgs(
                name="access-logs",
                bucket_name=bucket_name,
                adopted=adopted,
                keep=keep,
                # S3 delivers access logs only to buckets with its own key, and without a lock.
                key_arn=None,
                access_logs=None,
                expiry_days={"": retention_days},
            ),
            pulumi.ResourceOptions(parent=self),
        )
        delivery = made.protect(
            [
                iam.Statement(
                    "DeliverAccessLogs",
                    ["s3:PutObject"],
                    iam.objects(made.bucket.arn, [""]),
                    iam.for_this_account(naming),
                    principal={"Service": "logging.s3.amazonaws.com"},
                )
            ]
        )
        # The policy's word for its bucket: who names the bucket by it comes after the policy, without which
        # S3 may refuse to log there, and is destroyed before it.
        self.bucket_name = delivery.bucket
        self.register_outputs({"bucket": self.bucket_name})


@dataclass(frozen=True)
class AuditArgs:
    """``watched`` is the bucket whose every object access is recorded, beside the audit bucket itself."""

    watched: aws.s3.Bucket
    access_logs: AccessLogs
    key: aws.kms.Key
    keep: bool
    retention_days: int
    bucket_name: str | None
    adopted: str | None


class Audit(pulumi.ComponentResource):
    """A CloudTrail trail with signed digests, in a bucket whose objects are locked for their time."""

    def __init__(self, naming: Naming, args: AuditArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fruits:infra:Audit", f"{naming.prefix}-audit", None, opts)
        made = PrivateBucket(
            naming,
            PrivateBucketArgs(
                name="audit",
                bucket_name=args.bucket_name,
                adopted=args.adopted,
                keep=args.keep,
                key_arn=args.key.arn,
                access_logs=args.access_logs.bucket_name,
                expiry_days={"": args.retention_days},
                locked_days=args.retention_days,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.bucket = made.bucket
        written = made.protect(_delivery(naming, self.bucket.arn))
        self.trail = aws.cloudtrail.Trail(
            naming.prefix,
            s3_bucket_name=self.bucket.id,
            kms_key_id=args.key.arn,
            enable_logging=True,
            enable_log_file_validation=True,
            # IAM's calls are recorded in its home region and copied here; nothing is copied elsewhere.
            is_multi_region_trail=True,
            include_global_service_events=True,
            advanced_event_selectors=_selectors(args.watched.arn, self.bucket.arn),
            # CloudTrail tries the bucket when it is told of it, and refuses without this policy.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[written]),
        )
        self.register_outputs({"trail": self.trail.arn})


def _delivery(naming: Naming, bucket_arn: pulumi.Output[str]) -> list[iam.Statement]:
    """CloudTrail may write, and nobody else: what is in the bucket is what happened.

    How it encrypts is left to CloudTrail: digests of log files come with S3's own key, by its design.
    """
    cloudtrail = {"Service": "cloudtrail.amazonaws.com"}
    # By its beginning: the bucket's policy comes before the trail, whose name Pulumi ends.
    own_trail = {"aws:SourceArn": naming.arn("cloudtrail", f"trail/{naming.prefix}-*")}
    logs = [pulumi.Output.concat(bucket_arn, "/AWSLogs/", naming.account_id, "/*")]
    return [
        iam.Statement(
            "CheckBucket",
            ["s3:GetBucketAcl"],
            [bucket_arn],
            {"ArnLike": own_trail},
            principal=cloudtrail,
        ),
        iam.Statement(
            "DeliverTrail",
            ["s3:PutObject"],
            logs,
            {"ArnLike": own_trail, "StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
            principal=cloudtrail,
        ),
        iam.Statement(
            "NobodyElseWrites",
            ["s3:PutObject"],
            [pulumi.Output.concat(bucket_arn, "/*")],
            {"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}},
            iam.Effect.DENY,
            iam.ANYBODY,
        ),
        # Lifted with this policy, so by `pulumi destroy` where data is not kept; which the trail records.
        iam.Statement(
            "NobodyUnlocks",
            ["s3:BypassGovernanceRetention"],
            [pulumi.Output.concat(bucket_arn, "/*")],
            effect=iam.Effect.DENY,
            principal=iam.ANYBODY,
        ),
    ]


def _selectors(data_arn: pulumi.Output[str], audit_arn: pulumi.Output[str]) -> list[Any]:
    def objects_of(arn: pulumi.Output[str]) -> list[dict[str, Any]]:
        return [
            {"field": "eventCategory", "equals": ["Data"]},
            {"field": "resources.type", "equals": ["AWS::S3::Object"]},
            {"field": "resources.ARN", "starts_withs": [pulumi.Output.concat(arn, "/")]},
        ]

    return [
        {
            "name": "What is done to resources",
            "field_selectors": [{"field": "eventCategory", "equals": ["Management"]}],
        },
        {"name": "Every access to data", "field_selectors": objects_of(data_arn)},
        {
            "name": "Every access to the audit trail",
            # A delivery of the trail would be an event, and so lead to the next delivery, for ever.
            "field_selectors": [*objects_of(audit_arn), {"field": "eventName", "not_equals": ["PutObject"]}],
        },
    ]
