"""The ledger in DynamoDB: one item a run, one for what all runs share, one a manifest key.

Runs that are not closed repeat their state in the attribute ``active``, the hash key of a sparse index:
listing them costs what they are, however many millions of finished runs the table holds.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase, Key
from botocore.exceptions import ClientError

from lambdas.aws.errors import error_code
from lambdas.contract.run import Change, RunRecord, RunState
from lambdas.runs.admission import Admissions, Pause, Slot
from lambdas.runs.ports import Newest

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

ACTIVE_INDEX = "active"
RECENT_INDEX = "recent"
_LISTED = {"listed": "run"}
"""What the rows of runs, and no others, have: the key of the index that lists them by age."""
QUEUE_PAGE = 10
"""Mostly only the first few can start."""
_ADMISSIONS = {"run_id": "#admissions"}
"""Run ids cannot contain ``#``."""
_NOT_PAUSED = Attr("paused").not_exists() | Attr("paused").eq(value=False)
"""``paused`` is a map, or true or false where people wrote the item with AWS' own commands."""


class DynamoLedger:
    """Implements :class:`lambdas.runs.ports.Ledger`. The table's hash key is ``run_id``."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, run_id: str) -> RunRecord | None:
        item = self._item({"run_id": run_id})
        return _record(item) if item else None

    def insert(self, record: RunRecord) -> bool:
        return self._put(_run_item(record), Attr("run_id").not_exists())

    def swap(self, seen: RunRecord, after: RunRecord) -> RunRecord | None:
        written = dataclasses.replace(after, revision=seen.revision + 1)
        return written if self._put(_run_item(written), Attr("revision").eq(seen.revision)) else None

    def active(self) -> tuple[RunRecord, ...]:
        records = (record for state in RunState for record in self._in_state(state))
        return tuple(sorted(records, key=lambda record: record.accepted_at))

    def queue(self) -> Iterator[RunRecord]:
        return self._in_state(RunState.QUEUED, Limit=QUEUE_PAGE)

    def recent(self, limit: int) -> tuple[RunRecord, ...]:
        """The newest runs, newest first, of all states; for people, whose commands may query this index."""
        is_run = Key("listed").eq(_LISTED["listed"])
        newest_first = {"IndexName": RECENT_INDEX, "ScanIndexForward": False, "Limit": limit}
        records = _records(self._table.query, {"KeyConditionExpression": is_run, **newest_first})
        return tuple(itertools.islice(records, limit))

    def _in_state(self, state: RunState, **options: Any) -> Iterator[RunRecord]:
        is_active = Key("active").eq(state.value)
        query = {"IndexName": ACTIVE_INDEX, "KeyConditionExpression": is_active, **options}
        return _records(self._table.query, query)

    def admissions(self) -> Admissions:
        item = self._item(_ADMISSIONS)
        # A pause may be the first that was ever written of it.
        return _admissions(item) if "revision" in item else Admissions(paused=_pause(item.get("paused")))

    def swap_admissions(self, seen: Admissions, after: Admissions) -> bool:
        values = _plain(dataclasses.asdict(dataclasses.replace(after, paused=None)))
        values["revision"] = seen.revision + 1
        unchanged = Attr("revision").eq(seen.revision) if seen.revision else Attr("revision").not_exists()
        # Else a run could still be admitted by whoever looked just before the pause.
        return self._set(_ADMISSIONS, values, unchanged if seen.paused else unchanged & _NOT_PAUSED)

    def pause(self, pause: Pause) -> bool:
        return self._set(_ADMISSIONS, {"paused": _plain(dataclasses.asdict(pause))}, _NOT_PAUSED)

    def resume(self) -> Pause | None:
        answer = self._table.update_item(
            Key=_ADMISSIONS, UpdateExpression="REMOVE paused", ReturnValues="UPDATED_OLD"
        )
        return _pause(answer.get("Attributes", {}).get("paused"))

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


def _run_item(record: RunRecord) -> dict[str, Any]:
    item: dict[str, Any] = _plain(dataclasses.asdict(record)) | _LISTED
    return item if record.closed else item | {"active": record.state.value}


def _plain(value: Any) -> Any:
    """What DynamoDB can hold: decimals for floats, which boto3 refuses; nothing for None."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return Decimal(str(value)) if isinstance(value, float) else value


def _numbers(cls: type, item: dict[str, Any]) -> dict[str, Any]:
    """``item``'s decimals as the fields of ``cls`` want them."""
    wanted = {field.name: str(field.type) for field in dataclasses.fields(cls)}
    return {
        name: (int(value) if wanted[name] == "int" else float(value)) if isinstance(value, Decimal) else value
        for name, value in item.items()
    }


def _records(read: Callable[..., Any], request: dict[str, Any]) -> Iterator[RunRecord]:
    """The runs on all pages of what ``read`` answers, fetched page by page."""
    while True:
        page = read(**request)
        yield from map(_record, page["Items"])
        if "LastEvaluatedKey" not in page:
            return
        request = {**request, "ExclusiveStartKey": page["LastEvaluatedKey"]}


def _record(item: dict[str, Any]) -> RunRecord:
    kept = {name: value for name, value in item.items() if name not in ("active", *_LISTED)}
    values = _numbers(RunRecord, kept)
    values["state"] = RunState(values["state"])
    if "stopping" in values:
        values["stopping"] = RunState(values["stopping"])
    values["history"] = tuple(
        Change(RunState(change["state"]), float(change["at"]), change.get("cluster_id"))
        for change in values["history"]
    )
    return RunRecord(**values)


def _admissions(item: dict[str, Any]) -> Admissions:
    values = _numbers(Admissions, {name: value for name, value in item.items() if name != "run_id"})
    values["slots"] = {
        run_id: Slot(float(slot["eur"]), str(slot["day"])) for run_id, slot in values["slots"].items()
    }
    return Admissions(**values | {"paused": _pause(values.get("paused"))})


def _pause(value: Any) -> Pause | None:
    if isinstance(value, dict):
        return Pause(**_numbers(Pause, value))
    return Pause() if value else None


def _lost(error: ClientError) -> bool:
    """False for "the condition does not hold"; anything else is raised."""
    if error_code(error) == "ConditionalCheckFailedException":
        return False
    raise error
