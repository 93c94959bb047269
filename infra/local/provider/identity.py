"""IAM: roles, their policies and instance profiles."""

from __future__ import annotations

from infra.local.provider.resource import Aws, Created, Creator, Inputs, physical_name


def _role(aws: Aws, name: str, inputs: Inputs) -> Created:
    role = physical_name(name, inputs)
    made = aws.client("iam").create_role(
        RoleName=role,
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        Description=inputs["description"],
        Tags=aws.tag_list,
    )
    return Created(role, {"name": role, "arn": made["Role"]["Arn"]})


def _role_policy(aws: Aws, name: str, inputs: Inputs) -> Created:
    policy = physical_name(name, inputs)
    aws.client("iam").put_role_policy(
        RoleName=inputs["role"], PolicyName=policy, PolicyDocument=inputs["policy"]
    )
    return Created(f"{inputs['role']}:{policy}", {"name": policy})


def _role_policy_attachment(aws: Aws, _name: str, inputs: Inputs) -> Created:
    aws.client("iam").attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return Created(f"{inputs['role']}:{inputs['policyArn']}")


def _instance_profile(aws: Aws, name: str, inputs: Inputs) -> Created:
    iam, profile = aws.client("iam"), physical_name(name, inputs)
    made = iam.create_instance_profile(InstanceProfileName=profile, Tags=aws.tag_list)
    iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=inputs["role"])
    return Created(profile, {"name": profile, "arn": made["InstanceProfile"]["Arn"]})


CREATORS: dict[str, Creator] = {
    "aws:iam/role:Role": _role,
    "aws:iam/rolePolicy:RolePolicy": _role_policy,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _role_policy_attachment,
    "aws:iam/instanceProfile:InstanceProfile": _instance_profile,
}
