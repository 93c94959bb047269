"""Reading JSON documents that another version of the code may have written. Pure.

Each carries the major number of its schema in ``version``; those that were written before there was one are
of version 1. Within a major version fields are only ever added, with a default: a reader leaves aside what it
does not know, and takes the default for what is not there. A newer major version is refused with a sentence.

Standard library only, because Spark workers import it from a zip.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Mapping, Set
from typing import Any, Literal, TypeVar

T = TypeVar("T")
_NUMBERS: dict[Any, tuple[type, ...]] = {int: (int,), float: (int, float)}


class UnreadableError(ValueError):
    """What was read is no document of a kind and version that this code knows. The message says why."""


def document_from_json(cls: type[T], text: str | bytes, version: int) -> T:
    """Read a document of this class, whose schema this code knows up to the major ``version``.

    Raises:
        UnreadableError: it is no JSON object, or of a newer version, or a field is missing or of another
            type.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{cls.__name__} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise UnreadableError(f"{cls.__name__} is not a JSON object but {_shown(data)}")
    check_version(cls.__name__, data.get("version", 1), version)
    return dataclass_from_dict(cls, data)


def json_object(body: str | bytes | None) -> dict[str, Any]:
    """The JSON object in ``body``; an empty one where there is none, whoever wrote what is there."""
    with contextlib.suppress(ValueError, RecursionError):
        if body and isinstance(found := json.loads(body), dict):
            return found
    return {}


def check_version(what: str, found: Any, known: int) -> None:
    """Refuse what a newer release wrote.

    Raises:
        UnreadableError: ``found`` is no version from 1 to ``known``.
    """
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise UnreadableError(f"{what} has no version but {_shown(found)}")
    if found > known:
        raise UnreadableError(
            f"{what} is of version {found}, and this release reads up to {known}: "
            "a newer release wrote it; deploy that one again"
        )


def dataclass_from_dict(cls: type[T], data: Any) -> T:
    """Build a (nested) frozen dataclass from what :func:`json.loads` made of :func:`dataclasses.asdict`.

    Raises:
        UnreadableError: a field is missing or of another type. Fields that the class has not are left aside.
    """
    if not isinstance(data, dict):
        raise UnreadableError(f"{cls.__name__} is not a JSON object but {_shown(data)}")
    hints, required = _fields(cls)  # type: ignore[arg-type]  # a class can be hashed
    if missing := required - set(data):
        raise UnreadableError(f"{cls.__name__} lacks {', '.join(sorted(missing))}")
    return cls(
        **{
            name: _convert(hints[name], value, f"{cls.__name__}.{name}")
            for name, value in data.items()
            if name in hints
        }
    )


@functools.cache  # type hints are strings that Python compiles each time that it is asked for them
def _fields(cls: Any) -> tuple[Mapping[str, Any], Set[str]]:
    """The type hints of a dataclass' fields, and the names of those that have no default."""
    fields, hints = dataclasses.fields(cls), typing.get_type_hints(cls)
    required = {
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    return {field.name: hints[field.name] for field in fields}, required


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        return _convert(next(o for o in arguments if o is not types.NoneType), value, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return dataclass_from_dict(hint, value)
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(arguments[0], entry, where) for entry in value)
    if origin is dict and isinstance(value, dict):
        return {name: _convert(arguments[1], entry, where) for name, entry in value.items()}
    if not _fits(hint, origin, arguments, value):
        raise UnreadableError(f"{where} cannot be {_shown(value)}")
    return value


def _fits(hint: Any, origin: Any, arguments: tuple[Any, ...], value: Any) -> bool:
    if origin is Literal:
        return value in arguments
    # JSON's true is no number, and what Python reads and writes as NaN or Infinity is no JSON.
    if hint in _NUMBERS:
        finite = not isinstance(value, float) or math.isfinite(value)
        return isinstance(value, _NUMBERS[hint]) and not isinstance(value, bool) and finite
    return isinstance(value, origin or hint)


def _shown(value: Any) -> str:
    """``value`` for a message, not longer than a few words."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:40]}..."  # shown once
