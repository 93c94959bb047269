"""The roles' own policies, one granted action at a time."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.local.cloud import LocalCloud

ROLES = ("launcher", "tracker", "reconciler", "emr-nodes", "emr-service")
"""By what their names hold."""


@dataclass(frozen=True)
class Grant:
    """One action of one statement in a role's policy."""

    role: str
    sid: str
    action: str

    def __str__(self) -> str:
        return f"{self.role} {self.sid} {self.action}"


@dataclass(frozen=True)
class Grants:
    """What the roles of a local cloud may do, and a way to take it from them."""

    cloud: LocalCloud

    def all(self) -> list[Grant]:
        """Everything that the roles' own policies allow."""
        return [
            Grant(role, statement["Sid"], action)
            for role in ROLES
            for statement in self._policy(role)["Statement"]
            if statement["Effect"] == "Allow"
            for action in statement["Action"]
        ]

    @contextlib.contextmanager
    def without(self, grant: Grant) -> Iterator[None]:
        """Take one action from one statement for a while."""
        whole = self._policy(grant.role)
        statements = [
            {**statement, "Action": [a for a in statement["Action"] if a != grant.action]}
            if statement["Sid"] == grant.sid
            else statement
            for statement in whole["Statement"]
        ]
        self._put_policy(grant.role, {**whole, "Statement": [s for s in statements if s["Action"]]})
        try:
            yield
        finally:
            self._put_policy(grant.role, whole)

    def _role(self, part_of_name: str) -> str:
        (name,) = [
            role["RoleName"]
            for role in self.cloud.client("iam").list_roles()["Roles"]
            if f"-{part_of_name}-" in role["RoleName"]
        ]
        return str(name)

    def _policy(self, role: str) -> dict[str, Any]:
        iam, name = self.cloud.client("iam"), self._role(role)
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        document: dict[str, Any] = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        return document

    def _put_policy(self, role: str, document: dict[str, Any]) -> None:
        iam, name = self.cloud.client("iam"), self._role(role)
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
