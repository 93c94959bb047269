"""The ledger in DynamoDB: one item a run, every change conditional."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError

from lambdas.aws.errors import error_code
from lambdas.contract.run import Ending, RunRecord, RunState, states_before

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


class DynamoLedger:
    """Implements :class:`lambdas.ports.Ledger`. The table's hash key is ``run_id``."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, run_id: str) -> RunRecord | None:
        item = self._table.get_item(Key={"run_id": run_id}, ConsistentRead=True).get("Item")
        return _record(item) if item else None

    def scan(self) -> Iterator[RunRecord]:
        """Every record, in no order. Reads the whole table: for people, not for Lambdas."""
        for page in self._table.meta.client.get_paginator("scan").paginate(TableName=self._table.name):
            # A resource's client turns DynamoDB's types into Python's, as the resource itself does.
            yield from map(_record, page["Items"])

    def claim(self, record: RunRecord) -> bool:
        item = {
            name: _plain(value) for name, value in dataclasses.asdict(record).items() if value is not None
        }
        try:
            self._table.put_item(Item=item, ConditionExpression=Attr("run_id").not_exists())
        except ClientError as error:
            return _lost(error)
        return True

    def move_lease(self, seen: RunRecord, until: float) -> bool:
        condition = Attr("state").eq(RunState.CLAIMED.value) & Attr("lease_until").eq(
            _plain(seen.lease_until)
        )
        return self._update(seen.run_id, {"lease_until": until}, condition)

    def enter(
        self, run_id: str, state: RunState, *, cluster_id: str | None = None, ending: Ending | None = None
    ) -> bool:
        changes: dict[str, Any] = {"state": state.value, "cluster_id": cluster_id}
        if ending:
            changes |= dataclasses.asdict(ending)
        origins = sorted(origin.value for origin in states_before(state))
        if not origins:  # DynamoDB refuses an empty list
            return False
        known = {name: value for name, value in changes.items() if value is not None}
        return self._update(run_id, known, Attr("state").is_in(origins))

    def _update(self, run_id: str, changes: dict[str, Any], condition: ConditionBase) -> bool:
        try:
            self._table.update_item(
                Key={"run_id": run_id},
                # Placeholders for all: "state" is a reserved word of DynamoDB's expressions.
                UpdateExpression="SET " + ", ".join(f"#c_{name} = :c_{name}" for name in changes),
                ExpressionAttributeNames={f"#c_{name}": name for name in changes},
                ExpressionAttributeValues={f":c_{name}": _plain(value) for name, value in changes.items()},
                ConditionExpression=condition,
            )
        except ClientError as error:
            return _lost(error)
        return True


def _plain(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, float) else value  # boto3 refuses floats


def _record(item: dict[str, Any]) -> RunRecord:
    values: dict[str, Any] = {
        name: float(value) if isinstance(value, Decimal) else value for name, value in item.items()
    }
    return RunRecord(**{**values, "state": RunState(item["state"])})


def _lost(error: ClientError) -> bool:
    """False for "the condition does not hold"; anything else is raised."""
    if error_code(error) == "ConditionalCheckFailedException":
        return False
    raise error
