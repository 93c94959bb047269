"""The roles of the transient clusters: EMR's own, and that of the nodes that run the Spark steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components import iam
from infra.components.keys import BY_GRANTS, READ_AND_WRITE
from infra.naming import Naming
from lambdas.contract.layout import ARTIFACTS, CERTIFICATES, IMAGES, LOGS, NOTEBOOKS, RUNS, STEP_OUTPUTS

NODE_PYTHON = "/opt/fruits/venv/bin/python"
"""The interpreter on the nodes, in the virtual environment that ``bootstrap.sh`` makes."""

READ = (IMAGES, ARTIFACTS, CERTIFICATES, RUNS)


@dataclass(frozen=True)
class ClusterRolesArgs:
    """``image_buckets`` are further buckets whose objects the steps may read."""

    bucket_arn: pulumi.Input[str]
    image_buckets: Sequence[str]
    data_key_arn: pulumi.Input[str]
    disk_key_arn: pulumi.Input[str]
    workbenches: bool
    """Whether nodes may be those of workbenches, and keep notebooks."""


class ClusterRoles(pulumi.ComponentResource):
    """What a cluster may do: start machines, and read and write exactly the steps' prefixes."""

    def __init__(
        self, naming: Naming, args: ClusterRolesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("fruits:infra:ClusterRoles", f"{naming.prefix}-cluster-roles", None, opts)
        child = pulumi.ResourceOptions(parent=self)

        nodes = f"{naming.prefix}-emr-nodes"
        self.instance_role = aws.iam.Role(
            nodes,
            description="Nodes of the transient EMR clusters: the Spark steps run as this",
            assume_role_policy=iam.trust("ec2.amazonaws.com", iam.for_no_other_account(naming)),
            opts=child,
        )
        access = aws.iam.RolePolicy(
            nodes,
            name=iam.OWN_POLICY,
            role=self.instance_role.name,
            policy=iam.policy(_step_access(naming, args)),
            opts=child,
        )
        self.instance_profile = aws.iam.InstanceProfile(
            nodes,
            role=self.instance_role.name,
            # Whoever has the profile may launch at once, so the role must be complete by then.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[access]),
        )

        service = f"{naming.prefix}-emr-service"
        self.service_role = aws.iam.Role(
            service,
            description="EMR itself: starts and ends the machines of tagged clusters",
            assume_role_policy=iam.trust(
                "elasticmapreduce.amazonaws.com",
                # Source: EMR Management Guide, "Service role for Amazon EMR".
                {
                    **iam.for_this_account(naming),
                    "ArnLike": {"aws:SourceArn": naming.arn("elasticmapreduce", "*")},
                },
            ),
            opts=child,
        )
        aws.iam.RolePolicyAttachment(
            service,
            role=self.service_role.name,
            policy_arn=naming.managed_policy("service-role/AmazonEMRServicePolicy_v2"),
            opts=child,
        )
        # The managed policy knows no role and no key of ours; AWS asks for this beside it.
        aws.iam.RolePolicy(
            service,
            name=iam.OWN_POLICY,
            role=self.service_role.name,
            policy=iam.policy(
                [
                    pass_role("PassInstanceRole", self.instance_role.arn, "ec2.amazonaws.com"),
                    iam.Statement("EncryptDisks", BY_GRANTS, [args.disk_key_arn]),
                    # A launch names the key of the cluster's logs, and EMR looks at it before it goes on; in
                    # its own name, so not through S3. The logs themselves are written through S3. Source: EMR
                    # Management Guide, "Configure cluster logging and debugging", on customer managed keys.
                    iam.Statement("SeeLogKey", ["kms:DescribeKey"], [args.data_key_arn]),
                    iam.Statement(
                        "EncryptLogs", ["kms:GenerateDataKey"], [args.data_key_arn], iam.through(naming, "s3")
                    ),
                ]
            ),
            opts=child,
        )
        self.register_outputs({"instance_profile": self.instance_profile.arn})


def pass_role(sid: str, role: pulumi.Input[str], service: str) -> iam.Statement:
    """Permission to hand exactly this role to exactly this service."""
    return iam.Statement(sid, ["iam:PassRole"], [role], {"StringEquals": {"iam:PassedToService": service}})


def _step_access(naming: Naming, args: ClusterRolesArgs) -> list[iam.Statement]:
    statements = [
        # Steps read back their own outputs: finished shards are skipped, and pca reads features.
        iam.Statement(
            "ReadInputsAndOwnOutputs",
            ["s3:GetObject"],
            iam.objects(args.bucket_arn, sorted({*READ, *STEP_OUTPUTS})),
        ),
        iam.Statement(
            "WriteResultsAndLogs",
            ["s3:PutObject"],
            iam.objects(args.bucket_arn, (*STEP_OUTPUTS, LOGS)),
        ),
        iam.Statement(
            "ListInputsAndOutputs",
            ["s3:ListBucket"],
            [args.bucket_arn],
            iam.only_below(sorted({*READ, *STEP_OUTPUTS})),
        ),
        iam.Statement("UseDataKey", READ_AND_WRITE, [args.data_key_arn], iam.through(naming, "s3")),
        iam.Statement("UnlockDisks", READ_AND_WRITE, [args.disk_key_arn]),
    ]
    if args.workbenches:
        statements += _notebook_access(args.bucket_arn)
    if args.image_buckets:
        arns = [naming.bucket_arn(name) for name in args.image_buckets]
        statements += [
            iam.Statement("ReadImageBuckets", ["s3:GetObject"], [f"{arn}/*" for arn in arns]),
            iam.Statement("ListImageBuckets", ["s3:ListBucket"], arns),
        ]
    return statements


def _notebook_access(bucket_arn: pulumi.Input[str]) -> list[iam.Statement]:
    """What keeping notebooks takes of the nodes. None is ever deleted from there by them."""
    return [
        iam.Statement(
            "KeepNotebooks", ["s3:GetObject", "s3:PutObject"], iam.objects(bucket_arn, [NOTEBOOKS])
        ),
        iam.Statement("ListNotebooks", ["s3:ListBucket"], [bucket_arn], iam.only_below([NOTEBOOKS])),
    ]
