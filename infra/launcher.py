"""The launcher Lambda and the upload that triggers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from infra import iam
from infra.artifacts import Artifacts
from infra.emr import NODE_PYTHON, ClusterRoles, pass_role
from infra.failures import FailureQueue
from infra.function import Function, FunctionArgs
from infra.ledger import Ledger
from infra.place import Place
from infra.storage import Storage
from lambdas.contract.layout import MANIFEST_SUFFIX, MANIFESTS, REJECTIONS, RUNS
from lambdas.contract.settings import LauncherSettings

TIMEOUT_SECONDS = 300
"""Counting images is what takes time; it stops early enough to leave a minute for the launch."""
MEMORY_MB = 512


@dataclass(frozen=True)
class LauncherArgs:
    """The parts it works with. ``image_buckets`` are further buckets that manifests may name."""

    archive: Path
    storage: Storage
    ledger: Ledger
    artifacts: Artifacts
    roles: ClusterRoles
    release_label: str
    subnet_ids: Sequence[str]
    image_buckets: Sequence[str]
    log_retention_days: int
    failures: FailureQueue


class Launcher(pulumi.ComponentResource):
    """``manifests/*.json`` created in the data bucket -> launcher Lambda -> RunJobFlow."""

    def __init__(self, place: Place, args: LauncherArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fruits:infra:Launcher", f"{place.prefix}-launcher", None, opts)
        bucket = args.storage.bucket
        self.function = Function(
            place,
            FunctionArgs(
                name="launcher",
                description="Turns an uploaded manifest into one transient EMR cluster",
                archive=args.archive,
                handler="lambdas.launcher.handler.handler",
                environment=_settings(place, args).apply(LauncherSettings.to_env),
                statements=_access(place, args),
                timeout_seconds=TIMEOUT_SECONDS,
                memory_mb=MEMORY_MB,
                log_retention_days=args.log_retention_days,
                failures=args.failures,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        ).function
        permission = aws.lambda_.Permission(
            f"{place.prefix}-launcher-from-s3",
            function=self.function.name,
            action="lambda:InvokeFunction",
            principal="s3.amazonaws.com",
            source_arn=bucket.arn,
            # Bucket names are global: the account keeps a stranger's later bucket of this name out.
            source_account=place.account_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.s3.BucketNotification(
            f"{place.prefix}-uploads",
            bucket=bucket.id,
            lambda_functions=[
                {
                    "lambda_function_arn": self.function.arn,
                    # Not only Put: multipart uploads and copies are other kinds of creation.
                    "events": ["s3:ObjectCreated:*"],
                    "filter_prefix": MANIFESTS,
                    "filter_suffix": MANIFEST_SUFFIX,
                }
            ],
            # S3 tries the permission when it is told of the target, and refuses without.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission, args.storage.versioned]),
        )
        self.register_outputs({"function": self.function.name})


def _settings(place: Place, args: LauncherArgs) -> pulumi.Output[LauncherSettings]:
    artifacts, model = args.artifacts, args.artifacts.model
    return pulumi.Output.all(
        bucket=args.storage.bucket.id,
        table=args.ledger.table.name,
        service_role=args.roles.service_role.arn,
        instance_profile=args.roles.instance_profile.arn,
    ).apply(
        lambda known: LauncherSettings(
            data_bucket=known["bucket"],
            ledger_table=known["table"],
            region=place.region,
            release_label=args.release_label,
            service_role_arn=known["service_role"],
            instance_profile_arn=known["instance_profile"],
            subnet_ids=",".join(args.subnet_ids),
            job_key=artifacts.job_key,
            step_key=artifacts.step_key,
            bootstrap_key=artifacts.bootstrap_key,
            wheelhouse_prefix=artifacts.wheelhouse_prefix,
            node_python=NODE_PYTHON,
            model_name=model.name,
            model_key=artifacts.model_key,
            model_sha256=model.sha256,
            weights=model.weights,
            weights_key=artifacts.weights_key,
            weights_sha256=model.weights_sha256,
        )
    )


def _access(place: Place, args: LauncherArgs) -> list[iam.Statement]:
    bucket_arn = args.storage.bucket.arn
    image_bucket_arns = [place.bucket_arn(name) for name in args.image_buckets]
    return [
        iam.Statement(
            "ReadManifests", ["s3:GetObject", "s3:GetObjectVersion"], iam.objects(bucket_arn, [MANIFESTS])
        ),
        iam.Statement("WritePlans", ["s3:PutObject"], iam.objects(bucket_arn, [RUNS, REJECTIONS])),
        iam.Statement("ForgetRejections", ["s3:DeleteObject"], iam.objects(bucket_arn, [REJECTIONS])),
        iam.Statement(
            "CountImages", ["s3:ListBucket", "s3:GetBucketLocation"], [bucket_arn, *image_bucket_arns]
        ),
        iam.Statement(
            "KeepLedger",
            ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
            [args.ledger.table.arn],
        ),
        # AWS offers no resource for these two: a cluster has no ARN before it exists.
        iam.Statement(
            "LaunchAndFindClusters", ["elasticmapreduce:RunJobFlow", "elasticmapreduce:ListClusters"], ["*"]
        ),
        iam.Statement(
            # Without it, a RunJobFlow that carries tags is refused.
            "TagClusters",
            ["elasticmapreduce:AddTags"],
            [place.arn("elasticmapreduce", "cluster/*")],
        ),
        pass_role("PassServiceRole", args.roles.service_role.arn, "elasticmapreduce.amazonaws.com"),
        # A launch names the instance profile; what it passes is the role inside.
        pass_role("PassInstanceRole", args.roles.instance_role.arn, "ec2.amazonaws.com"),
    ]
