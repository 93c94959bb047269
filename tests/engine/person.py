"""A person with a copy of the repository and a shell, who types what documents tell them to."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from infra.components.artifacts import ARM_WHEELHOUSES, WHEELHOUSES
from infra.local.engine.cli import find_cli
from infra.program import BUILD, REPOSITORY
from infra.target import ARM
from tests.artifacts import built
from tests.engine import without_host

PATIENCE_SECONDS = 900.0
_NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".local", "build", "tests", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info"
)
_NOT_INHERITED = ("AWS_", "PULUMI_", "FRUITS_", "MAKE")
_DONE = "--- typed ---"


class Person:
    """Sits in :attr:`folder`. The AWS CLI is the locked one; `pulumi` is the machine's.

    Where that has no Python language host (one built from Go modules has none), a stand-in of the same name
    takes its place: :mod:`tests.engine.without_host`.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """``environment`` holds the variables of a local cloud."""
        self.folder = folder / "fruits"
        shutil.copytree(REPOSITORY, self.folder, ignore=_NOT_COPIED)
        for installed in (".venv", ".local"):
            (self.folder / installed).symlink_to(REPOSITORY / installed)
        for name in ("requirements.lock", "pyproject.toml"):
            # Older than any .venv: make would install the copy into that of the repository.
            os.utime(self.folder / name, (0, 0))
        # A gigabyte of wheels is neither copied nor downloaded again, nor is a model made of equal weights.
        shutil.copytree(built() / "model", self.folder / "build" / "model")
        for wheelhouse in WHEELHOUSES.values():
            (self.folder / "build" / wheelhouse).symlink_to(BUILD / wheelhouse)
        for record in BUILD.glob("node*.txt"):
            shutil.copy2(record, self.folder / "build")
        # Those for Graviton machines are half a gigabyte, and nobody installs them here; others stand in.
        for group, wheelhouse in ARM_WHEELHOUSES.items():
            locked = self.folder / "build" / f"{group}-{ARM}-requirements.txt"
            shutil.copy2(BUILD / f"{group}-requirements.txt", locked)
            (self.folder / "build" / wheelhouse).symlink_to(BUILD / WHEELHOUSES[group])
        self._programs = folder / "bin"
        self._programs.mkdir()
        (self._programs / "aws").symlink_to(Path(sys.prefix) / "bin" / "aws")
        cli = find_cli()
        search = f"{self._programs}:{cli.parent}:{os.environ['PATH']}"
        if shutil.which("pulumi-language-python", path=search) is None:
            self.has("pulumi", [sys.executable, str(Path(without_host.__file__)), str(cli)])
            # A complete CLI has one. The stand-in hands no program to it.
            self.has("pulumi-language-python", ["false"])
        inherited = {name: os.environ[name] for name in os.environ if not name.startswith(_NOT_INHERITED)}
        # Meant for steps on nodes; `make package` could not tell package registries from anybody.
        given = {name: value for name, value in environment.items() if name != "SSL_CERT_FILE"}
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self.folder,
            env={
                **inherited,
                **given,
                "PATH": search,
                # The modules of the copy, not those of the repository, which .venv knows.
                "PYTHONPATH": str(self.folder),
                # Says yes where a person would be asked.
                "PULUMI_SKIP_CONFIRMATIONS": "true",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def has(self, program: str, command: list[str]) -> None:
        """Put a program on the PATH that runs this command with its own arguments after it."""
        script = self._programs / program
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        script.chmod(0o755)

    def types(self, lines: str) -> str:
        """What the shell prints; AssertionError, with all that, as soon as one line fails."""
        typed = self._programs.parent / "typed.sh"
        typed.write_text(f"set -e\n{lines}\n")
        stdin, stdout = self._shell.stdin, self._shell.stdout
        assert stdin is not None
        assert stdout is not None
        impatience = threading.Timer(PATIENCE_SECONDS, self._end)
        impatience.start()
        try:
            stdin.write(f"source {shlex.quote(str(typed))} < /dev/null; echo '{_DONE}'\n")
            stdin.flush()
            printed: list[str] = []
            for line in stdout:
                if line.strip() == _DONE:
                    return "".join(printed)
                printed.append(line)
        finally:
            impatience.cancel()
        raise AssertionError(f"failed:\n{lines}\nwith:\n{''.join(printed)}")

    def leaves(self) -> None:
        """Close the shell."""
        self._end()
        self._shell.communicate()

    def _end(self) -> None:
        """End the shell with what runs in it, which would otherwise keep its output open."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
