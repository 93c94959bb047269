"""`pulumi`, where the machine's CLI has no Python language host.

``python without_host.py <cli> <arguments>`` hands every command that runs no program to the CLI as it is.
`pulumi preview` and `pulumi up` go through Pulumi's Automation API, which runs the program in this process,
as the host would in one of its own.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from pulumi.automation import CommandError, LocalWorkspace, OutputMap, PulumiCommand, Stack


def run_as_the_host_does(project: Path) -> None:
    """Run the program of the project in this folder.

    Source: the script pulumi-language-python-exec of Pulumi's Python SDK, which the host starts in the
    program's folder, and which runs that folder by its path: Python then looks there first for modules.
    """
    folder = project / yaml.safe_load((project / "Pulumi.yaml").read_text())["main"]
    os.chdir(folder)
    runpy.run_path(str(folder), run_name="__main__")


class Selected(LocalWorkspace):
    """The folder of a stack that a person has selected, and whose outputs nobody asks for here.

    To select it again and to list them would start the CLI three times more.
    """

    def select_stack(self, stack_name: str) -> None: ...

    def stack_outputs(self, stack_name: str) -> OutputMap:
        return {}


def main(cli: Path, arguments: Sequence[str]) -> int:
    if arguments[0] not in ("preview", "up"):
        os.execv(cli, [str(cli), *arguments])  # noqa: S606
    (command,) = arguments  # more than that is not known here
    project = Path.cwd()
    workspace = Selected(
        work_dir=str(project),
        program=lambda: run_as_the_host_does(project),
        pulumi_command=PulumiCommand(root=str(cli.parent.parent)),
    )
    selected = workspace.stack()
    if selected is None:
        sys.stderr.write("error: no stack selected\n")
        return 1
    stack = Stack.select(selected.name, workspace)
    try:
        (stack.up if command == "up" else stack.preview)(
            color="never",
            on_output=lambda line: print(line, flush=True),  # noqa: T201
            on_error=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201
        )
    except CommandError:
        return 1  # the CLI has said why
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
