"""DynamoDB."""

from __future__ import annotations

from typing import Any

from infra.local.provider.resource import Aws, Created, Creator, Inputs, physical_name


def _table(aws: Aws, name: str, inputs: Inputs) -> Created:
    dynamodb, table = aws.client("dynamodb"), physical_name(name, inputs)
    made = dynamodb.create_table(
        TableName=table,
        BillingMode=inputs["billingMode"],
        KeySchema=[{"AttributeName": inputs["hashKey"], "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": attribute["name"], "AttributeType": attribute["type"]}
            for attribute in inputs["attributes"]
        ],
        **_indexes(inputs),
        SSESpecification={
            "Enabled": inputs["serverSideEncryption"]["enabled"],
            "SSEType": "KMS",
            "KMSMasterKeyId": inputs["serverSideEncryption"]["kmsKeyArn"],
        },
        Tags=aws.tag_list,
    )
    dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    dynamodb.update_continuous_backups(
        TableName=table,
        PointInTimeRecoverySpecification={
            "PointInTimeRecoveryEnabled": inputs["pointInTimeRecovery"]["enabled"]
        },
    )
    return Created(table, {"name": table, "arn": made["TableDescription"]["TableArn"]})


def _indexes(inputs: Inputs) -> dict[str, Any]:
    indexes = [
        {
            "IndexName": index["name"],
            "KeySchema": [
                {"AttributeName": index["hashKey"], "KeyType": "HASH"},
                {"AttributeName": index["rangeKey"], "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": index["projectionType"]},
        }
        for index in inputs.get("globalSecondaryIndexes", ())
    ]
    return {"GlobalSecondaryIndexes": indexes} if indexes else {}


CREATORS: dict[str, Creator] = {"aws:dynamodb/table:Table": _table}
