"""The policies know one way in, the door's, and stop a preview at every other one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from infra.policies import door
from infra.policies.resource import UNKNOWN, Resource
from infra.policies.rules import violations
from tests.infra.conftest import preview

from .test_policies import resources_of

TOKENS = {token.rsplit(":", 1)[1]: token for token in door.KNOWN}
ONE_PORT = {"ipProtocol": "tcp", "fromPort": 9443.0, "toPort": 9443.0}
OPEN = {"cidrIpv4": "203.0.113.0/24", **ONE_PORT}
INGRESS, EGRESS = "SecurityGroupIngressRule", "SecurityGroupEgressRule"
BY_THE_DOOR = {"routeTableId": "t", "destinationCidrBlock": "203.0.113.0/24"}


def resource(kind: str, name: str = "fruits-eu-door-0", **properties: Any) -> Resource:
    """One of the stack `eu`. ``kind``: of one that the policies know, or a whole token."""
    return Resource(TOKENS.get(kind, kind), name, properties, "eu-west-1", "fruits-eu")


def said_of(*resources: Resource) -> str:
    return "\n".join(map(str, violations(resources)))


@pytest.mark.parametrize("networks", [["203.0.113.0/24", "198.51.100.7/32"], ["198.51.0.0/16"]])
def test_the_whole_program_keeps_every_rule_with_the_door(build: Path, networks: list[str]) -> None:
    listed = ", ".join(f'"{one}"' for one in networks)
    declared = preview(build, **{"fruits:workbenchCidrs": f"[{listed}]"})
    assert said_of(*resources_of(declared)) == ""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (resource("InternetGateway", "fruits-eu-other"), "opens a way out"),
        (resource("aws:ec2/natGateway:NatGateway"), "opens a way out"),
        (resource("Route", destinationCidrBlock="0.0.0.0/0"), "the whole internet"),
        (resource("Route", destinationCidrBlock="203.0.0.0/15"), "name ranges of /16 or narrower"),
        (resource("Route", "fruits-eu-a", destinationCidrBlock="203.0.113.0/24"), "opens a way out"),
        (resource("Route", **BY_THE_DOOR, natGatewayId="nat-1"), "leads by natGatewayId"),
        (resource("Route", destinationPrefixListId="pl-1", gatewayId="g"), "leads by destinationPrefix"),
        (resource(INGRESS, **OPEN | {"fromPort": 22, "toPort": 22}), "ports 22 to 22; the door's is tcp on"),
        (resource(INGRESS, **OPEN | {"fromPort": 0.0}), "ports 0 to 9443; the door's is tcp on 9443 alone"),
        # AWS then ignores the ports.
        (resource(INGRESS, **OPEN | {"ipProtocol": "-1"}), "is of protocol -1"),
        (resource(INGRESS, **OPEN | {"ipProtocol": "udp"}), "is of protocol udp"),
        (resource(INGRESS, **{**OPEN, "cidrIpv4": UNKNOWN, "ipProtocol": "-1"}), "is of protocol -1"),
        (resource(INGRESS, **{**OPEN, "toPort": UNKNOWN, "fromPort": 1}), "ports 1 to"),
        (resource(INGRESS, **OPEN | {"cidrIpv4": "52.0.0.0/8"}), "16,777,216 addresses"),
        (resource(INGRESS, **OPEN | {"cidrIpv4": "203.0.113.0/255.255.255.0"}), "write 203.0.113.0/24"),
        (resource(INGRESS, "fruits-eu-nodes", **OPEN), "name a group"),
        (resource(INGRESS, "fruits-eu-door", **OPEN), "name a group"),
        (resource(INGRESS, "fruits-eu-nodes", **OPEN | {"cidrIpv4": UNKNOWN}), "name a group"),
        (resource(INGRESS, cidrIpv6="2001:db8::/64", **ONE_PORT), "name a group"),
        (resource(INGRESS, cidrIpv6=UNKNOWN, **ONE_PORT), "name a group"),
        (resource(INGRESS, **OPEN, referencedSecurityGroupId="g"), "name a group"),
        (resource(INGRESS, prefixListId="pl-1", **ONE_PORT), "lets in by prefixListId"),
        (resource(INGRESS, prefixListId=UNKNOWN, ipProtocol="tcp", fromPort=0, toPort=65535), "prefixListId"),
        (resource(EGRESS, cidrIpv4="203.0.113.0/24"), "name a group"),
        (resource(EGRESS, prefixListId="pl-1", ipProtocol="tcp", fromPort=0, toPort=65535), "prefixListId"),
        (resource(EGRESS, "fruits-eu-nodes-to-s3", prefixListId=UNKNOWN, ipProtocol="-1"), "protocol -1"),
        (
            resource("aws:ec2/managedPrefixList:ManagedPrefixList", entries=[{"cidr": "52.0.0.0/8"}]),
            "52.0.0.0/8",
        ),
        (resource("aws:ec2/managedPrefixList:ManagedPrefixList", entries=UNKNOWN), "may open a way"),
        (
            resource("aws:ec2/securityGroupRule:SecurityGroupRule", cidrBlocks=["52.0.0.0/8"]),
            "names the addresses 52.0.0.0/8",
        ),
        (resource("SecurityGroup", ingress=[{"cidrBlocks": ["52.0.0.0/8"]}]), "the addresses 52.0.0.0/8"),
        (resource("SecurityGroup", egress=[{"cidrBlocks": ["52.0.0.0/8"]}]), "has egress of its own"),
        (resource("SecurityGroup", ingress=[{"prefixListIds": ["pl-1"]}]), "has ingress of its own"),
        (resource("RouteTable", routes=[{"cidrBlock": UNKNOWN}]), "has routes of its own"),
        (resource("RouteTableAssociation", gatewayId="igw-1", routeTableId="t"), "associate a subnet"),
        (resource("aws:ec2/instance:Instance", associatePublicIpAddress=True), "unset associatePublicIp"),
        (
            resource(
                "aws:ec2/launchTemplate:LaunchTemplate",
                networkInterfaces=[{"associatePublicIpAddress": "true"}],
            ),
            "unset associatePublicIp",
        ),
        (resource("Subnet", assignIpv6AddressOnCreation=True), "unset assignIpv6AddressOnCreation"),
        (resource("Subnet", cidrBlock="52.0.0.0/24"), "which are not private"),
        (resource("aws:rds/instance:Instance", publiclyAccessible=True), "unset publiclyAccessible"),
        (resource("aws:lb/targetGroupAttachment:TargetGroupAttachment"), "may open a way into"),
        (resource("aws:apigatewayv2/route:Route"), "may open a way into"),
        (resource("aws:transfer/server:Server"), "may open a way into"),
        (resource("VpcEndpoint", serviceName="com.amazonaws.vpce.eu-west-1.vpce-svc-1"), "leads to com."),
        (resource("VpcEndpoint", serviceName="com.amazonaws.eu-west-2.s3"), "in its region"),
        (
            resource("LoadBalancer", "fruits-eu-web", loadBalancerType="network", securityGroups=["g"]),
            "internal",
        ),
        (resource("LoadBalancer", loadBalancerType="application", securityGroups=["g"]), "network"),
        (resource("LoadBalancer", loadBalancerType="network"), "set securityGroups"),
        (resource("Listener", protocol="TCP", port=443), "the door's is TCP on 9443"),
        (resource("Listener", protocol="UDP", port=UNKNOWN), "the door's is TCP on 9443"),
    ],
)
def test_any_other_way_in_or_out_is_refused(wrong: Resource, words: str) -> None:
    assert words in said_of(wrong)


DOOR = {
    "InternetGateway": ("fruits-eu-door", {}),
    "Route": ("fruits-eu-door-0", {"destinationCidrBlock": "203.0.113.0/24", "gatewayId": UNKNOWN}),
    INGRESS: ("fruits-eu-door-0", OPEN),
    "LoadBalancer": ("fruits-eu-door", {"loadBalancerType": "network", "securityGroups": [UNKNOWN]}),
    EGRESS: ("fruits-eu-nodes-to-s3", {"prefixListId": UNKNOWN, **ONE_PORT, "fromPort": 443, "toPort": 443}),
}
"""Kind to name and properties of what may do what nothing else may."""


def alone(one: Resource) -> str:
    """What the rules say that look at one resource."""
    return "\n".join(door.one_way_in(one))


@pytest.mark.parametrize("kind", DOOR)
def test_only_what_has_exactly_the_doors_name_in_its_own_stack_is_the_doors(kind: str) -> None:
    name, properties = DOOR[kind]
    own = resource(kind, name, **properties)
    assert alone(own) == ""
    for prefix in (None, "fruits-eu-door", "fruits-front-door", "fruits-e"):
        assert alone(dataclasses.replace(own, prefix=prefix)), prefix
    for other in (f"{name}-nodes", f"x-{name}", "fruits-eu", "fruits-eu-door-a", "fruits-eu-front-door-0"):
        assert alone(dataclasses.replace(own, name=other)), other


@pytest.mark.parametrize("end", ["", "-nodes", "-a", "-vpc", "-0"])
@pytest.mark.parametrize("kind", DOOR)
def test_a_stack_whose_name_ends_like_the_door_has_no_other_one(kind: str, end: str) -> None:
    _, properties = DOOR[kind]
    of_it = Resource(TOKENS[kind], f"fruits-front-door{end}", properties, "eu-west-1", "fruits-front-door")
    assert alone(of_it)


def test_what_is_not_known_yet_is_judged_later() -> None:
    rule = resource(INGRESS, cidrIpv4=UNKNOWN, ipProtocol=UNKNOWN, fromPort=UNKNOWN, toPort=UNKNOWN)
    for one in (rule, resource("Listener", protocol=UNKNOWN, port=UNKNOWN)):
        assert alone(one) == ""


def joined(kind: str, properties: dict[str, Any], **made_of: tuple[str, str]) -> Resource:
    own = resource(kind, **properties)
    return dataclasses.replace(own, made_of={name: [(TOKENS[of[0]], of[1])] for name, of in made_of.items()})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            joined(INGRESS, OPEN, securityGroupId=("SecurityGroup", "fruits-eu-nodes")),
            "securityGroupId is fruits-eu-nodes; make it that of fruits-eu-door",
        ),
        (joined(INGRESS, OPEN), "securityGroupId is of no resource of this stack"),
        (joined(EGRESS, {"prefixListId": "pl-1"}), "make it that of fruits-eu-s3"),
        (
            joined("Route", BY_THE_DOOR | {"gatewayId": "igw"}, routeTableId=("RouteTable", "fruits-eu")),
            "routeTableId is fruits-eu; make it that of fruits-eu-door",
        ),
        (joined("Route", {"gatewayId": "igw-1"}), "gatewayId is of no resource of this stack"),
        (
            joined("LoadBalancer", {"securityGroups": ["g"]}, securityGroups=("SecurityGroup", "other")),
            "securityGroups is other;",
        ),
        (
            joined(
                "RouteTableAssociation",
                {},
                routeTableId=("RouteTable", "fruits-eu-door"),
                subnetId=("Subnet", "fruits-eu-a"),
            ),
            "gives fruits-eu-a the door's way out",
        ),
    ],
)
def test_what_the_door_is_joined_to_is_its_own(wrong: Resource, words: str) -> None:
    assert words in said_of(wrong)


def test_a_wide_network_in_pieces_is_refused() -> None:
    pieces = [
        joined(INGRESS, OPEN | {"cidrIpv4": cidr}, securityGroupId=("SecurityGroup", "fruits-eu-door"))
        for cidr in ("198.50.0.0/16", "198.51.0.0/16")
    ]
    assert said_of(pieces[0]) == ""
    assert "131,072 addresses together" in said_of(*pieces)
