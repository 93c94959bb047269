"""EMR: what clusters have in common. The clusters themselves are launched by the stack, not declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind


def _create_configuration(aws: Aws, _name: str, inputs: Inputs) -> Created:
    aws.client("emr").create_security_configuration(
        Name=inputs["name"], SecurityConfiguration=inputs["configuration"]
    )
    return Created(inputs["name"])


def _read_configuration(aws: Aws, name: str, _known: Inputs) -> Found:
    found = aws.client("emr").describe_security_configuration(Name=name)
    return Found({"name": name, "configuration": found["SecurityConfiguration"]})


def _delete_configuration(aws: Aws, name: str, _known: Inputs) -> None:
    aws.client("emr").delete_security_configuration(Name=name)


def _create_block(aws: Aws, name: str, inputs: Inputs) -> Created:
    _put_block(aws, blocked=inputs["blockPublicSecurityGroupRules"])
    return Created(name)


def _read_block(aws: Aws, _id: str, _known: Inputs) -> Found:
    found = aws.client("emr").get_block_public_access_configuration()["BlockPublicAccessConfiguration"]
    return Found({"blockPublicSecurityGroupRules": found["BlockPublicSecurityGroupRules"]})


def _update_block(aws: Aws, _id: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    _put_block(aws, blocked=new["blockPublicSecurityGroupRules"])
    return {}


def _delete_block(aws: Aws, _id: str, _known: Inputs) -> None:
    # It cannot be deleted; what the real provider restores is AWS' default.
    _put_block(aws, blocked=True)


def _put_block(aws: Aws, *, blocked: bool) -> None:
    aws.client("emr").put_block_public_access_configuration(
        BlockPublicAccessConfiguration={"BlockPublicSecurityGroupRules": blocked}
    )


KINDS: dict[str, Kind] = {
    "aws:emr/securityConfiguration:SecurityConfiguration": Kind(
        _create_configuration, _read_configuration, _delete_configuration, named="name"
    ),
    "aws:emr/blockPublicAccessConfiguration:BlockPublicAccessConfiguration": Kind(
        _create_block, _read_block, _delete_block, _update_block
    ),
}
