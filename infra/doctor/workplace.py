"""This machine: the interpreter with its packages, and the Pulumi CLI with its stack."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from infra.doctor.finding import Finding, fault, ok, warning
from infra.doctor.lock import versions
from infra.target import PYTHON_VERSION

PULUMI_SECONDS = 60
"""Its state may lie far away."""
WHY_SHOWN = 300
"""Characters of what the CLI says of a project or state that it cannot read: it lists every fault."""
INSTALL = "https://www.pulumi.com/docs/install/"
NO_STACK = "no stack selected"
"""How the CLI says so."""
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.")


@dataclass(frozen=True)
class Pulumi:
    """What the CLI says. ``version`` None: there is none. ``settings``: of the selected stack, by full key
    and with the project's defaults; None: they are not known, and ``why_no_stack`` is what the CLI says."""

    version: str | None
    settings: Mapping[str, str] | None = None
    why_no_stack: str = field(default="")


def read_installed() -> dict[str, str]:
    """Name (as in the lock file) and version of every package of this interpreter."""
    return {
        re.sub(r"[-_.]+", "-", found.name).lower(): found.version
        for found in metadata.distributions()
        if found.name
    }


def python(running: tuple[int, int], installed: Mapping[str, str], lock: str) -> list[Finding]:
    """Whether this is the interpreter, with the packages, that everything is tested with."""
    version = ".".join(map(str, running))
    if version != PYTHON_VERSION:
        text = f"this is Python {version}, and everything is built for {PYTHON_VERSION}"
        return [fault(text, f"install Python {PYTHON_VERSION}, then `make clean setup`")]
    others = [
        f"{name} {installed[name]} instead of {' or '.join(sorted(wanted))}"
        for name, wanted in sorted(versions(lock).items())
        if name in installed and installed[name] not in wanted
    ]
    if others:
        text = f"the packages in {sys.prefix} are not those of requirements.lock: {_few(others)}"
        return [fault(text, "`make setup`")]
    return [ok(f"Python {version}, packages as locked")]


def read_pulumi(project: Path, environ: Mapping[str, str]) -> Pulumi:
    """Ask the CLI on the PATH; changes nothing."""
    program = shutil.which("pulumi", path=environ.get("PATH", os.defpath))
    if program is None:
        return Pulumi(None)
    environment = {**environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}

    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments, "--non-interactive"],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PULUMI_SECONDS,
        )

    try:
        version = ask("version").stdout.strip()
        asked = ask("config", "--json")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Pulumi("", None, f"{program} does not answer ({error})")
    if asked.returncode:
        said = " ".join(asked.stderr.split()).removeprefix("error: ")
        return Pulumi(version, None, said[:WHY_SHOWN] or "it said nothing")
    try:
        values = json.loads(asked.stdout)
    except ValueError:
        return Pulumi(version, None, "what it says is no JSON")
    return Pulumi(version, {key: entry.get("value", "") for key, entry in values.items()})


def pulumi(cli: Pulumi, lock: str) -> list[Finding]:
    """Whether the CLI fits the SDK that is locked, and knows a stack."""
    (locked,) = versions(lock)["pulumi"]
    install = f"install {locked} or newer: {INSTALL}"
    if cli.version is None:
        return [fault("the Pulumi CLI is not on the PATH", install)]
    if (found := _VERSION.match(cli.version)) is None:
        return [fault(f"`pulumi version` says {cli.version!r}, which is no version", install)]
    wanted = _VERSION.match(locked)
    if wanted is None or tuple(map(int, found.groups())) < tuple(map(int, wanted.groups())):
        text = f"Pulumi {cli.version} is older than the SDK in requirements.lock ({locked})"
        return [fault(text, install)]
    return [ok(f"Pulumi {cli.version}, for the SDK {locked}")]


def stack_settings(cli: Pulumi) -> list[Finding]:
    """Whether a stack is selected, whose settings the other checks go by."""
    if cli.settings is not None:
        return [ok(f"the selected stack has {len(cli.settings)} settings")]
    if cli.version is not None and NO_STACK not in cli.why_no_stack:
        text = f"Pulumi cannot tell the settings of a stack: {cli.why_no_stack}"
        return [fault(text, "`pulumi config` says it in full; if it asks for a login, `pulumi login`")]
    return [
        warning(
            "no stack is selected, so the default settings are assumed",
            "`pulumi login`, then `pulumi stack init eu` or `pulumi stack select eu`",
        )
    ]


def _few(items: Iterable[str], shown: int = 3) -> str:
    """The first few of them, and how many more there are."""
    listed = list(items)
    more = f" and {len(listed) - shown} more" if len(listed) > shown else ""
    return ", ".join(listed[:shown]) + more
