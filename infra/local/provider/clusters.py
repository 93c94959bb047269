"""EMR: what clusters have in common. The clusters themselves are launched by the stack, not declared."""

from __future__ import annotations

import secrets

from infra.local.provider.resource import Aws, Created, Creator, Inputs


def _security_configuration(aws: Aws, _name: str, inputs: Inputs) -> Created:
    name = f"{inputs['namePrefix']}{secrets.token_hex(4)[:7]}"
    aws.client("emr").create_security_configuration(Name=name, SecurityConfiguration=inputs["configuration"])
    return Created(name, {"name": name})


def _block_public_access(aws: Aws, name: str, inputs: Inputs) -> Created:
    aws.client("emr").put_block_public_access_configuration(
        BlockPublicAccessConfiguration={
            "BlockPublicSecurityGroupRules": inputs["blockPublicSecurityGroupRules"]
        }
    )
    return Created(name)


CREATORS: dict[str, Creator] = {
    "aws:emr/securityConfiguration:SecurityConfiguration": _security_configuration,
    "aws:emr/blockPublicAccessConfiguration:BlockPublicAccessConfiguration": _block_public_access,
}
