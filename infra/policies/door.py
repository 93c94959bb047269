"""The one way in from outside: the door to workbenches, for named networks, on one port. Pure.

By default a refusal: of what makes up networks, and of services that no rule thinks of, only the kinds of
resource that the program uses are known, and of the door only what has exactly its names in this stack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from infra.policies.networks import is_private, names_network, network_problem
from infra.policies.resource import UNKNOWN, Resource, texts
from lambdas.contract.workbench import PORT

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
GATEWAY = "aws:ec2/internetGateway:InternetGateway"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
LISTENER = "aws:lb/listener:Listener"
ROUTE = "aws:ec2/route:Route"
ROUTE_TABLE = "aws:ec2/routeTable:RouteTable"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
SUBNET = "aws:ec2/subnet:Subnet"
TARGETS = "aws:lb/targetGroup:TargetGroup"
VPC = "aws:ec2/vpc:Vpc"
KNOWN = frozenset(
    {
        *(BALANCER, DEFAULT_GROUP, EGRESS, ENDPOINT, GATEWAY, GROUP, INGRESS, LISTENER, ROUTE, ROUTE_TABLE),
        *(ASSOCIATION, SUBNET, TARGETS, VPC),
    }
)
"""What the program makes its network of, and these rules look into."""
WITHOUT_NETWORK = frozenset(
    {
        *("athena", "cloudtrail", "cloudwatch", "dynamodb", "emr", "glue"),
        *("iam", "kms", "lambda", "s3", "sns", "sqs"),
    }
)
"""The other modules of the AWS provider that the program uses; nothing in them is in a network of ours."""
PUBLIC_ADDRESSES = frozenset(
    {
        *("assignGeneratedIpv6CidrBlock", "assignIpv6AddressOnCreation", "assignPublicIp"),
        *("associatePublicIpAddress", "mapPublicIpOnLaunch", "publiclyAccessible"),
    }
)
"""Properties, at any depth, by which a machine gets an address that the internet knows."""
INLINE = ("ingress", "egress", "routes")
SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
S3_PORT = 443
ENDPOINTS = ("kms", "s3")
_JUDGED_APART = frozenset(
    {(INGRESS, "cidrIpv4"), (ROUTE, "destinationCidrBlock"), (SUBNET, "cidrBlock"), (VPC, "cidrBlock")}
)
"""Where addresses may stand at all."""


def is_of_a_network(resource: Resource) -> bool:
    """Whether it is, by its name, one of the door's that are there for each network: ``fruits-eu-door-0``."""
    if resource.prefix is None:
        return False
    return re.fullmatch(f"{re.escape(resource.prefix)}-door-[0-9]+", resource.name) is not None


def one_way_in(resource: Resource) -> Iterator[str]:
    """Addresses are let in, and have a way out, by the door alone: named networks, on its one port."""
    if not resource.type.startswith("aws:"):
        return
    if resource.module not in WITHOUT_NETWORK and resource.type not in KNOWN:
        yield (
            f"{resource.kind} of {resource.module} may open a way into or out of the stack; remove it, or "
            "say in infra/policies/door.py what it may be"
        )
    for name, value in resource.properties.items():
        if (resource.type, name) not in _JUDGED_APART:
            for cidr in filter(names_network, texts(value)):
                yield f"names the addresses {cidr}; name a group"
    for name in sorted(set(_public_addresses(resource.properties))):
        yield f"gives machines public addresses; unset {name}"
    yield from _JUDGES.get(resource.type, _nothing)(resource)


def _ingress(resource: Resource) -> Iterator[str]:
    sources = _given(resource, SOURCES)
    if sources == ["referencedSecurityGroupId"]:
        return
    if sources != ["cidrIpv4"] or not is_of_a_network(resource):
        yield f"lets in by {_listed(sources)}; name a group (referencedSecurityGroupId) and nothing else"
        return
    yield from _on_one_port(resource, PORT, "the door's is")
    yield from _named_network(resource, "cidrIpv4")


def _egress(resource: Resource) -> Iterator[str]:
    sources = _given(resource, SOURCES)
    if sources == ["referencedSecurityGroupId"]:
        return
    if sources != ["prefixListId"] or not _is_named(resource, "-nodes-to-s3"):
        yield f"leads out by {_listed(sources)}; name a group (referencedSecurityGroupId) and nothing else"
        return
    yield from _on_one_port(resource, S3_PORT, "that of S3 is")


def _route(resource: Resource) -> Iterator[str]:
    if not is_of_a_network(resource):
        yield "opens a way out of the network; the door alone has one"
    others = [
        name
        for name, value in resource.properties.items()
        if value is not None and _says_where(name) and name not in ("destinationCidrBlock", "gatewayId")
    ]
    if others:
        yield f"leads by {_listed(others)}; lead from destinationCidrBlock to the door's gateway"
    yield from _named_network(resource, "destinationCidrBlock")


def _says_where(name: str) -> bool:
    return name != "routeTableId" and (name.startswith("destination") or name.endswith(("Id", "Arn")))


def _association(resource: Resource) -> Iterator[str]:
    if resource.properties.get("gatewayId") is not None:
        yield "leads what comes in from a gateway; associate a subnet"


def _gateway(resource: Resource) -> Iterator[str]:
    if not _is_named(resource, "-door"):
        yield f"{resource.kind} opens a way out of or into the stack; remove it"


def _own_addresses(resource: Resource) -> Iterator[str]:
    cidr = resource.properties.get("cidrBlock")
    if isinstance(cidr, str) and not is_private(cidr):
        yield f"has the addresses {cidr}, which are not private; choose some of 10.0.0.0/8"


def _no_rules_inside(resource: Resource) -> Iterator[str]:
    for inline in INLINE:
        if resource.properties.get(inline):
            yield f"has {inline} of its own; declare each as a resource, which can be looked at"


def _endpoint(resource: Resource) -> Iterator[str]:
    service = resource.properties.get("serviceName")
    fine = [f"com.amazonaws.{resource.region}.{name}" for name in ENDPOINTS]
    if service is not UNKNOWN and service not in fine:
        yield f"leads to {service}; the stack's endpoints are those of {_listed(ENDPOINTS)} in its region"


def _balancer(resource: Resource) -> Iterator[str]:
    if resource.properties.get("internal") is True:
        return
    if not _is_named(resource, "-door"):
        yield "is open to the internet; set internal"
    if resource.properties.get("loadBalancerType") not in ("network", UNKNOWN):
        yield "reads what passes; set loadBalancerType to network, so that TLS ends behind it"
    if not resource.properties.get("securityGroups"):
        yield "lets everybody in; set securityGroups"


def _listener(resource: Resource) -> Iterator[str]:
    listens = [resource.properties.get(name) for name in ("protocol", "port")]
    if any(map(_differs, listens, ("TCP", PORT))):
        yield f"listens to {_shown(listens[0])} on port {_shown(listens[1])}; the door's is TCP on {PORT}"


def _nothing(_resource: Resource) -> Iterator[str]:
    return iter(())


_JUDGES: Mapping[str, Callable[[Resource], Iterator[str]]] = {
    ASSOCIATION: _association,
    BALANCER: _balancer,
    DEFAULT_GROUP: _no_rules_inside,
    EGRESS: _egress,
    ENDPOINT: _endpoint,
    GATEWAY: _gateway,
    GROUP: _no_rules_inside,
    INGRESS: _ingress,
    LISTENER: _listener,
    ROUTE: _route,
    ROUTE_TABLE: _no_rules_inside,
    SUBNET: _own_addresses,
    VPC: _own_addresses,
}


def _on_one_port(resource: Resource, port: int, whose: str) -> Iterator[str]:
    # A protocol of -1 is every one, and AWS then ignores the ports. Source: API reference of IpPermission.
    names = ("ipProtocol", "fromPort", "toPort")
    protocol, first, last = (resource.properties.get(name) for name in names)
    if any(map(_differs, (protocol, first, last), ("tcp", port, port))):
        yield (
            f"is of protocol {_shown(protocol)} and the ports {_shown(first)} to {_shown(last)}; "
            f"{whose} tcp on {port} alone"
        )


def _named_network(resource: Resource, name: str) -> Iterator[str]:
    cidr = resource.properties.get(name)
    if cidr is not UNKNOWN and (problem := network_problem(str(cidr))):
        yield f"{name} {cidr} {problem}"


def _is_named(resource: Resource, end: str) -> bool:
    return resource.prefix is not None and resource.name == f"{resource.prefix}{end}"


def _given(resource: Resource, names: Sequence[str]) -> list[str]:
    return [name for name in names if resource.properties.get(name) is not None]


def _public_addresses(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in PUBLIC_ADDRESSES and item not in (None, False, "false", UNKNOWN):
                yield name
            yield from _public_addresses(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _public_addresses(item)


def _differs(value: Any, wanted: object) -> bool:
    return value is not UNKNOWN and value != wanted


def _shown(value: Any) -> str:
    """Numbers come from Pulumi with decimals."""
    if value is UNKNOWN:
        return "(known later)"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names) or "nothing that is known"
