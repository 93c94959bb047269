"""Which of the files that are kept of a workbench's home cannot be brought back into one, and why.

Nothing is ever deleted where they are kept, so the file ``data`` is there beside ``data/apples.csv`` when a
folder has taken its place. And whatever a notebook writes there, nothing may be written outside the home.

The set-up step runs it before it fetches the others: with the primary node's own Python, which is older than
ours, and no library.
"""

from __future__ import annotations

import glob
import json
import sys
from collections.abc import Iterable

NAME_BYTES = 246
"""Of Linux' 255, what a file's name may have: while it is fetched, nine more are at its end (s3transfer)."""


def misfits(names: Iterable[str]) -> dict[str, str]:
    """Those of ``names`` that cannot be files below one folder beside the others, and why.

    ``names``: keys without the prefix that they share, with ``/`` between folders.
    """
    steps = {name: name.split("/") for name in names}
    found = {name: why for name, parts in steps.items() if (why := _why_no_path(parts))}
    folders = {
        "/".join(parts[:depth])
        for name, parts in steps.items()
        if name not in found
        for depth in range(1, len(parts))
    }
    return found | dict.fromkeys(folders & steps.keys(), "there is a folder of that name, too")


def _why_no_path(parts: list[str]) -> str:
    if not {"", ".", ".."}.isdisjoint(parts):
        return "it is no file's name"
    if max(len(part.encode()) for part in parts) > NAME_BYTES:
        return "its name is too long"
    return ""


def pattern_of(name: str) -> str:
    """What ``aws s3 cp --exclude`` takes for this name and no other.

    Source: AWS CLI Command Reference, "Use of Exclude and Include Filters".
    """
    # The CLI joins it to the place as paths are joined, and would begin anew at a slash.
    return f"[/]{glob.escape(name[1:])}" if name.startswith("/") else glob.escape(name)


def main() -> None:
    """Read the keys, as JSON (``null`` if there are none), and write the patterns of those that do not fit,
    each with a NUL behind it. Standard error says which, and why. The argument is the prefix of all keys."""
    prefix = sys.argv[1]
    names = [key[len(prefix) :] for key in json.load(sys.stdin.buffer) or []]
    for name, why in sorted(misfits(names).items()):
        sys.stderr.write(f"workbench: {name!a} is not brought back: {why}\n")
        # Bytes, whatever the machine's locale is.
        sys.stdout.buffer.write(f"{pattern_of(name)}\0".encode())


if __name__ == "__main__":
    main()
