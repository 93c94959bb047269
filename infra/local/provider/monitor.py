"""The provider itself: which resource type is created by what, and the answers to invokes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pulumi

from infra.local.provider import (
    alarms,
    clusters,
    events,
    functions,
    identity,
    keys,
    network,
    objects,
    tables,
    trails,
)
from infra.local.provider.resource import Aws, Creator

CREATORS: dict[str, Creator] = {
    **objects.CREATORS,
    **identity.CREATORS,
    **functions.CREATORS,
    **events.CREATORS,
    **tables.CREATORS,
    **keys.CREATORS,
    **network.CREATORS,
    **trails.CREATORS,
    **clusters.CREATORS,
    **alarms.CREATORS,
}


class UnknownResourceTypeError(NotImplementedError):
    """The stack uses a resource type that the local cloud cannot create yet."""

    def __init__(self, token: str, name: str) -> None:
        super().__init__(
            f"the local cloud cannot create {token} (resource {name!r}); "
            "add a creator for it in infra/local/provider/"
        )


class LocalProvider(pulumi.runtime.Mocks):
    """Creates what the program declares. ``client`` gives an administrator's boto3 client by service name."""

    def __init__(self, client: Callable[[str], Any], account_id: str) -> None:
        # boto3 clients may be shared between the SDK's threads, but not made by several at once.
        self._make_client = client
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._account_id = account_id
        self._aws: Aws | None = None
        self.resources: list[str] = []
        """``<type token> <logical name>`` of everything created so far."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Create one resource.

        Raises:
            UnknownResourceTypeError: nothing here knows how.
        """
        inputs = {key: value for key, value in args.inputs.items() if value is not None}
        if args.typ == "pulumi:providers:aws":
            self._aws = self._configure(inputs)
            return args.name, inputs
        if not args.custom:
            return None, inputs
        if (create := CREATORS.get(args.typ)) is None:
            raise UnknownResourceTypeError(args.typ, args.name)
        if self._aws is None:
            raise RuntimeError(f"{args.name!r} has no explicit AWS provider; pass one in its options")
        created = create(self._aws, args.name, inputs)
        self.resources.append(f"{args.typ} {args.name}")
        return created.id, {**inputs, **created.outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Answer an invoke.

        Raises:
            UnknownResourceTypeError: nothing here knows the function.
        """
        if args.token == "aws:index/getCallerIdentity:getCallerIdentity":  # noqa: S105  # a Pulumi token
            caller = self._client("sts").get_caller_identity()
            answer = {
                "accountId": caller["Account"],
                "arn": caller["Arn"],
                "userId": caller["UserId"],
                "id": caller["Account"],
            }
            return answer, []
        raise UnknownResourceTypeError(args.token, "invoke")

    def _configure(self, inputs: dict[str, Any]) -> Aws:
        # Provider properties cross the SDK's wire as JSON text.
        tags = json.loads(inputs["defaultTags"])["tags"]
        return Aws(self._client, self._account_id, inputs["region"], tags)

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make_client(service)
            return self._clients[service]
