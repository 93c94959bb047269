"""A node, as far as its bootstrap action can tell: this machine, with four programs of its own.

They stand first in its path: `aws` copies a folder, `sudo` does as it is told, `python3.11` is the bare
interpreter, and `dnf` brings it if need be.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.components.artifacts import WHEELHOUSES
from infra.program import BUILD, REPOSITORY

PIN = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ;[^\\\n]*)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)", re.M
)
BUCKET = "s3://wheels"
PROGRAMS = {
    "aws": '[ "$1 $2 $3 $4 $5 $6" = "s3 cp --region eu-west-1 --recursive --only-show-errors" ] '
    f'&& cp -r "${{7#{BUCKET}}}." "$8"',
    "sudo": 'exec "$@"',
}
INTERPRETER = Path(sys.base_prefix) / "bin" / "python3.11"


@dataclass(frozen=True)
class Node:
    """A machine with the operating system's programs, and no way to the internet."""

    folder: Path
    system_path: str = ":/usr/bin:/bin"

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    @property
    def environment(self) -> dict[str, str]:
        nowhere = "http://127.0.0.1:9"
        return {
            "PATH": f"{self.folder / 'bin'}{self.system_path}",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "LANG": "C.UTF-8",
            "http_proxy": nowhere,
            "https_proxy": nowhere,
        }

    def bootstrap(self, wheelhouse: Path, *further: Path) -> subprocess.CompletedProcess[str]:
        """The bootstrap action, with the arguments that a launch gives it."""
        first, *others = (f"{BUCKET}{folder}/" for folder in (wheelhouse, *further))
        return self.run(first, str(self.folder / "venv"), "eu-west-1", *others)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["/bin/bash", str(REPOSITORY / "infra" / "components" / "bootstrap.sh"), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def has(self, name: str, script: str) -> None:
        """The machine has a program of that name."""
        program = self.folder / "bin" / name
        program.write_text(f"#!/bin/bash\n{script}\n")
        program.chmod(0o755)


def node_in(folder: Path) -> Node:
    (folder / "bin").mkdir(parents=True)
    node = Node(folder)
    for name, script in PROGRAMS.items():
        node.has(name, script)
    (folder / "bin" / "python3.11").symlink_to(INTERPRETER)
    return node


def bare_node_in(folder: Path, dnf: str) -> Node:
    """A node without the interpreter, on which ``dnf`` does this. Nothing of this machine's is to be found
    but what the script runs."""
    (folder / "bin").mkdir(parents=True)
    node = Node(folder, system_path="")
    for name, script in {**PROGRAMS, "dnf": dnf}.items():
        node.has(name, script)
    for name in ("cp", "grep", "head", "ln", "mktemp", "rm", "sha256sum"):
        (folder / "bin" / name).symlink_to(shutil.which(name) or f"no {name} here")
    return node


def pins(requirements: str) -> dict[tuple[str, str], frozenset[str]]:
    """Package and version -> hashes. A lock file may have several versions, for other Pythons."""
    return {
        (found["name"], found["version"]): frozenset(re.findall(r"sha256:([0-9a-f]{64})", found[0]))
        for found in PIN.finditer(requirements)
    }


def part_of(wheelhouse: Path, names: Sequence[str], folder: Path) -> Path:
    folder.mkdir()
    for name in names:
        (wheel,) = wheelhouse.glob(f"{name.replace('-', '_')}-*.whl")
        shutil.copyfile(wheel, folder / wheel.name)
    found = PIN.finditer((wheelhouse / "requirements.txt").read_text())
    (folder / "requirements.txt").write_text("".join(f"{pin[0]}\n" for pin in found if pin["name"] in names))
    return folder


def installed(node: Node) -> set[str]:
    """The distributions that are there."""
    found = (node.folder / "venv" / "lib" / "python3.11" / "site-packages").glob("*.dist-info")
    return {path.name.partition("-")[0] for path in found}


def packaged(group: str) -> Path:
    """The folder of a group's wheels, which are downloaded first if need be."""
    folder = BUILD / WHEELHOUSES[group]
    target = (folder / "requirements.txt").relative_to(REPOSITORY)
    subprocess.run(["make", "--silent", str(target)], cwd=REPOSITORY, check=True)
    return folder
