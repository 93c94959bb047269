"""The launcher Lambda and the upload that triggers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from infra.components import iam
from infra.components.artifacts import Artifacts
from infra.components.cluster_roles import NODE_PYTHON, ClusterRoles, pass_role
from infra.components.cluster_security import ClusterSecurity
from infra.components.door import Door, password_access
from infra.components.door import settings as door_settings
from infra.components.failure_queue import FailureQueue
from infra.components.function import Function, FunctionArgs
from infra.components.keys import READ, READ_AND_WRITE
from infra.components.ledger import Ledger
from infra.components.network import Network
from infra.components.storage import Storage
from infra.naming import Naming
from lambdas.contract.layout import MANIFEST_SUFFIX, MANIFESTS, REJECTIONS, notebooks_mark
from lambdas.contract.run import EMR_TAG
from lambdas.contract.settings import Caps, DoorSettings, LauncherSettings

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
    network: Network
    security: ClusterSecurity
    control_key: aws.kms.Key
    image_buckets: Sequence[str]
    caps: Caps
    graviton_speed: float
    log_retention_days: int
    failures: FailureQueue
    door: Door | None
    """To workbenches; None where the stack opens none."""


class Launcher(pulumi.ComponentResource):
    """``manifests/*.json`` created in the data bucket -> launcher Lambda -> RunJobFlow."""

    def __init__(
        self, naming: Naming, args: LauncherArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("fruits:infra:Launcher", f"{naming.prefix}-launcher", None, opts)
        bucket = args.storage.bucket
        self.function = Function(
            naming,
            FunctionArgs(
                name="launcher",
                description="Turns an uploaded manifest into one transient EMR cluster",
                archive=args.archive,
                handler="lambdas.launcher.handler.handler",
                environment=pulumi.Output.all(settings(naming, args), door_settings(naming, args.door)).apply(
                    lambda both: LauncherSettings.to_env(both[0]) | DoorSettings.to_env(both[1])
                ),
                statements=_access(naming, args),
                timeout_seconds=TIMEOUT_SECONDS,
                memory_mb=MEMORY_MB,
                log_retention_days=args.log_retention_days,
                key_arn=args.control_key.arn,
                failures=args.failures,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        ).function
        permission = aws.lambda_.Permission(
            f"{naming.prefix}-launcher-from-s3",
            function=self.function.name,
            action="lambda:InvokeFunction",
            principal="s3.amazonaws.com",
            source_arn=bucket.arn,
            # Bucket names are global: the account keeps a stranger's later bucket of this name out.
            source_account=naming.account_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.s3.BucketNotification(
            f"{naming.prefix}-uploads",
            bucket=bucket.id,
            lambda_functions=[
                {
                    "lambda_function_arn": self.function.arn,
                    # Not only Put: multipart uploads and copies are other kinds of creation.
                    "events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
                    "filter_prefix": MANIFESTS,
                    "filter_suffix": MANIFEST_SUFFIX,
                }
            ],
            # S3 tries the permission when it is told of the target, and refuses without.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission, args.storage.versioned]),
        )
        self.register_outputs({"function": self.function.name})


def settings(naming: Naming, args: LauncherArgs) -> pulumi.Output[LauncherSettings]:
    """What a function needs that launches clusters."""
    artifacts, model = args.artifacts, args.artifacts.model
    project, stack = pulumi.get_project(), pulumi.get_stack()
    return pulumi.Output.all(
        bucket=args.storage.bucket.id,
        table=args.ledger.table.name,
        service_role=args.roles.service_role.arn,
        instance_profile=args.roles.instance_profile.arn,
        subnets=pulumi.Output.all(*(subnet.id for subnet in args.network.subnets)).apply(",".join),
        nodes=args.network.nodes.id,
        service=args.network.service.id,
        security=args.security.configuration.name,
        data_key=args.storage.key.arn,
        door=args.door.address if args.door else "",
    ).apply(
        lambda known: LauncherSettings(
            project=project,
            stack=stack,
            data_bucket=known["bucket"],
            ledger_table=known["table"],
            region=naming.region,
            release_label=args.release_label,
            service_role_arn=known["service_role"],
            instance_profile_arn=known["instance_profile"],
            subnet_ids=known["subnets"],
            node_security_group=known["nodes"],
            service_security_group=known["service"],
            security_configuration=known["security"],
            data_key_arn=known["data_key"],
            job_key=artifacts.job_key,
            step_key=artifacts.step_key,
            bootstrap_key=artifacts.bootstrap_key,
            wheelhouse_prefix=artifacts.wheelhouse_prefix,
            reference_wheelhouse_prefix=artifacts.reference_wheelhouse_prefix,
            arm_wheelhouse_prefix=artifacts.arm_wheelhouse_prefix,
            arm_reference_wheelhouse_prefix=artifacts.arm_reference_wheelhouse_prefix,
            node_architectures=artifacts.node_architectures,
            node_python=NODE_PYTHON,
            model_name=model.name,
            model_key=artifacts.model_key,
            model_sha256=model.sha256,
            weights=model.weights,
            weights_key=artifacts.weights_key,
            weights_sha256=model.weights_sha256,
            **args.caps.as_settings(),
            graviton_speed=str(args.graviton_speed),
            workbench_address=known["door"],
            workbench_setup_prefix=artifacts.workbench_setup_prefix,
        )
    )


def _access(naming: Naming, args: LauncherArgs) -> list[iam.Statement]:
    bucket_arn = args.storage.bucket.arn
    image_bucket_arns = [naming.bucket_arn(name) for name in args.image_buckets]
    return [
        *launch_access(naming, args),
        iam.Statement(
            "KeepRejections",
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            iam.objects(bucket_arn, [REJECTIONS]),
        ),
        iam.Statement("CountImages", ["s3:ListBucket"], [bucket_arn, *image_bucket_arns]),
        *([_try_notebooks(bucket_arn)] if args.door else []),
    ]


def _try_notebooks(bucket_arn: pulumi.Input[str]) -> iam.Statement:
    """What finding out takes whether notebooks can be kept."""
    return iam.Statement(
        "TryNotebooks", ["s3:PutObject"], [pulumi.Output.concat(bucket_arn, "/", notebooks_mark("*"))]
    )


def launch_access(naming: Naming, args: LauncherArgs) -> list[iam.Statement]:
    """What launching the clusters of queued runs takes."""
    bucket_arn = args.storage.bucket.arn
    return [
        *iam.run_objects(bucket_arn),
        # Also of runs that wait: plans of older releases do not say which cluster is wanted.
        iam.Statement("ReadManifests", ["s3:GetObjectVersion"], iam.objects(bucket_arn, [MANIFESTS])),
        args.ledger.access(),
        args.ledger.listing(),
        # AWS offers no resource for these three: a cluster has no ARN before it exists.
        iam.Statement(
            "LaunchClusters",
            ["elasticmapreduce:RunJobFlow"],
            ["*"],
            {
                "StringEquals": {"aws:RequestedRegion": naming.region},
                # A cluster without the tag gets no machines: the service role's policy asks for it.
                "StringEqualsIfExists": {f"aws:RequestTag/{EMR_TAG}": "true"},
            },
        ),
        iam.Statement(
            "FindClusters",
            ["elasticmapreduce:ListClusters"],
            ["*"],
            {"StringEquals": {"aws:RequestedRegion": naming.region}},
        ),
        iam.Statement(
            "ChooseMachines",
            ["elasticmapreduce:ListSupportedInstanceTypes"],
            ["*"],
            {"StringEquals": {"aws:RequestedRegion": naming.region}},
        ),
        iam.Statement(
            # Without it, a RunJobFlow that carries tags is refused.
            "TagClusters",
            ["elasticmapreduce:AddTags"],
            [naming.arn("elasticmapreduce", "cluster/*")],
        ),
        iam.Statement("UseDataKey", READ_AND_WRITE, [args.storage.key.arn], iam.through(naming, "s3")),
        iam.Statement("UseLedgerKey", READ, [args.control_key.arn], iam.through(naming, "dynamodb")),
        pass_role("PassServiceRole", args.roles.service_role.arn, "elasticmapreduce.amazonaws.com"),
        # A launch names the instance profile; what it passes is the role inside.
        pass_role("PassInstanceRole", args.roles.instance_role.arn, "ec2.amazonaws.com"),
        *password_access(naming, args.door),
    ]
