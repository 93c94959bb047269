"""The networks whose people may come in by the door: what each must be, and all of them together. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

WIDEST_PREFIX = 16
MOST_ADDRESSES = 2 ** (ipaddress.IPV4LENGTH - WIDEST_PREFIX)
"""Of all networks together, or a wider one could be named in pieces."""
MOST_NETWORKS = 49
"""Each is a rule of the door's security group, of which AWS allows 60, and a route of its table, of which it
allows 50 with the one inside the network. Both can be raised on request, so neither is counted on.
Source: Amazon VPC User Guide, "Amazon VPC quotas"."""
NOT_PUBLIC = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
"""Source: IANA IPv4 Special-Purpose Address Registry, and RFC 5771 for 224.0.0.0/4 (multicast). The three
ranges for documentation are left in: nobody comes from them, so examples and local stacks open nothing."""


def network_problem(cidr: str) -> str | None:
    """Why nobody may be let in from there, as the end of a sentence; None when somebody may."""
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return "is no network; write an IPv4 range such as 203.0.113.0/24"
    if not isinstance(network, ipaddress.IPv4Network):
        return "is no IPv4 range; the door has none but IPv4 addresses"
    address, slash, _ = cidr.partition("/")
    if not slash:
        return f"names a machine and not a network; write {network}"
    if address != str(network.network_address):
        return f"names a machine and not a network; write {network}, or /32 behind the machine's address"
    if cidr != str(network):
        return f"is not written as AWS writes networks; write {network}"
    if network.prefixlen < WIDEST_PREFIX:
        return f"has {network.num_addresses:,} addresses; name ranges of /{WIDEST_PREFIX} or narrower"
    if any(network.overlaps(one) for one in NOT_PUBLIC):
        return (
            "is a range from which nothing comes over the internet; name the public addresses of the network"
        )
    return None


def problems_together(cidrs: Sequence[str]) -> Iterator[str]:
    """What is wrong with the networks beside one another, as sentences; of each alone,
    :func:`network_problem` tells."""
    networks = [network for cidr in cidrs if (network := _network(cidr)) is not None]
    fine = [network for network in networks if network_problem(str(network)) is None]
    for number, network in enumerate(networks):
        if network in networks[:number]:
            yield f"'{network}' is there twice; remove one"
        elif outer := next((one for one in fine if one != network and network.subnet_of(one)), None):
            yield f"'{network}' lies within '{outer}', which is there, too; remove one of them"
    if len(cidrs) > MOST_NETWORKS:
        yield (
            f"{len(cidrs)} networks are named, and AWS takes {MOST_NETWORKS} (each is a route of one table); "
            "name fewer, of which some are wider"
        )
    addresses = sum(network.num_addresses for network in ipaddress.collapse_addresses(fine))
    if addresses > MOST_ADDRESSES:
        yield (
            f"the networks have {addresses:,} addresses together, and one of /{WIDEST_PREFIX} has "
            f"{MOST_ADDRESSES:,}, which is the most; name the parts from which people come"
        )


def names_network(text: str) -> bool:
    """Whether a property's text is a range of addresses, of whatever kind."""
    if "/" not in text:
        return False
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def is_private(cidr: str) -> bool:
    """Whether it is a network of private addresses, as the stack's own are."""
    network = _network(cidr)
    return network is not None and network.is_private


def _network(cidr: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(cidr, strict=False)
    except ValueError:
        return None
