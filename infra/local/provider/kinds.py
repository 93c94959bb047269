"""Every resource type that the local cloud can hold."""

from __future__ import annotations

from infra.local.provider import (
    alarms,
    bucket_guards,
    buckets,
    catalog,
    clusters,
    events,
    firewall,
    functions,
    gateways,
    identity,
    keys,
    load_balancing,
    logs,
    network,
    objects,
    queues,
    tables,
    topics,
    trails,
)
from infra.local.provider.resource import Kind

KINDS: dict[str, Kind] = {
    **buckets.KINDS,
    **bucket_guards.KINDS,
    **objects.KINDS,
    **identity.KINDS,
    **functions.KINDS,
    **logs.KINDS,
    **events.KINDS,
    **topics.KINDS,
    **queues.KINDS,
    **tables.KINDS,
    **keys.KINDS,
    **network.KINDS,
    **firewall.KINDS,
    **gateways.KINDS,
    **load_balancing.KINDS,
    **trails.KINDS,
    **clusters.KINDS,
    **alarms.KINDS,
    **catalog.KINDS,
}


class UnknownResourceTypeError(NotImplementedError):
    """The stack uses a resource type that the local cloud cannot create yet."""

    def __init__(self, token: str, name: str) -> None:
        super().__init__(
            f"the local cloud cannot create {token} (resource {name!r}); "
            "add a kind for it in infra/local/provider/"
        )


def kind_of(token: str, name: str) -> Kind:
    """How resources of this type live.

    Raises:
        UnknownResourceTypeError: nothing here knows.
    """
    if (kind := KINDS.get(token)) is None:
        raise UnknownResourceTypeError(token, name)
    return kind
