"""What the resource types of the local cloud share: the life of one kind, and the account it lives in."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

Inputs = Mapping[str, Any]
"""A resource's properties in Pulumi's camelCase, without those that are not set."""
DEFAULTS = "__defaults"
"""The input that lists which others nobody gave, as the real AWS provider keeps it."""
SUFFIX_LENGTH = 7
_MISSING = re.compile(r"^404$|not.?found|no.?such|non.?existent|does.?not.?exist", re.IGNORECASE)
"""Answers without a body, as to HEAD requests, have the status as their code."""


@dataclass(frozen=True)
class Created:
    """The physical id of a resource, and the outputs that it has beside its inputs."""

    id: str
    outputs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What AWS says of a resource that exists: inputs as they are now, and outputs beside them."""

    inputs: dict[str, Any]
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

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a regional resource in the local account, which is in AWS' usual partition."""
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"


@dataclass(frozen=True)
class Kind:
    """The life of one resource type.

    ``create`` gets the logical name and checked inputs; ``read`` the physical id and every property known
    so far (none, of a resource that is being imported), and answers None for what is gone; ``update`` the
    id, the old and the new inputs, and answers the outputs that changed; ``delete`` the id and every
    property known.
    """

    create: Callable[[Aws, str, Inputs], Created]
    read: Callable[[Aws, str, Inputs], Found | None]
    delete: Callable[[Aws, str, Inputs], None]
    update: Callable[[Aws, str, Inputs, Inputs], Mapping[str, Any]] | None = None
    fixed: frozenset[str] = frozenset()
    """Inputs that AWS cannot change: another value is another resource. Without ``update``, all are."""
    named: str | None = None
    """The input that holds the physical name; one is made where the program gives none."""

    def check(self, name: str, inputs: Inputs, old: Inputs, seed: bytes) -> dict[str, Any]:
        """The inputs with a physical name: the given one, else the one it has (``old``), else a new one.

        The name is made as Pulumi makes names: prefix or logical name, and seven hex digits from ``seed``.
        """
        checked = {key: value for key, value in inputs.items() if key != DEFAULTS}
        if self.named is None or self.named in checked:
            return checked
        if self.named in old.get(DEFAULTS, ()):
            made = old[self.named]
        else:
            digits = random.Random(seed).randbytes(4).hex()[:SUFFIX_LENGTH]  # noqa: S311  # names, no secrets
            made = f"{inputs.get(f'{self.named}Prefix', f'{name}-')}{digits}"
        return {**checked, self.named: made, DEFAULTS: [self.named]}

    def changes(self, old: Inputs, new: Inputs) -> tuple[list[str], list[str]]:
        """The inputs that differ, and those among them that make it another resource."""
        keys = sorted((old.keys() | new.keys()) - {DEFAULTS})
        changed = [key for key in keys if not same(old.get(key), new.get(key))]
        return changed, [key for key in changed if self.update is None or key in self.fixed]


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same: files by their hash, JSON texts by what they say."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if "hash" in one and "hash" in other:
            return bool(one["hash"] == other["hash"])
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, str) and isinstance(other, str) and one != other:
        return _document(one) is not None and _document(one) == _document(other)
    return bool(one == other)


def _document(text: str) -> Any:
    try:
        return json.loads(text) if text.startswith(("{", "[")) else None
    except ValueError:
        return None


def path_of(asset: Any) -> str:
    """The file behind an asset or archive: an object of the SDK, or what the engine makes of it."""
    return str(asset["path"] if isinstance(asset, Mapping) else asset.path)


def is_missing(error: ClientError) -> bool:
    """Whether AWS says that there is no such thing."""
    answer = error.response["Error"]
    # EMR has one code for all that is wrong with a request, and says the rest in words.
    words = answer["Message"] if answer["Code"] == "InvalidRequestException" else answer["Code"]
    return bool(_MISSING.search(words))


def tags_of(inputs: Inputs, aws: Aws) -> dict[str, str]:
    """The resource's own tags over the provider's."""
    return {**aws.tags, **inputs.get("tags", {})}


def tag_list_of(inputs: Inputs, aws: Aws) -> list[dict[str, str]]:
    """The same as most services want them."""
    return [{"Key": key, "Value": value} for key, value in tags_of(inputs, aws).items()]


def own_tags(tags: Iterable[Mapping[str, str]], aws: Aws) -> dict[str, str] | None:
    """The input ``tags`` of a resource that has these: those beside the provider's, None without any."""
    return {tag["Key"]: tag["Value"] for tag in tags if aws.tags.get(tag["Key"]) != tag["Value"]} or None


def reported(found: Mapping[str, Any], known: Inputs, defaults: Inputs | None = None) -> dict[str, Any]:
    """What AWS reports: all that is known already (None: not set any more), of the rest what says something.

    AWS answers a default where the program says nothing; as an input it would look like a change.
    """
    usual = defaults or {}
    return {
        key: value
        for key, value in found.items()
        if key in known or not (value is None or (key in usual and same(value, usual[key])))
    }


def in_order_of(known: Iterable[str] | None, found: Iterable[str]) -> list[str]:
    """A set that AWS answers in any order, in the order in which it is known; what is new comes last."""
    places = {value: place for place, value in enumerate(known or ())}
    return sorted(found, key=lambda value: (places.get(value, len(places)), value))


def no_update(_aws: Aws, _id: str, _old: Inputs, _new: Inputs) -> Mapping[str, Any]:
    """For inputs that only say how to treat the resource, such as ``forceDestroy``."""
    return {}
