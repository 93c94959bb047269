"""The one way in from outside: the door to workbenches, for named networks, on one port. Pure.

Everything else that leads in or out is refused by :func:`infra.policies.rules.private`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from infra.policies.resource import UNKNOWN, Resource

DOOR = "-door"
"""How the logical names of its resources end, but for a number or a zone behind it."""
PORT = 9443
WIDEST_PREFIX = 16
NOT_PUBLIC = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3"),
    )
)
"""Source: IANA IPv4 Special-Purpose Address Registry; ranges for documentation are left in."""


def network_problem(cidr: str) -> str | None:
    """Why nobody may be let in from there, as the end of a sentence; None when somebody may."""
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError:
        try:
            meant = ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            return "is no network; write an IPv4 range such as 203.0.113.0/24"
        return f"names a machine and not a network; write {meant}, or /32 behind the machine's address"
    if "/" not in cidr:
        return f"names a machine and not a network; write {network}"
    if not isinstance(network, ipaddress.IPv4Network):
        return "is no IPv4 range; the door has none but IPv4 addresses"
    if network.prefixlen < WIDEST_PREFIX:
        return f"has {network.num_addresses:,} addresses; name ranges of /{WIDEST_PREFIX} or narrower"
    if any(network.overlaps(one) for one in NOT_PUBLIC):
        return (
            "is a range from which nothing comes over the internet; name the public addresses of the network"
        )
    return None


def is_of_door(resource: Resource) -> bool:
    """Whether the resource is one of the door's, by its logical name."""
    return DOOR in resource.name[-len(f"{DOOR}-to-nodes") :]


def one_way_in(resource: Resource) -> Iterator[str]:
    """Addresses are let in, and have a way out, by the door alone: named networks, on its one port."""
    yield from _addresses(resource)
    yield from _ports(resource)
    if resource.kind in {"SecurityGroup", "RouteTable", "DefaultSecurityGroup"}:
        for inline in ("ingress", "egress", "routes"):
            if resource.properties.get(inline):
                yield f"has {inline} of its own; declare each as a resource, which can be looked at"
    if resource.kind == "LoadBalancer" and resource.properties.get("internal") is not True:
        yield from _balancer(resource)


def _addresses(resource: Resource) -> Iterator[str]:
    for name in ("cidrIpv4", "cidrIpv6", "destinationCidrBlock", "destinationIpv6CidrBlock"):
        cidr = resource.properties.get(name)
        if cidr is None or cidr is UNKNOWN:
            continue
        if not is_of_door(resource) or resource.kind == "SecurityGroupEgressRule":
            yield f"names the addresses {cidr}; name a group or a prefix list"
        elif problem := network_problem(str(cidr)):
            yield f"{name} {cidr} {problem}"


def _ports(resource: Resource) -> Iterator[str]:
    if resource.kind == "SecurityGroupIngressRule" and resource.properties.get("cidrIpv4") is not None:
        ports = [resource.properties.get(name) for name in ("fromPort", "toPort")]
        if UNKNOWN not in ports and ports != [PORT, PORT]:
            yield f"lets addresses in on the ports {ports[0]} to {ports[1]}; the door's is {PORT}"
    if resource.kind == "Listener":
        listens = [resource.properties.get(name) for name in ("protocol", "port")]
        if UNKNOWN not in listens and listens != ["TCP", PORT]:
            yield f"listens to {listens[0]} on port {listens[1]}; the door's is TCP on {PORT}"


def _balancer(resource: Resource) -> Iterator[str]:
    if not is_of_door(resource):
        yield "is open to the internet; set internal"
    if resource.properties.get("loadBalancerType") not in ("network", UNKNOWN):
        yield "reads what passes; set loadBalancerType to network, so that TLS ends behind it"
    if not resource.properties.get("securityGroups"):
        yield "lets everybody in; set securityGroups"
