"""The provider without an engine: what the program declares is created at once, in dependency order.

Plugged in through the SDK's documented mocks interface, so that `make demo` needs no Pulumi CLI.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pulumi

from infra.deployed import DEPLOYED_RESOURCES
from infra.local.provider.account import Account
from infra.local.provider.kinds import kind_of
from infra.local.provider.resource import Aws

_SEED_BYTES = 16


class LocalProvider(pulumi.runtime.Mocks):
    """Creates what the program declares. ``client`` gives an administrator's boto3 client by service name."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._account = Account(client)
        self._aws: Aws | None = None
        self.resources: list[str] = []
        """``<type token> <logical name>`` of everything created so far."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Create one resource.

        Raises:
            UnknownResourceTypeError: nothing here knows how.
        """
        given = {key: value for key, value in args.inputs.items() if value is not None}
        if args.typ == "pulumi:providers:aws":
            self._aws = self._account.configured(given)
            return args.name, given
        if not args.custom:
            return None, given
        kind = kind_of(args.typ, args.name)
        if self._aws is None:
            raise RuntimeError(f"{args.name!r} has no explicit AWS provider; pass one in its options")
        inputs = kind.check(args.name, given, {}, secrets.token_bytes(_SEED_BYTES))
        created = kind.create(self._aws, args.name, inputs)
        self.resources.append(f"{args.typ} {args.name}")
        return created.id, {**inputs, **created.outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Answer an invoke.

        Raises:
            UnknownResourceTypeError: nothing here knows the function.
        """
        if args.token == DEPLOYED_RESOURCES:
            # Nothing is remembered here: every deployment is a first one.
            return {"outputs": {}}, []
        return dict(self._account.call(args.token, args.args)), []
