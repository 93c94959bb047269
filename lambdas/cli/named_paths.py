"""Files and folders that a person names: what is said of one that cannot be used."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from lambdas.cli.result import CommandError, ExitCode

SHOWN = 200
"""Of a longer name a message has the beginning."""
_REMEDIES = {
    errno.EACCES: "Take another, or ask whoever owns it to let you in.",
    errno.EPERM: "Take another, or ask whoever owns it to let you in.",
    errno.ENOENT: "Check how it is spelt.",
    errno.ENAMETOOLONG: "Give it a shorter name.",
    errno.ENOSPC: "Make room on the disk, or name another place.",
    errno.EROFS: "Name another place.",
}


def is_folder(path: Path) -> bool:
    """Whether a folder is there.

    Raises:
        CommandError: it cannot be told: pathlib passes on what is neither "not there" nor "no folder".
    """
    try:
        return path.is_dir()
    except OSError as error:
        raise unusable(path, "read", error) from error


def require_there(path: Path) -> None:
    """Raise CommandError, which says why, unless a file or folder is there."""
    try:
        path.stat()
    except OSError as error:
        raise unusable(path, "read", error) from error


def require_writable(path: Path) -> None:
    """Make the folder of a file, and try whether it takes one: what fills the file may take minutes.

    Raises:
        CommandError: it does not, or the file is a folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            is_taken = path.is_dir()
    except OSError as error:
        raise unusable(path, "written", error) from error
    if is_taken:
        raise unusable(path, "written", IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))


def unusable(path: Path | str, how: str, error: OSError) -> CommandError:
    """What is said of a path that cannot be ``how`` (``read``, ``written``), with what to do."""
    name = str(path)
    if len(name) > SHOWN:
        name = f"{name[:SHOWN]}... ({len(name):,} characters)"
    remedy = _REMEDIES.get(error.errno or 0, "Name another.")
    return CommandError(ExitCode.USAGE, f"{name} cannot be {how}: {error.strerror or error}. {remedy}")
