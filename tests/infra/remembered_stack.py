"""A stack in the local cloud whose every resource is remembered as the engine's state would hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from botocore.exceptions import ClientError

from infra.local.provider import LocalProvider
from infra.local.provider.account import Account
from infra.local.provider.kinds import KINDS
from infra.local.provider.resource import Aws, Found, Kind, is_missing


@dataclass(frozen=True)
class Resource:
    """One that was created. ``known`` is what its state holds: inputs, and outputs beside them."""

    token: str
    name: str
    id: str
    inputs: Mapping[str, Any]
    known: Mapping[str, Any]

    @property
    def kind(self) -> Kind:
        return KINDS[self.token]


class Recorder(LocalProvider):
    """Creates the stack, and keeps what it created, in that order."""

    def __init__(self, make_client: Callable[[str], Any]) -> None:
        super().__init__(make_client)
        self._account_of_resources = Account(make_client)
        self.stack: Stack | None = None

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        id_, known = super().new_resource(args)
        if args.typ == "pulumi:providers:aws":
            self.stack = Stack(self._account_of_resources.configured(args.inputs), [])
        elif args.custom and id_ is not None:
            assert self.stack is not None
            given = {key for key, value in args.inputs.items() if value is not None}
            inputs = {key: value for key, value in known.items() if key in {*given, KINDS[args.typ].named}}
            self.stack.resources.append(Resource(args.typ, args.name, id_, inputs, known))
        return id_, known


@dataclass(frozen=True)
class Stack:
    aws: Aws
    resources: list[Resource]

    def of(self, token: str) -> list[Resource]:
        found = [resource for resource in self.resources if resource.token == token]
        assert found, f"the stack has no {token}"
        return found

    def read(self, resource: Resource) -> Found | None:
        """What a refresh finds."""
        try:
            return resource.kind.read(self.aws, resource.id, resource.known)
        except ClientError as error:
            if not is_missing(error):
                raise
            return None

    def inputs(self, resource: Resource) -> dict[str, Any]:
        """The inputs as a refresh finds them, without those that are not set."""
        found = self.read(resource)
        assert found is not None, f"{resource.token} {resource.name} is gone"
        return {key: value for key, value in found.inputs.items() if value is not None}

    def apply(self, resource: Resource, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        assert resource.kind.update is not None
        resource.kind.update(self.aws, resource.id, old, new)
