"""The ledger in DynamoDB: one item a run, one for what all runs share, one a manifest key.

Runs that are not closed repeat their state in the attribute ``active``, the hash key of a sparse index:
listing them costs what they are, however many millions of finished runs the table holds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.dynamodb.conditions import Attr, ConditionBase, Key
from botocore.exceptions import ClientError

from lambdas.aws.errors import error_code
from lambdas.aws.run_items import LISTED, item_of, numbers, of_times, plain, record_of, salvaged
from lambdas.contract.cost.measured import Measured, MeasuredRate, MeasuredStart
from lambdas.contract.documents import UnreadableError, dataclass_from_dict
from lambdas.contract.run import RunRecord, RunState, Setback
from lambdas.runs.admission import Admissions, Pause, Slot
from lambdas.runs.ports import Newest, UnreadableRecord

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_Entry = TypeVar("_Entry", MeasuredRate, MeasuredStart)

ACTIVE_INDEX = "active"
RECENT_INDEX = "recent"
QUEUE_PAGE = 10
"""Mostly only the first few can start."""
_ADMISSIONS = {"run_id": "#admissions"}
"""Run ids cannot contain ``#``."""
_MEASURED = {"run_id": "#measured"}
_NOT_PAUSED = Attr("paused").not_exists() | Attr("paused").is_in([False, None, 0, "", []])
"""``paused`` is a map; or what people wrote with AWS' own commands, of which nothing, in any form, is none:
the same that :func:`_pause` takes for none."""


class DynamoLedger:
    """Implements :class:`lambdas.runs.ports.Ledger`. The table's hash key is ``run_id``."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, run_id: str) -> RunRecord | None:
        item = self._item({"run_id": run_id})
        return record_of(item) if item else None

    def insert(self, record: RunRecord) -> bool:
        return self._put(item_of(record), Attr("run_id").not_exists())

    def swap(self, seen: RunRecord, after: RunRecord) -> RunRecord | None:
        written = dataclasses.replace(after, revision=seen.revision + 1)
        unchanged: ConditionBase = Attr("revision").eq(seen.revision)
        if seen.revision == 0:  # the very first records counted nothing
            unchanged |= Attr("run_id").exists() & Attr("revision").not_exists()
        return written if self._put(item_of(written), unchanged) else None

    def active(self) -> tuple[RunRecord, ...]:
        records = (record for state in RunState for record in _readable(self._in_state(state)))
        return tuple(sorted(records, key=lambda record: record.accepted_at))

    def queue(self) -> Iterator[RunRecord]:
        return _readable(self._in_state(RunState.QUEUED, Limit=QUEUE_PAGE))

    def unreadable(self) -> tuple[UnreadableRecord, ...]:
        items = (item for state in RunState for item in self._in_state(state))
        return tuple(filter(None, map(_unreadable, items)))

    def set_back(self, record: UnreadableRecord, setback: Setback) -> bool:
        key = {"run_id": record.salvaged.run_id}
        return self._set(key, {"setback": plain(dataclasses.asdict(setback))}, _unchanged(record))

    def salvage(self, record: UnreadableRecord, after: RunRecord) -> bool:
        # Whoever read the record before it was garbled has another revision, and loses.
        return self._put(item_of(dataclasses.replace(after, revision=after.revision + 1)), _unchanged(record))

    def recent(self, limit: int) -> tuple[RunRecord, ...]:
        """The newest runs, newest first, of all states; for people, whose commands may query this index."""
        is_run = Key("listed").eq(LISTED["listed"])
        newest_first = {"IndexName": RECENT_INDEX, "ScanIndexForward": False, "Limit": limit}
        items = _items(self._table.query, {"KeyConditionExpression": is_run, **newest_first})
        return tuple(itertools.islice(_readable(items), limit))

    def _in_state(self, state: RunState, **options: Any) -> Iterator[dict[str, Any]]:
        is_active = Key("active").eq(state.value)
        query = {"IndexName": ACTIVE_INDEX, "KeyConditionExpression": is_active, **options}
        return _items(self._table.query, query)

    def admissions(self) -> Admissions:
        item = self._item(_ADMISSIONS)
        # A pause may be the first that was ever written of it.
        return _admissions(item) if "revision" in item else Admissions(paused=_pause(item.get("paused")))

    def swap_admissions(self, seen: Admissions, after: Admissions) -> bool:
        values = plain(dataclasses.asdict(dataclasses.replace(after, paused=None)))
        values["revision"] = seen.revision + 1
        unchanged = Attr("revision").eq(seen.revision) if seen.revision else Attr("revision").not_exists()
        # Else a run could still be admitted by whoever looked just before the pause.
        return self._set(_ADMISSIONS, values, unchanged if seen.paused else unchanged & _NOT_PAUSED)

    def pause(self, pause: Pause) -> bool:
        return self._set(_ADMISSIONS, {"paused": plain(dataclasses.asdict(pause))}, _NOT_PAUSED)

    def resume(self) -> Pause | None:
        answer = self._table.update_item(
            Key=_ADMISSIONS, UpdateExpression="REMOVE paused", ReturnValues="UPDATED_OLD"
        )
        return _pause(answer.get("Attributes", {}).get("paused"))

    def measured(self) -> Measured:
        item = self._table.get_item(Key=_MEASURED).get("Item", {})
        revision = item.get("revision")
        return Measured(
            tuple(_entries(MeasuredRate, item.get("rates"))),
            tuple(_entries(MeasuredStart, item.get("starts"))),
            int(revision) if isinstance(revision, Decimal) else 0,
        )

    def swap_measured(self, seen: Measured, after: Measured) -> bool:
        kept = {
            name: [dataclasses.asdict(one) for one in getattr(after, name)] for name in ("rates", "starts")
        }
        values = plain({**kept, "revision": seen.revision + 1})
        unchanged = Attr("revision").eq(seen.revision) if seen.revision else Attr("revision").not_exists()
        return self._set(_MEASURED, values, unchanged)

    def newest(self, key: str) -> Newest | None:
        item = self._item(_manifest(key))
        return Newest(str(item["sequencer"]), bool(item["deleted"])) if item else None

    def note(self, key: str, newest: Newest) -> bool:
        later = Attr("run_id").not_exists() | Attr("sequencer").lte(newest.sequencer)
        return self._put(_manifest(key) | dataclasses.asdict(newest), later)

    def _item(self, key: dict[str, Any]) -> dict[str, Any]:
        return self._table.get_item(Key=key, ConsistentRead=True).get("Item", {})

    def _put(self, item: dict[str, Any], condition: ConditionBase) -> bool:
        try:
            self._table.put_item(Item=item, ConditionExpression=condition)
        except ClientError as error:
            return _lost(error)
        return True

    def _set(self, key: dict[str, Any], values: dict[str, Any], condition: ConditionBase) -> bool:
        try:
            self._table.update_item(
                Key=key,
                # Placeholders for all: some of these names are reserved words of DynamoDB's expressions.
                UpdateExpression="SET " + ", ".join(f"#c_{name} = :c_{name}" for name in values),
                ExpressionAttributeNames={f"#c_{name}": name for name in values},
                ExpressionAttributeValues={f":c_{name}": value for name, value in values.items()},
                ConditionExpression=condition,
            )
        except ClientError as error:
            return _lost(error)
        return True


def _manifest(key: str) -> dict[str, Any]:
    return {"run_id": f"#manifest {key}"}


def _items(read: Callable[..., Any], request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What is on all pages that ``read`` answers, fetched page by page."""
    while True:
        page = read(**request)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        request = {**request, "ExclusiveStartKey": page["LastEvaluatedKey"]}


def _readable(items: Iterator[dict[str, Any]]) -> Iterator[RunRecord]:
    for item in items:
        try:
            record = record_of(item)
        except UnreadableError:
            continue
        yield record


def _unreadable(item: dict[str, Any]) -> UnreadableRecord | None:
    try:
        record_of(item)
    except UnreadableError as error:
        return UnreadableRecord(str(error), salvaged(item), item.get("revision"))
    return None


def _unchanged(record: UnreadableRecord) -> ConditionBase:
    return Attr("revision").not_exists() if record.seen is None else Attr("revision").eq(record.seen)


def _admissions(item: dict[str, Any]) -> Admissions:
    """What newer releases write besides is left aside here, and in the item as it is."""
    values = numbers(Admissions, item)
    values["slots"] = {run_id: _slot(slot) for run_id, slot in values.get("slots", {}).items()}
    return Admissions(**values | {"paused": _pause(values.get("paused"))})


_GARBLED = (TypeError, ValueError, ArithmeticError)


def _entries(cls: type[_Entry], written: Any) -> Iterator[_Entry]:
    """What can be read of a list of measurements; an estimate can do without the others."""
    for entry in written if isinstance(written, list) else ():
        with contextlib.suppress(*_GARBLED):
            known = dataclass_from_dict(cls, numbers(cls, entry) if isinstance(entry, dict) else entry)
            if known.is_possible:
                yield known


def _slot(slot: Any) -> Slot:
    """A slot is one, also where it was written by hand: nothing is set aside for it then."""
    given = slot if isinstance(slot, dict) else {}
    try:
        eur = float(given.get("eur", 0))
    except _GARBLED:
        eur = 0.0
    return Slot(eur, str(given.get("day", "")))


def _pause(value: Any) -> Pause | None:
    """A pause is one, whoever wrote what of it: also an empty map."""
    if not isinstance(value, dict):
        return Pause() if value else None
    try:
        return of_times(Pause, value)
    except _GARBLED:
        return Pause()


def _lost(error: ClientError) -> bool:
    """False for "the condition does not hold"; anything else is raised."""
    if error_code(error) == "ConditionalCheckFailedException":
        return False
    raise error
