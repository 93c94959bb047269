"""KMS: keys and their aliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind

_GONE = "PendingDeletion"


def _create_key(aws: Aws, _name: str, inputs: Inputs) -> Created:
    kms = aws.client("kms")
    made = kms.create_key(
        Description=inputs["description"],
        Policy=inputs["policy"],
        Tags=[{"TagKey": key, "TagValue": value} for key, value in aws.tags.items()],
    )["KeyMetadata"]
    _rotate(kms, made["KeyId"], inputs)
    return Created(made["KeyId"], {"keyId": made["KeyId"], "arn": made["Arn"]})


def _read_key(aws: Aws, key: str, _known: Inputs) -> Found | None:
    kms = aws.client("kms")
    about = kms.describe_key(KeyId=key)["KeyMetadata"]
    if about["KeyState"] == _GONE:
        return None
    inputs = {
        "description": about["Description"],
        "enableKeyRotation": kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
        "policy": kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"],
    }
    return Found(inputs, {"keyId": about["KeyId"], "arn": about["Arn"]})


def _update_key(aws: Aws, key: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    kms = aws.client("kms")
    if new["description"] != old.get("description"):
        kms.update_key_description(KeyId=key, Description=new["description"])
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=new["policy"])
    _rotate(kms, key, new)
    return {}


def _rotate(kms: Any, key: str, inputs: Inputs) -> None:
    if inputs.get("enableKeyRotation"):
        kms.enable_key_rotation(KeyId=key)
    else:
        kms.disable_key_rotation(KeyId=key)


def _delete_key(aws: Aws, key: str, known: Inputs) -> None:
    aws.client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=int(known["deletionWindowInDays"]))


def _create_alias(aws: Aws, _name: str, inputs: Inputs) -> Created:
    aws.client("kms").create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
    return Created(inputs["name"])


def _read_alias(aws: Aws, alias: str, _known: Inputs) -> Found | None:
    for page in aws.client("kms").get_paginator("list_aliases").paginate():
        for found in page["Aliases"]:
            if found["AliasName"] == alias:
                return Found({"name": alias, "targetKeyId": found["TargetKeyId"]})
    return None


def _update_alias(aws: Aws, alias: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    aws.client("kms").update_alias(AliasName=alias, TargetKeyId=new["targetKeyId"])
    return {}


def _delete_alias(aws: Aws, alias: str, _known: Inputs) -> None:
    aws.client("kms").delete_alias(AliasName=alias)


KINDS: dict[str, Kind] = {
    "aws:kms/key:Key": Kind(_create_key, _read_key, _delete_key, _update_key),
    "aws:kms/alias:Alias": Kind(
        _create_alias,
        _read_alias,
        _delete_alias,
        _update_alias,
        fixed=frozenset({"name", "namePrefix"}),
        named="name",
    ),
}
