"""The door as a whole: what its resources are joined to, and all of its networks. Pure.

A name alone could be given to what opens another group. What a property is made of shows it, already in a
preview, when no id is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from infra.policies.door import (
    ASSOCIATION,
    BALANCER,
    EGRESS,
    ENDPOINT,
    GATEWAY,
    GROUP,
    INGRESS,
    ROUTE,
    ROUTE_TABLE,
    SUBNET,
    is_of_a_network,
)
from infra.policies.networks import problems_together
from infra.policies.resource import Resource

_JOINED = (
    (INGRESS, "cidrIpv4", "securityGroupId", GROUP, "-door"),
    (EGRESS, "prefixListId", "prefixListId", ENDPOINT, "-s3"),
    (ROUTE, "gatewayId", "routeTableId", ROUTE_TABLE, "-door"),
    (ROUTE, "gatewayId", "gatewayId", GATEWAY, "-door"),
    (BALANCER, "securityGroups", "securityGroups", GROUP, "-door"),
)
"""Of such a resource, where it has the first property, the second is made of what has this type and name."""


def joined_wrongly(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    """Each resource that joins the door to something else than the door, or has networks beyond its limits,
    with what is wrong and what to do."""
    for resource in resources:
        is_internal = resource.properties.get("internal") is True
        for kind, given, joined, target, end in _JOINED:
            if resource.type == kind and resource.properties.get(given) and not is_internal:
                found, wanted = _made_of(resource, joined, target), f"{resource.prefix}{end}"
                if found != {wanted}:
                    yield resource, f"{joined} is {_listed(found)}; make it that of {wanted}"
        if resource.type == ASSOCIATION and f"{resource.prefix}-door" in _made_of(
            resource, "routeTableId", ROUTE_TABLE
        ):
            subnets = _made_of(resource, "subnetId", SUBNET)
            own = re.compile(f"{re.escape(str(resource.prefix))}-door-[a-z]")
            if not subnets or not all(map(own.fullmatch, subnets)):
                yield resource, f"gives {_listed(subnets)} the door's way out; give it a table without one"
    rules = [one for one in resources if one.type == INGRESS and is_of_a_network(one)]
    cidrs = [cidr for one in rules if isinstance(cidr := one.properties.get("cidrIpv4"), str)]
    for problem in problems_together(cidrs):
        yield rules[0], problem


def _made_of(resource: Resource, name: str, kind: str) -> set[str]:
    """The names of the resources of this type that a property is made of."""
    return {of for token, of in resource.made_of.get(name, ()) if token == kind}


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names)) or "of no resource of this stack"
