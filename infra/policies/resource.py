"""What a rule looks at: one declared resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Resource:
    """``type`` is Pulumi's token, ``properties`` are in its camelCase, ``region`` is the provider's.

    ``region`` is None where no provider with a region is known, which is a violation in itself.
    """

    type: str
    name: str
    properties: Mapping[str, Any]
    region: str | None

    @property
    def kind(self) -> str:
        """The last part of the token: ``Bucket``."""
        return self.type.rsplit(":", 1)[-1]

    @property
    def texts(self) -> Iterator[str]:
        """Every text anywhere in the properties."""
        return _texts(self.properties)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)
