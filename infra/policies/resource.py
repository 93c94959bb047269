"""What a rule looks at: one declared resource, of which a preview may not know everything yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final


class Unknown(Enum):
    """The type of ``UNKNOWN``."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
"""A value that exists only once something else was created, as the ARN of a key does.

It is given, so a rule that wants a value to be there is content; what it says, nobody can judge yet. The
rules judge everything around it, and the value itself at `pulumi up`, before the resource is created.
"""
KNOWN_LATER: Final = "(known after it is created)"
"""What stands for such a value inside a JSON document, whose other parts are known."""

_URN = re.compile(r"urn:pulumi:(?P<stack>[^:]+)::(?P<project>[^:]+)::")
"""Source: Pulumi's documentation, "Resource names": how a URN is put together."""


@dataclass(frozen=True)
class Resource:
    """``type`` is Pulumi's token, ``properties`` are in its camelCase, ``region`` is the provider's.

    ``region`` is None where no provider with a region is known, which is a violation in itself. Any value in
    ``properties``, at any depth, may be ``UNKNOWN``. ``prefix`` begins the names of its stack
    (``fruits-eu``); where it is None, the resource is none that may do more than others. ``made_of`` has, by
    property, type and name of the resources that its value comes from; only stack rules are told.
    """

    type: str
    name: str
    properties: Mapping[str, Any]
    region: str | Unknown | None
    prefix: str | None = None
    made_of: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The middle part of the token, of the AWS provider: ``s3``."""
        return self.type.partition(":")[2].partition("/")[0]

    @property
    def kind(self) -> str:
        """The last part of the token: ``Bucket``."""
        return self.type.rsplit(":", 1)[-1]

    @property
    def texts(self) -> Iterator[str]:
        """Every known text anywhere in the properties."""
        return texts(self.properties)


def prefix_of(urn: str) -> str | None:
    """How the names of the resource's stack begin, by ``urn:pulumi:<stack>::<project>::...``, as
    :class:`infra.naming.Naming` has it; None where it is no such URN."""
    found = _URN.match(urn)
    return f"{found['project']}-{found['stack']}" if found else None


def at(value: Any, *path: str) -> Any:
    """What lies at a path of keys; None where something on the way is absent, ``UNKNOWN`` where unknown."""
    for key in path:
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def items(value: Any) -> list[Any]:
    """The known items of what may be a list, a single value, absent or unknown."""
    if value is None or value is UNKNOWN:
        return []
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return [item for item in listed if item is not UNKNOWN]


def texts(value: object) -> Iterator[str]:
    """Every known text in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from texts(item)
