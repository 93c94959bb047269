"""CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind, reported


def _create(aws: Aws, _name: str, inputs: Inputs) -> Created:
    logs, group = aws.client("logs"), inputs["name"]
    key = {"kmsKeyId": inputs["kmsKeyId"]} if "kmsKeyId" in inputs else {}
    logs.create_log_group(logGroupName=group, tags=dict(aws.tags), **key)
    if "retentionInDays" in inputs:
        _retain(logs, inputs)
    return Created(group, _outputs(aws, group))


def _outputs(aws: Aws, group: str) -> dict[str, Any]:
    # Without the ":*" that Logs itself answers at the end, as the real provider gives it.
    return {"arn": aws.arn("logs", f"log-group:{group}")}


def _retain(logs: Any, inputs: Inputs) -> None:
    if days := int(inputs.get("retentionInDays", 0)):
        logs.put_retention_policy(logGroupName=inputs["name"], retentionInDays=days)
    else:
        logs.delete_retention_policy(logGroupName=inputs["name"])


def _read(aws: Aws, group: str, known: Inputs) -> Found | None:
    pages = aws.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=group)
    for found in (entry for page in pages for entry in page["logGroups"]):
        if found["logGroupName"] == group:
            # 0 days stand for ever.
            inputs = {
                "name": group,
                "retentionInDays": found.get("retentionInDays", 0),
                "kmsKeyId": found.get("kmsKeyId"),
            }
            return Found(reported(inputs, known, {"retentionInDays": 0}), _outputs(aws, group))
    return None


def _update(aws: Aws, group: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    logs = aws.client("logs")
    if old.get("retentionInDays") != new.get("retentionInDays"):
        _retain(logs, new)
    if old.get("kmsKeyId") != new.get("kmsKeyId"):
        if "kmsKeyId" in new:
            logs.associate_kms_key(logGroupName=group, kmsKeyId=new["kmsKeyId"])
        else:
            logs.disassociate_kms_key(logGroupName=group)
    return {}


def _delete(aws: Aws, group: str, _known: Inputs) -> None:
    aws.client("logs").delete_log_group(logGroupName=group)


KINDS: dict[str, Kind] = {
    "aws:cloudwatch/logGroup:LogGroup": Kind(
        _create, _read, _delete, _update, fixed=frozenset({"name", "namePrefix"}), named="name"
    ),
}
