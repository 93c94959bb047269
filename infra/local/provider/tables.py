"""DynamoDB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind


def _create(aws: Aws, _name: str, inputs: Inputs) -> Created:
    dynamodb, table = aws.client("dynamodb"), inputs["name"]
    indexes = [_index(index) for index in inputs.get("globalSecondaryIndexes", ())]
    made = dynamodb.create_table(
        TableName=table,
        BillingMode=inputs["billingMode"],
        KeySchema=[{"AttributeName": inputs["hashKey"], "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": attribute["name"], "AttributeType": attribute["type"]}
            for attribute in inputs["attributes"]
        ],
        SSESpecification=_encryption(inputs),
        DeletionProtectionEnabled=inputs.get("deletionProtectionEnabled", False),
        Tags=aws.tag_list,
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )
    dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    _set_recovery(dynamodb, table, inputs)
    return Created(table, {"arn": made["TableDescription"]["TableArn"]})


def _index(index: Inputs) -> dict[str, Any]:
    return {
        "IndexName": index["name"],
        "KeySchema": [
            {"AttributeName": index["hashKey"], "KeyType": "HASH"},
            {"AttributeName": index["rangeKey"], "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": index["projectionType"]},
    }


def _encryption(inputs: Inputs) -> dict[str, Any]:
    given = inputs["serverSideEncryption"]
    return {"Enabled": given["enabled"], "SSEType": "KMS", "KMSMasterKeyId": given["kmsKeyArn"]}


def _set_recovery(dynamodb: Any, table: str, inputs: Inputs) -> None:
    wanted = {"PointInTimeRecoveryEnabled": inputs["pointInTimeRecovery"]["enabled"]}
    dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=wanted)


def _read(aws: Aws, table: str, known: Inputs) -> Found:
    dynamodb = aws.client("dynamodb")
    about = dynamodb.describe_table(TableName=table)["Table"]
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    sse = about["SSEDescription"]
    attributes = [
        {"name": attribute["AttributeName"], "type": attribute["AttributeType"]}
        for attribute in about["AttributeDefinitions"]
    ]
    indexes = [_found_index(index) for index in about.get("GlobalSecondaryIndexes", ())]
    inputs = {
        "name": table,
        "billingMode": about["BillingModeSummary"]["BillingMode"],
        "hashKey": next(key["AttributeName"] for key in about["KeySchema"] if key["KeyType"] == "HASH"),
        "attributes": _in_order(attributes, known.get("attributes", ())),
        "globalSecondaryIndexes": _in_order(indexes, known.get("globalSecondaryIndexes", ())),
        "pointInTimeRecovery": {"enabled": recovery == "ENABLED"},
        "serverSideEncryption": {
            "enabled": sse["Status"] in ("ENABLED", "UPDATING"),
            "kmsKeyArn": sse["KMSMasterKeyArn"],
        },
        "deletionProtectionEnabled": about.get("DeletionProtectionEnabled", False),
    }
    return Found(inputs, {"arn": about["TableArn"]})


def _found_index(index: Mapping[str, Any]) -> dict[str, Any]:
    keys = {key["KeyType"]: key["AttributeName"] for key in index["KeySchema"]}
    return {
        "name": index["IndexName"],
        "hashKey": keys["HASH"],
        "rangeKey": keys["RANGE"],
        "projectionType": index["Projection"]["ProjectionType"],
    }


def _in_order(found: list[dict[str, Any]], known: Any) -> list[dict[str, Any]]:
    """To AWS these are sets: what is known keeps its order."""
    names = [item["name"] for item in known]
    return sorted(found, key=lambda item: names.index(item["name"]) if item["name"] in names else len(names))


def _update(aws: Aws, table: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    dynamodb = aws.client("dynamodb")
    protected = new.get("deletionProtectionEnabled", False)
    if protected != old.get("deletionProtectionEnabled", False):
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=protected)
    if new["serverSideEncryption"] != old.get("serverSideEncryption"):
        dynamodb.update_table(TableName=table, SSESpecification=_encryption(new))
    _set_recovery(dynamodb, table, new)
    _update_indexes(dynamodb, table, old, new)
    return {}


def _update_indexes(dynamodb: Any, table: str, old: Inputs, new: Inputs) -> None:
    before = {index["name"]: index for index in old.get("globalSecondaryIndexes", ())}
    after = {index["name"]: index for index in new.get("globalSecondaryIndexes", ())}
    changes: list[dict[str, Any]] = [
        {"Delete": {"IndexName": name}} for name in before if before[name] != after.get(name)
    ]
    changes += [{"Create": _index(after[name])} for name in after if before.get(name) != after[name]]
    definitions = [
        {"AttributeName": attribute["name"], "AttributeType": attribute["type"]}
        for attribute in new["attributes"]
    ]
    for change in changes:
        # DynamoDB takes one change of an index at a time.
        dynamodb.update_table(
            TableName=table, AttributeDefinitions=definitions, GlobalSecondaryIndexUpdates=[change]
        )
        dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})


def _delete(aws: Aws, table: str, _known: Inputs) -> None:
    aws.client("dynamodb").delete_table(TableName=table)


KINDS: dict[str, Kind] = {
    "aws:dynamodb/table:Table": Kind(
        _create, _read, _delete, _update, fixed=frozenset({"name", "hashKey"}), named="name"
    ),
}
