"""The provider without an engine: what the program declares is created at once, in dependency order.

Plugged in through the SDK's documented mocks interface, so that `make demo` needs no Pulumi CLI.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from infra.deployed import DEPLOYED_RESOURCES
from infra.local.provider.account import Account
from infra.local.provider.kinds import kind_of
from infra.local.provider.resource import Aws, Inputs, Kind, path_of

FUNCTION = "aws:lambda/function:Function"
_SEED_BYTES = 16


class CannotReplaceError(NotImplementedError):
    """A change makes it another resource, which takes Pulumi's engine: here nothing is ever deleted."""

    def __init__(self, name: str, inputs: list[str]) -> None:
        super().__init__(
            f"{name!r} cannot be given another {', '.join(inputs)} in process; "
            "use a stack of your own (`make local` says how)"
        )


@dataclass
class _Known:
    """A resource that was created. ``inputs``: as it has them now, files by their hash."""

    id: str
    inputs: Inputs
    properties: dict[str, Any]


class LocalProvider(pulumi.runtime.Mocks):
    """Creates what the program declares; when the program runs again, changes what it declares otherwise.

    ``client`` gives an administrator's boto3 client by service name.
    """

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._account = Account(client)
        self._aws: Aws | None = None
        self._known: dict[tuple[str, str], _Known] = {}
        self.resources: list[str] = []
        """``<type token> <logical name>`` of everything created so far."""
        self.postponed: dict[str, Callable[[], None]] = {}
        """What changes each function of that logical name, in any order: `pulumi up` has none for them."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Create one resource, or change it; that of a function is left in :attr:`postponed`.

        Raises:
            UnknownResourceTypeError: nothing here knows how.
            CannotReplaceError: what is there would have to be replaced.
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
        known = self._known.get((args.typ, args.name))
        if known is not None:
            inputs = kind.check(args.name, given, known.inputs, b"")
            self._change(self._aws, args.typ, args.name, kind, known, inputs)
            return known.id, known.properties
        inputs = kind.check(args.name, given, {}, secrets.token_bytes(_SEED_BYTES))
        created = kind.create(self._aws, args.name, inputs)
        self.resources.append(f"{args.typ} {args.name}")
        properties = {**inputs, **created.outputs}
        self._known[args.typ, args.name] = _Known(created.id, _hashed(inputs), properties)
        return created.id, properties

    def _change(
        self, aws: Aws, token: str, name: str, kind: Kind, known: _Known, inputs: dict[str, Any]
    ) -> None:
        before, after = known.inputs, _hashed(inputs)
        changed, replacing = kind.changes(before, after)
        if not changed:
            return
        if kind.update is None or replacing:
            raise CannotReplaceError(name, replacing)
        update = kind.update

        def change() -> None:
            known.properties.update({**inputs, **update(aws, known.id, before, after)})
            known.inputs = after

        if token == FUNCTION:
            self.postponed[name] = change
        else:
            change()

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Answer an invoke.

        Raises:
            UnknownResourceTypeError: nothing here knows the function.
        """
        if args.token == DEPLOYED_RESOURCES:
            # Nothing is remembered here: every deployment is a first one.
            return {"outputs": {}}, []
        return dict(self._account.call(args.token, args.args)), []


def _hashed(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with files as the engine tells of them, by path and hash: equal content is no change."""
    return {key: _file(value) if _is_file(value) else value for key, value in inputs.items()}


def _is_file(value: Any) -> bool:
    return isinstance(value, pulumi.FileAsset | pulumi.FileArchive)


def _file(value: Any) -> dict[str, str]:
    path = path_of(value)
    return {"path": path, "hash": hashlib.sha256(Path(path).read_bytes()).hexdigest()}
