"""KMS: keys and their aliases."""

from __future__ import annotations

from infra.local.provider.resource import Aws, Created, Creator, Inputs, physical_name


def _key(aws: Aws, _name: str, inputs: Inputs) -> Created:
    kms = aws.client("kms")
    made = kms.create_key(
        Description=inputs["description"],
        Policy=inputs["policy"],
        Tags=[{"TagKey": key, "TagValue": value} for key, value in aws.tags.items()],
    )["KeyMetadata"]
    if inputs["enableKeyRotation"]:
        kms.enable_key_rotation(KeyId=made["KeyId"])
    return Created(made["KeyId"], {"keyId": made["KeyId"], "arn": made["Arn"]})


def _alias(aws: Aws, name: str, inputs: Inputs) -> Created:
    alias = physical_name(name, inputs)
    aws.client("kms").create_alias(AliasName=alias, TargetKeyId=inputs["targetKeyId"])
    return Created(alias, {"name": alias})


CREATORS: dict[str, Creator] = {"aws:kms/key:Key": _key, "aws:kms/alias:Alias": _alias}
