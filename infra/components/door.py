"""The door to the stack's workbench: one port, for named networks, in front of one machine at a time.

The clusters stay in the private subnets, without public addresses and without a way to the internet. A
network load balancer in two subnets of its own stands between: its security group lets the named networks
in, its route table knows the way to them and to nothing else, and behind it is nobody until a workbench has
been set up (:mod:`lambdas.runs.tracking`). TLS ends in JupyterHub, not here. See
docs/decisions/0023-the-workbench.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components import iam
from infra.components.keys import READ_AND_WRITE
from infra.components.network import Network, tcp
from infra.naming import Naming
from lambdas.contract.settings import DoorSettings, secrets_of
from lambdas.contract.workbench import PORT

SUBNETS: dict[str, str] = {"a": "10.0.32.0/28", "b": "10.0.32.16/28"}
"""Zone letter to address range: eleven addresses each, of which the balancer takes one."""
NAME_PREFIX = "door-"
"""Names of balancers and target groups have 32 characters at most, which a stack's own may exceed."""


@dataclass(frozen=True)
class DoorArgs:
    """``cidrs``: the IPv4 networks that are let in, at least one."""

    cidrs: Sequence[str]
    network: Network
    control_key: aws.kms.Key


class Door(pulumi.ComponentResource):
    """Named networks -> load balancer -> port 9443 of the workbench that is open."""

    def __init__(self, naming: Naming, args: DoorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        name = f"{naming.prefix}-door"
        super().__init__("fruits:infra:Door", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        vpc, nodes = args.network.vpc, args.network.nodes
        gateway = aws.ec2.InternetGateway(name, vpc_id=vpc.id, opts=child)
        routes = aws.ec2.RouteTable(name, vpc_id=vpc.id, opts=child)
        for number, cidr in enumerate(args.cidrs):
            aws.ec2.Route(
                f"{name}-{number}",
                route_table_id=routes.id,
                destination_cidr_block=cidr,
                gateway_id=gateway.id,
                opts=child,
            )
        subnets = [
            args.network.subnet(f"{name}-{letter}", letter, cidr, routes, self)
            for letter, cidr in SUBNETS.items()
        ]
        group = args.network.security_group("door", "The door: HTTPS from the named networks", self)
        for number, cidr in enumerate(args.cidrs):
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-{number}",
                security_group_id=group.id,
                cidr_ipv4=cidr,
                **tcp(PORT),
                opts=child,
            )
        args.network.let_in(f"{name}-to-nodes", group, nodes, PORT, self)
        balancer = aws.lb.LoadBalancer(
            name,
            name_prefix=NAME_PREFIX,
            load_balancer_type="network",
            internal=False,
            subnets=[subnet.id for subnet in subnets],
            security_groups=[group.id],
            # The workbench may be in the other zone.
            enable_cross_zone_load_balancing=True,
            # A balancer without a way to the internet is refused.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),
        )
        self.target_group = aws.lb.TargetGroup(
            name,
            name_prefix=NAME_PREFIX,
            vpc_id=vpc.id,
            target_type="ip",
            protocol="TCP",
            port=PORT,
            # So the nodes see the balancer, whose group alone they let in.
            preserve_client_ip="false",
            # Who is inside when a workbench ends has nothing to wait for.
            deregistration_delay=0,
            connection_termination=True,
            opts=child,
        )
        aws.lb.Listener(
            name,
            load_balancer_arn=balancer.arn,
            protocol="TCP",
            port=PORT,
            default_actions=[{"type": "forward", "target_group_arn": self.target_group.arn}],
            opts=child,
        )
        self.address = balancer.dns_name
        self.key = args.control_key
        self.register_outputs({"address": self.address})


def settings(naming: Naming, door: Door | None) -> pulumi.Output[DoorSettings]:
    """What the functions are told of the door."""
    if door is None:
        return pulumi.Output.from_input(DoorSettings("", "", ""))
    return pulumi.Output.all(door.target_group.arn, door.key.arn).apply(
        lambda arns: DoorSettings(arns[0], secrets_of(naming.prefix), arns[1])
    )


def password_access(naming: Naming, door: Door | None) -> list[iam.Statement]:
    """What making a workbench's password takes. Nobody of the stack may read one."""
    if door is None:
        return []
    return [
        iam.Statement(
            "MakePasswords",
            ["secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"],
            [_secrets(naming)],
        ),
        iam.Statement(
            "UsePasswordKey", READ_AND_WRITE, [door.key.arn], iam.through(naming, "secretsmanager")
        ),
    ]


def attend_access(naming: Naming, door: Door | None) -> list[iam.Statement]:
    """What opening the door to a workbench, and closing it for good, takes."""
    if door is None:
        return []
    return [
        iam.Statement(
            "AttendDoor",
            ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"],
            [door.target_group.arn],
        ),
        iam.Statement("ForgetPasswords", ["secretsmanager:DeleteSecret"], [_secrets(naming)]),
    ]


def _secrets(naming: Naming) -> pulumi.Output[str]:
    return naming.arn("secretsmanager", f"secret:{secrets_of(naming.prefix)}*")
