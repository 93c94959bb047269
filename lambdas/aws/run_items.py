"""A run's record as DynamoDB holds it: an item, written by this release or another. Pure.

Nothing that is None is written, floats are decimals, and runs that something is still to be done for repeat
their state in ``active``. Attributes that this release does not know are kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from lambdas.contract.documents import UnreadableError, check_version
from lambdas.contract.run import (
    RECORD_VERSION,
    Change,
    ClusterPhases,
    RunRecord,
    RunState,
    Setback,
    Telling,
    is_terminal,
)

LISTED = {"listed": "run"}
"""What the rows of runs, and no others, have: the key of the index that lists them by age."""
_KEYS = frozenset({"active", *LISTED})
_Dataclass = TypeVar("_Dataclass")
_UNNAMED = "unknown"
_YEAR_9999 = 253_402_300_799
"""The end of it in Unix seconds; nothing later, and nothing before 1970, is a time of a run."""
_FIELDS = {field.name: field for field in dataclasses.fields(RunRecord) if field.name != "unknown"}
_IN_PLACE_OF_THE_FIRST: Mapping[str, Any] = {
    "sequencer": "",
    "max_runtime_minutes": 1440,
    "worst_case_eur": 0.0,
    "stop_when_deleted": False,
}
"""What the very first records lacked; ``accepted_at`` was called ``claimed_at``."""


def item_of(record: RunRecord) -> dict[str, Any]:
    """The item that holds this record."""
    fields = dataclasses.asdict(record)
    item: dict[str, Any] = plain({**fields.pop("unknown"), **fields}) | LISTED
    return item | {"active": record.state.value} if record.active else item


def record_of(item: Mapping[str, Any]) -> RunRecord:
    """The record that this item holds.

    Raises:
        UnreadableError: an attribute is missing or not what it should be, or a newer release wrote it.
    """
    check_version("the run's record", _number(item.get("version", 1)), RECORD_VERSION)
    given = _named(item)
    values: dict[str, Any] = {}
    for name, field in _FIELDS.items():
        if name not in given:
            if field.default is dataclasses.MISSING:
                raise UnreadableError(f"the run's record lacks {name}")
            continue
        values[name] = _value(name, given[name])
    return RunRecord(**values, unknown={name: value for name, value in given.items() if name not in _FIELDS})


def salvaged(item: Mapping[str, Any]) -> RunRecord:
    """What can be read of an item that :func:`record_of` refuses, and defaults for the rest, which is kept
    among what is unknown under a name of its own."""
    given = _named(item)
    values: dict[str, Any] = {
        "dataset": _UNNAMED, "state": RunState.QUEUED, "manifest_bucket": "", "manifest_key": "",
        "manifest_version_id": "", "accepted_at": 0.0, **_IN_PLACE_OF_THE_FIRST,
    }  # fmt: skip
    unknown = {name: value for name, value in given.items() if name not in _FIELDS}
    for name in _FIELDS.keys() & given.keys() - {"version"}:
        try:
            values[name] = _value(name, given[name])
        except UnreadableError:
            unknown[f"unreadable_{name}"] = given[name]
    return RunRecord(**values, unknown=unknown)


def numbers(cls: type, item: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``item``'s values that ``cls`` has fields for, decimals as these want them.

    Raises:
        TypeError, ArithmeticError: one is not what its field wants.
    """
    wanted = {field.name: str(field.type) for field in dataclasses.fields(cls)}
    return {
        name: _PARSERS_BY_TYPE.get(wanted[name], lambda value: value)(value)
        for name, value in item.items()
        if name in wanted
    }


def plain(value: Any) -> Any:
    """What DynamoDB can hold: decimals for floats, which boto3 refuses; nothing for None."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return Decimal(str(value)) if isinstance(value, float) else value


def _named(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item without the indexes' keys, and with what the very first ones lacked."""
    given = {name: value for name, value in item.items() if name not in _KEYS}
    if "claimed_at" in given and "accepted_at" not in given:
        given = {**_IN_PLACE_OF_THE_FIRST, "accepted_at": given["claimed_at"], **given}
    return given


def _value(name: str, value: Any) -> Any:
    """An attribute as the record's field of that name wants it."""
    try:
        return _PARSERS.get(name, _PARSERS_BY_TYPE.get(str(_FIELDS[name].type), _text))(value)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise UnreadableError(f"{name} of the run's record cannot be {str(value)[:60]!r}") from error


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) and value == int(value) else value


def _of(*types: type) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise TypeError
        return value

    return checked


_text = _of(str)


def _time(value: Any) -> float:
    seconds = float(_of(int, float, Decimal)(value))
    if not 0 <= seconds <= _YEAR_9999:
        raise ValueError
    return seconds


def of_times(cls: type[_Dataclass], value: Any) -> _Dataclass:
    """A ``cls`` all of whose floats are times.

    Raises:
        TypeError, ValueError, ArithmeticError: one is none, or another value is not what its field wants.
    """
    found = cls(**numbers(cls, value))
    for given in vars(found).values():
        if isinstance(given, float):
            _time(given)
    return found


def _end(state: RunState) -> RunState:
    if not is_terminal(state):
        raise ValueError
    return state


def _change(value: Any) -> Change:
    return Change(RunState(value["state"]), _time(value["at"]), value.get("cluster_id"))


_PARSERS_BY_TYPE: Mapping[str, Callable[[Any], Any]] = {
    "int": lambda value: int(_of(int, Decimal)(value)),
    "int | None": lambda value: int(_of(int, Decimal)(value)),
    "float": lambda value: float(_of(int, float, Decimal)(value)),
    "float | None": lambda value: float(_of(int, float, Decimal)(value)),
    "bool": _of(bool),
    "str": _of(str),
}
_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "state": RunState,
    "stopping": lambda value: _end(RunState(value)),
    "untold": lambda value: tuple(Telling(what) for what in _of(list)(value)),
    "accepted_at": _time,
    "lease_until": _time,
    "history": lambda value: tuple(_change(change) for change in _of(list)(value)),
    "setback": partial(of_times, Setback),
    "phases": partial(of_times, ClusterPhases),
}
