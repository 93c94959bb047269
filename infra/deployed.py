"""What the stack consists of so far, and what of it no deployment may move."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

DEPLOYED_RESOURCES = "pulumi:pulumi:readStackResourceOutputs"
"""The engine's own function for what a stack's last deployment left: it asks the state, not AWS."""
PATIENCE_SECONDS = 10.0
RETRY_SECONDS = 0.1
_HALF_WRITTEN = "failed to load checkpoint"
"""A state in a file is read while the engine writes it again."""
_PROVIDER = "pulumi:providers:aws"


class CannotMove(pulumi.RunError):
    """The configuration asks for what would replace, and so lose, what holds data."""


@dataclass(frozen=True)
class Deployed:
    """Outputs of the resources that exist, by type and logical name."""

    outputs: Mapping[tuple[str, str], Mapping[str, Any]]

    def output(self, token: str, name: str, key: str) -> str | None:
        """One output of one resource; None where it is not there yet."""
        value = self.outputs.get((token, name), {}).get(key)
        return None if value is None else str(value)

    def has(self, *resources: tuple[str, str]) -> bool:
        """Whether all of these are there, by type and logical name."""
        return self.outputs.keys() >= set(resources)

    def check_place(self, prefix: str, region: str) -> None:
        """Return if the stack, if it is there, has this prefix of its names and lives in this region.

        Raises:
            CannotMove: it was called otherwise, or is somewhere else.
        """
        providers = {name for token, name in self.outputs if token == _PROVIDER}
        if providers and prefix not in providers:
            raise CannotMove(
                f"stack: this one was deployed as {', '.join(sorted(providers))} and cannot become {prefix}: "
                "it would begin empty, and what holds data would be deleted. `pulumi stack rename` it back "
                "(or give the project its old name)"
            )
        before = self.output(_PROVIDER, prefix, "region")
        if before not in (None, region):
            raise CannotMove(
                f"aws:region: this stack lives in {before} and cannot move to {region}: its buckets and its "
                f"ledger would be replaced by empty ones. Set {before} again, or deploy a new stack there "
                "(`pulumi stack init`) and copy the data"
            )

    def name_of(self, token: str, name: str, wanted: str | None, key: str) -> str | None:
        """The physical name to give what holds data: the one it has, else the wanted one.

        ``key`` is the output that holds the name. None lets Pulumi choose.

        Raises:
            CannotMove: another one is wanted than it has.
        """
        before = self.output(token, name, key)
        if None not in (before, wanted) and before != wanted:
            raise CannotMove(
                f"{name}: is {before!r} and holds data; another name, {wanted!r}, would replace it by an "
                f"empty one. Set {before!r} again or remove the setting, or deploy a new stack "
                "(`pulumi stack init`)"
            )
        return before or wanted


def _resources() -> Mapping[str, Mapping[str, Any]]:
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = pulumi.runtime.invoke(DEPLOYED_RESOURCES, {"stackName": stack})
        except Exception as error:  # the SDK has no class of its own for it
            if _HALF_WRITTEN not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            resources: Mapping[str, Mapping[str, Any]] = answer.value["outputs"]
            return resources


def read_deployed() -> Deployed:
    """What the running program's stack consists of, by its state."""
    resources = _resources()
    return Deployed(
        {
            (str(resource["type"]), urn.rsplit("::", 1)[-1]): resource["outputs"] or {}
            for urn, resource in resources.items()
        }
    )
