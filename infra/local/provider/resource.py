"""What the creators of the single resource types share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Inputs = Mapping[str, Any]
"""A resource's properties in Pulumi's camelCase, without those that are not set."""


@dataclass(frozen=True)
class Created:
    """The physical id of a resource, and the outputs that it has beside its inputs."""

    id: str
    outputs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Aws:
    """The account that resources are created in. ``client`` gives a boto3 client for a service's name."""

    client: Callable[[str], Any]
    account_id: str
    region: str
    tags: Mapping[str, str]
    """Default tags, for everything that can be tagged."""

    @property
    def tag_list(self) -> list[dict[str, str]]:
        """The tags as most services want them."""
        return [{"Key": key, "Value": value} for key, value in self.tags.items()]


Creator = Callable[[Aws, str, Inputs], Created]


def physical_name(logical_name: str, inputs: Inputs, key: str = "name") -> str:
    """The explicit name, or one made as Pulumi makes them: the logical name and seven hex digits."""
    return str(inputs.get(key) or f"{logical_name}-{secrets.token_hex(4)[:7]}")
