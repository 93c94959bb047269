"""IAM: roles, their policies and instance profiles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind, reported

SESSION_SECONDS = 3600
"""How long a session lasts at most, unless a role says otherwise. Source: API reference of CreateRole."""


def _create_role(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("iam").create_role(
        RoleName=inputs["name"],
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        Description=inputs.get("description", ""),
        MaxSessionDuration=int(inputs.get("maxSessionDuration", SESSION_SECONDS)),
        Tags=aws.tag_list,
    )["Role"]
    return Created(inputs["name"], _role_outputs(made))


def _role_outputs(role: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": role["RoleName"], "arn": role["Arn"], "uniqueId": role["RoleId"]}


def _read_role(aws: Aws, role: str, known: Inputs) -> Found:
    found = aws.client("iam").get_role(RoleName=role)["Role"]
    inputs = {
        "name": role,
        # boto3 has already undone the URL encoding that IAM answers documents in, and the JSON.
        "assumeRolePolicy": json.dumps(found["AssumeRolePolicyDocument"]),
        "description": found.get("Description", ""),
        "maxSessionDuration": found["MaxSessionDuration"],
    }
    defaults = {"description": "", "maxSessionDuration": SESSION_SECONDS}
    return Found(reported(inputs, known, defaults), _role_outputs(found))


def _update_role(aws: Aws, role: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    iam = aws.client("iam")
    if old.get("assumeRolePolicy") != new["assumeRolePolicy"]:
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=new["assumeRolePolicy"])
    iam.update_role(
        RoleName=role,
        Description=new.get("description", ""),
        MaxSessionDuration=int(new.get("maxSessionDuration", SESSION_SECONDS)),
    )
    return {}


def _delete_role(aws: Aws, role: str, _known: Inputs) -> None:
    aws.client("iam").delete_role(RoleName=role)


def _create_policy(aws: Aws, _name: str, inputs: Inputs) -> Created:
    identifier = f"{inputs['role']}:{inputs['name']}"
    _update_policy(aws, identifier, {}, inputs)
    return Created(identifier, {"name": inputs["name"]})


def _read_policy(aws: Aws, identifier: str, _known: Inputs) -> Found:
    role, _, name = identifier.partition(":")
    found = aws.client("iam").get_role_policy(RoleName=role, PolicyName=name)
    return Found({"role": role, "name": name, "policy": json.dumps(found["PolicyDocument"])})


def _update_policy(aws: Aws, _id: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    aws.client("iam").put_role_policy(
        RoleName=new["role"], PolicyName=new["name"], PolicyDocument=new["policy"]
    )
    return {}


def _delete_policy(aws: Aws, identifier: str, _known: Inputs) -> None:
    role, _, name = identifier.partition(":")
    aws.client("iam").delete_role_policy(RoleName=role, PolicyName=name)


def _create_attachment(aws: Aws, _name: str, inputs: Inputs) -> Created:
    aws.client("iam").attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return Created(f"{inputs['role']}/{inputs['policyArn']}")


def _read_attachment(aws: Aws, identifier: str, _known: Inputs) -> Found | None:
    role, _, policy = identifier.partition("/")
    pages = aws.client("iam").get_paginator("list_attached_role_policies").paginate(RoleName=role)
    attached = {entry["PolicyArn"] for page in pages for entry in page["AttachedPolicies"]}
    return Found({"role": role, "policyArn": policy}) if policy in attached else None


def _delete_attachment(aws: Aws, identifier: str, _known: Inputs) -> None:
    role, _, policy = identifier.partition("/")
    aws.client("iam").detach_role_policy(RoleName=role, PolicyArn=policy)


def _create_profile(aws: Aws, _name: str, inputs: Inputs) -> Created:
    iam, profile = aws.client("iam"), inputs["name"]
    made = iam.create_instance_profile(InstanceProfileName=profile, Tags=aws.tag_list)["InstanceProfile"]
    if "role" in inputs:
        iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=inputs["role"])
    return Created(profile, {"name": profile, "arn": made["Arn"]})


def _read_profile(aws: Aws, profile: str, known: Inputs) -> Found:
    found = aws.client("iam").get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]
    role = found["Roles"][0]["RoleName"] if found["Roles"] else None
    return Found(reported({"name": profile, "role": role}, known), {"name": profile, "arn": found["Arn"]})


def _update_profile(aws: Aws, profile: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    # A profile has room for one role.
    _take_roles_out(aws, profile)
    if "role" in new:
        aws.client("iam").add_role_to_instance_profile(InstanceProfileName=profile, RoleName=new["role"])
    return {}


def _delete_profile(aws: Aws, profile: str, _known: Inputs) -> None:
    _take_roles_out(aws, profile)
    aws.client("iam").delete_instance_profile(InstanceProfileName=profile)


def _take_roles_out(aws: Aws, profile: str) -> None:
    iam = aws.client("iam")
    for role in iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=role["RoleName"])


KINDS: dict[str, Kind] = {
    "aws:iam/role:Role": Kind(
        _create_role,
        _read_role,
        _delete_role,
        _update_role,
        fixed=frozenset({"name", "namePrefix"}),
        named="name",
    ),
    "aws:iam/rolePolicy:RolePolicy": Kind(
        _create_policy,
        _read_policy,
        _delete_policy,
        _update_policy,
        fixed=frozenset({"name", "namePrefix", "role"}),
        named="name",
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Kind(
        _create_attachment, _read_attachment, _delete_attachment
    ),
    "aws:iam/instanceProfile:InstanceProfile": Kind(
        _create_profile,
        _read_profile,
        _delete_profile,
        _update_profile,
        fixed=frozenset({"name", "namePrefix"}),
        named="name",
    ),
}
