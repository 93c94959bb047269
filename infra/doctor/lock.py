"""What a lock file pins."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^\s;\\]+)")


def pins(lock: str) -> dict[str, frozenset[str]]:
    """Each package's entries, with version and hashes. Several where they depend on the interpreter."""
    found: dict[str, set[str]] = {}
    for entry in _entries(lock):
        if match := _PIN.match(entry):
            hashes = sorted(re.findall(r"sha256:[0-9a-f]{64}", entry))
            found.setdefault(match["name"], set()).add(" ".join([match["version"], *hashes]))
    return {name: frozenset(entries) for name, entries in found.items()}


def versions(lock: str) -> dict[str, frozenset[str]]:
    """Each package's locked versions."""
    return {
        name: frozenset(entry.partition(" ")[0] for entry in entries) for name, entries in pins(lock).items()
    }


def _entries(lock: str) -> Iterator[str]:
    """A requirement with the lines that continue it, in one piece."""
    entry = ""
    for line in lock.splitlines():
        if line.lstrip().startswith("#"):
            continue
        entry += line.rstrip("\\")
        if not line.endswith("\\"):
            yield entry
            entry = ""
