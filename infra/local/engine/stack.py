"""Stacks of this project, driven through Pulumi's Automation API: the program runs in this process."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pulumi
from pulumi import automation

from infra.config import load
from infra.local.deploy import PROJECT
from infra.local.engine.cli import BUILT, find_cli
from infra.program import BUILD, LOCK_FILE, REPOSITORY, deploy


def program(build: Path = BUILD) -> Callable[[], None]:
    """What ``infra/__main__.py`` runs, over artifacts in another folder."""

    def run() -> None:
        for name, value in deploy(load(LOCK_FILE), build).items():
            pulumi.export(name, value)

    return run


def select_stack(
    name: str, folder: Path, environment: Mapping[str, str], run: Callable[[], None] | None = None
) -> automation.Stack:
    """The stack of this name, made if need be.

    Args:
        name: the stack's name.
        folder: receives copies of the project's files, since the Automation API writes into them.
        environment: variables of the local cloud, and those of :func:`infra.local.engine.home.make_home`.
        run: the program, by default that of the project over what `make package` built.

    Raises:
        NoCliError: there is no Pulumi CLI.
    """
    # The engine looks for the folder of the program, though this process has it.
    (folder / Path(__file__).parents[2].name).mkdir(parents=True, exist_ok=True)
    for file in (REPOSITORY / "Pulumi.yaml", REPOSITORY / f"Pulumi.{name}.yaml"):
        if file.exists() and not (folder / file.name).exists():
            shutil.copy(file, folder)
    command = _command(str(BUILT.parent.parent) if find_cli() == BUILT else None)
    return automation.create_or_select_stack(
        name,
        project_name=PROJECT,
        program=run or program(),
        opts=automation.LocalWorkspaceOptions(
            work_dir=str(folder), pulumi_command=command, env_vars=dict(environment)
        ),
    )


@functools.cache
def _command(root: str | None) -> automation.PulumiCommand:
    """Kept, since each that is made asks the CLI for its version."""
    return automation.PulumiCommand(root=root)
