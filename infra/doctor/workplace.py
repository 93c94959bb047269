"""This machine: the interpreter with its packages, and the Pulumi CLI with its stack."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from infra.config import ConfigInvalid, read_config
from infra.doctor.account import ALWAYS_ON
from infra.doctor.examination import MEND
from infra.doctor.finding import Finding, fault, ok, unknown, warning
from infra.doctor.lock import versions
from infra.local.deploy import PROJECT
from infra.target import PYTHON_VERSION

PULUMI_SECONDS = 60
"""Its state may lie far away."""
WHY_SHOWN = 300
"""Characters of what the CLI says of a project or state that it cannot read: it lists every fault."""
INSTALL = "https://www.pulumi.com/docs/install/"
NO_STACK = "no stack selected"
"""How the CLI says so."""
NOT_LOGGED_IN = "PULUMI_ACCESS_TOKEN"
"""What the CLI asks for where nobody has logged in, and it may not ask a person."""
LANGUAGE_HOST = "pulumi-language-python"
"""Releases of Pulumi have it beside the CLI; the engine also takes one on the PATH. Source: Pulumi's SDK for
Go, `workspace.GetPluginPath`."""
REGION = "aws:region"
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.")


@dataclass(frozen=True)
class Pulumi:
    """What the CLI says. ``version`` None: there is none. ``settings``: of the selected stack, by full key
    and with the project's defaults, without the ``secrets``, whose values the CLI keeps; None: they are not
    known, and ``why_no_stack`` is what the CLI says."""

    version: str | None
    settings: Mapping[str, str] | None = None
    why_no_stack: str = ""
    stack: str = ""
    secrets: tuple[str, ...] = ()
    has_host: bool = False
    """Whether it can run programs in Python."""

    @property
    def prefix(self) -> str:
        """How the names of the selected stack's resources begin."""
        return f"{PROJECT}-{self.stack}"


def read_installed() -> dict[str, str]:
    """Name (as in the lock file) and version of every package of this interpreter.

    Looked for where packages are installed, and not along ``sys.path``, on which some put their own copies.
    """
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return {
        re.sub(r"[-_.]+", "-", found.name).lower(): found.version
        for found in metadata.distributions(path=sorted(places))
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
    search = environ.get("PATH", os.defpath)
    program = shutil.which("pulumi", path=search)
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
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=PULUMI_SECONDS,
        )

    try:
        told = Pulumi(ask("version").stdout.strip(), has_host=_has_host(Path(program), search))
        config, name = ask("config", "--json"), ask("stack", "--show-name")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Pulumi("", None, f"{program} does not answer ({error})")
    for asked in (config, name):
        if asked.returncode:
            said = " ".join(asked.stderr.split()).removeprefix("error: ")
            return replace(told, why_no_stack=said[:WHY_SHOWN] or "it said nothing")
    try:
        entries = json.loads(config.stdout)
    except ValueError:
        return replace(told, why_no_stack="what it says is no JSON")
    return replace(
        told,
        settings={key: entry["value"] for key, entry in entries.items() if "value" in entry},
        secrets=tuple(key for key, entry in entries.items() if "value" not in entry),
        # With an organisation and a project before it, if the CLI is set to say all of it.
        stack=name.stdout.strip().rpartition("/")[2],
    )


def _has_host(program: Path, search: str) -> bool:
    beside = shutil.which(LANGUAGE_HOST, path=str(program.resolve().parent))
    return bool(beside or shutil.which(LANGUAGE_HOST, path=search))


def pulumi(cli: Pulumi, lock: str) -> list[Finding]:
    """Whether the CLI fits the SDK that is locked, and can run the program."""
    (locked,) = versions(lock)["pulumi"]
    install = f"install {locked} or newer of the same major version: {INSTALL}"
    if cli.version is None:
        return [fault("the Pulumi CLI is not on the PATH", install)]
    if (found := _VERSION.match(cli.version)) is None:
        return [fault(f"`pulumi version` says {cli.version!r}, which is no version", install)]
    wanted = _VERSION.match(locked)
    if wanted is None or tuple(map(int, found.groups())) < tuple(map(int, wanted.groups())):
        text = f"Pulumi {cli.version} is older than the SDK in requirements.lock ({locked})"
        return [fault(text, install)]
    if found[1] != wanted[1]:
        text = f"Pulumi {cli.version} is another major version than the SDK in requirements.lock ({locked})"
        return [fault(text, install)]
    if not cli.has_host:
        text = f"Pulumi {cli.version} cannot run `pulumi up`: it has no Python language host"
        return [fault(text, f"install a release of Pulumi: {INSTALL}")]
    return [ok(f"Pulumi {cli.version}, for the SDK {locked}")]


def stack_settings(cli: Pulumi, locked_spark: str, shell_prefix: str | None) -> list[Finding]:
    """Whether a stack is selected, whose settings the other checks go by, and which a preview would accept.

    ``shell_prefix``: how the names of the stack begin that this shell knows; None where it knows none.
    """
    if cli.settings is not None:
        return _judged(cli, cli.settings, locked_spark, shell_prefix)
    if NOT_LOGGED_IN in cli.why_no_stack:
        return [
            warning(
                "nobody has logged in to Pulumi, so the default settings are assumed",
                "`pulumi login` comes next, then `pulumi stack init eu` or `pulumi stack select eu`",
            )
        ]
    if cli.version is not None and NO_STACK not in cli.why_no_stack:
        text = f"Pulumi cannot tell the settings of a stack: {cli.why_no_stack}"
        return [fault(text, "`pulumi config` says it in full")]
    return [
        warning(
            "no stack is selected, so the default settings are assumed",
            "`pulumi login`, then `pulumi stack init eu` or `pulumi stack select eu`",
        )
    ]


def _judged(
    cli: Pulumi, settings: Mapping[str, str], locked_spark: str, shell_prefix: str | None
) -> list[Finding]:
    # A region that cannot be read is set all the same.
    unread = {REGION: ALWAYS_ON} if REGION in cli.secrets else {}
    try:
        read_config({**settings, **unread}, project=PROJECT, stack=cli.stack, locked_spark=locked_spark)
    except ConfigInvalid as error:
        found = [fault(one, MEND) for one in error.faults]
    else:
        found = [ok(f"{cli.prefix} is selected, with {len(settings) + len(cli.secrets)} settings")]
    if cli.secrets:
        text = f"secret, so not looked at: {', '.join(cli.secrets)}"
        found.append(unknown(text, "nothing here: `pulumi preview` reads them"))
    if shell_prefix not in (None, cli.prefix):
        text = f"this shell knows {shell_prefix}, and Pulumi has {cli.prefix} selected"
        found.append(warning(text, '`eval "$(pulumi stack output shell)"`'))
    return found


def _few(items: Iterable[str], shown: int = 3) -> str:
    """The first few of them, and how many more there are."""
    listed = list(items)
    more = f" and {len(listed) - shown} more" if len(listed) > shown else ""
    return ", ".join(listed[:shown]) + more
