"""Applies the stack's Pulumi program to the local cloud, in this process, without the Pulumi CLI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pulumi

from infra.config import load
from infra.program import LOCK_FILE
from infra.program import deploy as declare

PROJECT = "fruits"


def deploy(
    provider: pulumi.runtime.Mocks, *, stack: str, config: Mapping[str, str], build: Path
) -> dict[str, str]:
    """Run the program until every resource exists, and return the stack's outputs.

    Args:
        provider: what creates the resources.
        stack: the stack's name.
        config: values by full key (``aws:region``, ``fruits:nodePackages``), as text, as Pulumi holds them.
        build: the folder that `make package` fills.

    Raises:
        ConfigInvalid, ArtifactMissing: as in the preview of a real deployment.
        Exception: whatever the provider raised, unchanged.
    """
    return run(provider, stack=stack, config=config, program=lambda: declare(load(LOCK_FILE), build))


def run(
    provider: pulumi.runtime.Mocks,
    *,
    stack: str,
    config: Mapping[str, str],
    program: Callable[[], Mapping[str, pulumi.Output[str]]],
) -> dict[str, str]:
    """Run any Pulumi program against a provider; see :func:`deploy`."""
    pulumi.runtime.set_mocks(provider, project=PROJECT, stack=stack, preview=False)
    pulumi.runtime.set_all_config(dict(config))
    outputs: dict[str, str] = {}

    def apply() -> pulumi.Output[None]:
        return pulumi.Output.all(**program()).apply(outputs.update)

    # The SDK's way to run a program under mocks: it waits for every resource and raises what failed.
    pulumi.runtime.test(apply)()  # type: ignore[no-untyped-call]  # the SDK left it untyped
    return outputs
