"""The clusters' network: two private subnets with a way to S3, KMS and EMR, and to nowhere else.

There is no internet gateway and no NAT, so a security group that is opened by mistake opens nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.components import iam
from infra.components.keys import READ_AND_WRITE
from infra.naming import Naming
from lambdas.contract.run import EMR_TAG

VPC_CIDR = "10.0.0.0/16"
SUBNETS: dict[str, str] = {"a": "10.0.0.0/20", "b": "10.0.16.0/20"}
"""Zone letter to address range: 4,091 nodes each. Every region in the EU has zones a and b."""
HTTPS_PORT = 443
NODES_TO_EMR_PORTS = (HTTPS_PORT, 9443)
EMR_TO_NODES_PORT = 8443
"""Sources: EMR Management Guide, "Working with Amazon EMR-managed security groups": "service access (private
subnets)" for 8443 and 9443; the outbound rules of "core and task instances (private subnets)" for 443, which
EMR does not add to groups that are not its own."""
TAGGED = {EMR_TAG: "true"}
"""What the service role of EMR may use; on everything in the network, so that the rule needs no list."""


@dataclass(frozen=True)
class NetworkArgs:
    """What the nodes may reach. ``image_buckets`` are buckets besides the data bucket, read only."""

    bucket_arn: pulumi.Output[str]
    image_buckets: Sequence[str]
    key_arns: Sequence[pulumi.Output[str]]


class Network(pulumi.ComponentResource):
    """VPC, private subnets, endpoints, and the two security groups that EMR asks for."""

    def __init__(self, naming: Naming, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fruits:infra:Network", f"{naming.prefix}-network", None, opts)
        self._naming = naming
        self._child = pulumi.ResourceOptions(parent=self)
        self.vpc = aws.ec2.Vpc(
            naming.prefix,
            cidr_block=VPC_CIDR,
            enable_dns_support=True,
            # Interface endpoints answer under the services' usual names only with this.
            enable_dns_hostnames=True,
            tags=TAGGED,
            opts=self._child,
        )
        # Every VPC comes with a group that lets its members talk; nothing uses it, so it is emptied.
        aws.ec2.DefaultSecurityGroup(naming.prefix, vpc_id=self.vpc.id, opts=self._child)
        routes = aws.ec2.RouteTable(naming.prefix, vpc_id=self.vpc.id, opts=self._child)
        self.subnets = [
            self.subnet(f"{naming.prefix}-{letter}", letter, cidr, routes, self)
            for letter, cidr in SUBNETS.items()
        ]
        self.nodes = self.security_group("nodes", "Cluster nodes: talk to each other, EMR and AWS endpoints")
        self.service = self.security_group("emr-service", "The way of EMR into the private subnets")
        endpoint = self.security_group("endpoints", "Interface endpoints: HTTPS from the nodes")

        s3 = aws.ec2.VpcEndpoint(
            f"{naming.prefix}-s3",
            vpc_id=self.vpc.id,
            service_name=naming.endpoint_service("s3"),
            vpc_endpoint_type="Gateway",
            route_table_ids=[routes.id],
            policy=iam.policy(_s3_access(naming, args)),
            opts=self._child,
        )
        aws.ec2.VpcEndpoint(
            f"{naming.prefix}-kms",
            vpc_id=self.vpc.id,
            service_name=naming.endpoint_service("kms"),
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=[subnet.id for subnet in self.subnets],
            security_group_ids=[endpoint.id],
            policy=iam.policy([_of_this_account(naming, "UseKeys", READ_AND_WRITE, args.key_arns)]),
            opts=self._child,
        )
        self._open("nodes-among-themselves", self.nodes, self.nodes, port=None)
        for port in NODES_TO_EMR_PORTS:
            self._open(f"nodes-to-emr-{port}", self.nodes, self.service, port=port)
        self._open("emr-to-nodes", self.service, self.nodes, port=EMR_TO_NODES_PORT)
        self._open("nodes-to-endpoints", self.nodes, endpoint, port=HTTPS_PORT)
        aws.vpc.SecurityGroupEgressRule(
            f"{naming.prefix}-nodes-to-s3",
            security_group_id=self.nodes.id,
            prefix_list_id=s3.prefix_list_id,
            **tcp(HTTPS_PORT),
            opts=self._child,
        )
        self.register_outputs({"vpc": self.vpc.id})

    def subnet(
        self, name: str, letter: str, cidr: str, routes: aws.ec2.RouteTable, parent: pulumi.Resource
    ) -> aws.ec2.Subnet:
        """A subnet of the network in the zone of that letter. ``parent``: the component that it is of."""
        opts = pulumi.ResourceOptions(parent=parent)
        subnet = aws.ec2.Subnet(
            name,
            vpc_id=self.vpc.id,
            cidr_block=cidr,
            availability_zone=f"{self._naming.region}{letter}",
            map_public_ip_on_launch=False,
            tags=TAGGED,
            opts=opts,
        )
        aws.ec2.RouteTableAssociation(name, subnet_id=subnet.id, route_table_id=routes.id, opts=opts)
        return subnet

    def security_group(
        self, name: str, description: str, parent: pulumi.Resource | None = None
    ) -> aws.ec2.SecurityGroup:
        """A group of the network that lets nothing through yet. ``parent``: the component that it is of."""
        return aws.ec2.SecurityGroup(
            f"{self._naming.prefix}-{name}",
            description=description,
            vpc_id=self.vpc.id,
            # EMR may add rules, also between two groups, which would then outlive `pulumi destroy`.
            revoke_rules_on_delete=True,
            tags=TAGGED,
            opts=pulumi.ResourceOptions(parent=parent or self),
        )

    def _open(
        self, name: str, source: aws.ec2.SecurityGroup, target: aws.ec2.SecurityGroup, *, port: int | None
    ) -> None:
        self.let_in(f"{self._naming.prefix}-{name}", source, target, port, self)

    def let_in(
        self,
        name: str,
        source: aws.ec2.SecurityGroup,
        target: aws.ec2.SecurityGroup,
        port: int | None,
        parent: pulumi.Resource,
    ) -> None:
        """Let ``source`` connect to ``target`` on one TCP port, or (None) in every way."""
        what, opts = tcp(port) if port else {"ip_protocol": "-1"}, pulumi.ResourceOptions(parent=parent)
        aws.vpc.SecurityGroupEgressRule(
            name,
            security_group_id=source.id,
            referenced_security_group_id=target.id,
            **what,
            opts=opts,
        )
        aws.vpc.SecurityGroupIngressRule(
            name,
            security_group_id=target.id,
            referenced_security_group_id=source.id,
            **what,
            opts=opts,
        )


def tcp(port: int) -> dict[str, Any]:
    """A rule's protocol and ports."""
    return {"ip_protocol": "tcp", "from_port": port, "to_port": port}


def _of_this_account(
    naming: Naming, sid: str, actions: Sequence[str], resources: Sequence[pulumi.Input[str]]
) -> iam.Statement:
    """Whoever it is, as long as it is one of us: stolen credentials of others lead nowhere from here."""
    ours = {"StringEquals": {"aws:PrincipalAccount": naming.account_id}}
    return iam.Statement(sid, actions, resources, ours, principal=iam.ANYBODY)


def _s3_access(naming: Naming, args: NetworkArgs) -> list[iam.Statement]:
    images = [naming.bucket_arn(name) for name in args.image_buckets]
    region = naming.region
    # Source of both: EMR Management Guide, "Sample policies for private subnets that access Amazon S3". The
    # bucket of persistent application UIs is left out: nobody looks at them, and they would copy event logs.
    packages = [f"al2023-repos-{region}-de612dc2", f"repo.{region}.emr.amazonaws.com"]
    system_logs = f"aws157-logs-prod-{region}"
    return [
        _of_this_account(
            naming,
            "UseDataBucket",
            ["s3:GetObject", "s3:ListBucket", "s3:PutObject"],
            [args.bucket_arn, pulumi.Output.concat(args.bucket_arn, "/*")],
        ),
        *(
            [
                _of_this_account(
                    naming,
                    "ReadImageBuckets",
                    ["s3:GetObject", "s3:ListBucket"],
                    [arn for bucket in images for arn in (bucket, f"{bucket}/*")],
                )
            ]
            if images
            else []
        ),
        # Neither is asked for with credentials of this account: packages with none, EMR's logs with EMR's.
        iam.Statement(
            "InstallPackages",
            ["s3:GetObject"],
            [f"{naming.bucket_arn(name)}/*" for name in packages],
            principal=iam.ANYBODY,
        ),
        iam.Statement(
            "KeepLogsOfEmr",
            ["s3:PutObject"],
            [f"{naming.bucket_arn(system_logs)}/*"],
            principal=iam.ANYBODY,
        ),
    ]
