"""A request's parameters against botocore's model of the operation's input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import regex
from botocore.model import ListShape, MapShape, Shape, StructureShape

from tests.aws_models.patterns import compiled

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Violation:
    """``value`` at ``path`` (``Instances.InstanceGroups[0].Name``), as text, breaks ``rule``."""

    path: str
    value: str
    rule: str


def violations(shape: Shape | None, value: object, path: str = "") -> Iterator[Violation]:
    """What in ``value`` AWS would refuse by pattern, length, bound or enum.

    Types, required and unknown members are botocore's own to check: it does, before it sends anything.
    """
    if shape is None:
        return
    yield from (Violation(path, _cut(repr(value)), rule) for rule in _broken(shape, value))
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        for name, member in value.items():
            if name in shape.members:
                yield from violations(shape.members[name], member, f"{path}.{name}" if path else name)
    elif isinstance(shape, ListShape) and isinstance(value, list | tuple):
        for number, member in enumerate(value):
            yield from violations(shape.member, member, f"{path}[{number}]")
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        for key, member in value.items():
            yield from violations(shape.key, key, f"{path} (key)")
            yield from violations(shape.value, member, f"{path}[{key!r}]")


def _broken(shape: Shape, value: Any) -> Iterator[str]:
    measured = _measure(value)
    if measured is not None:
        size, unit = measured
        # Some models write bounds of numbers as text.
        if "min" in shape.metadata and size < float(shape.metadata["min"]):
            yield f"{unit} is at least {shape.metadata['min']}"
        if "max" in shape.metadata and size > float(shape.metadata["max"]):
            yield f"{unit} is at most {shape.metadata['max']}"
    if isinstance(value, str):
        enum = shape.metadata.get("enum")
        if enum and value not in enum:
            yield _cut(f"one of {', '.join(enum)}")
        if "pattern" in shape.metadata:
            yield from _mismatch(shape.metadata["pattern"], value)


def _measure(value: Any) -> tuple[float, str] | None:
    """What the bounds limit; of a stream nobody knows the length, and a flag has no bounds."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value, "the number"
    if isinstance(value, str | bytes | bytearray | list | tuple | Mapping):
        return len(value), "the length"
    return None


def _mismatch(pattern: str, value: str) -> Iterator[str]:
    try:
        if not compiled(pattern).fullmatch(value):
            yield f"matches {pattern}"
    except regex.error as error:
        yield f"matches {pattern} (which nobody here can read: {error})"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
