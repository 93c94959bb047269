"""The stack as it is deployed in the local AWS, and its administrator."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from infra.local.cloud import LocalCloud


class Stack:
    """A deployed stack and its administrator."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.outputs = cloud.outputs
        self.bucket = cloud.bucket
        self.s3 = cloud.client("s3")

    def as_role(self, part_of_name: str, service: str) -> Any:
        roles = self.cloud.client("iam").list_roles()["Roles"]
        (arn,) = [role["Arn"] for role in roles if part_of_name in role["RoleName"]]
        session = self.cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return self.cloud.client(
            service,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )

    def make_user(self, name: str, actions: list[str]) -> Any:
        """An S3 client of a new user who may do ``actions`` to everything."""
        iam = self.cloud.client("iam")
        iam.create_user(UserName=name)
        allow = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return self.cloud.client(
            "s3",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )


def is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException", "403"}
    return False
