"""What a complete table of a run consists of: ``_manifest.json``, as whoever reads the table needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from lambdas.contract.documents import document_from_json

PUBLISHED_VERSION = 1
"""The major version of the schema, see :mod:`lambdas.contract.documents`."""


@dataclass(frozen=True)
class Part:
    """One object of a dataset. ``bytes`` is its size, ``sha256`` the hash of the whole object in hex."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class PublishedTable:
    """The parts of a complete table. ``columns`` maps a name to its Arrow type."""

    rows: int
    columns: dict[str, str]
    parts: tuple[Part, ...]

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read ``_manifest.json``; raises UnreadableError where it is none."""
        return document_from_json(cls, text, PUBLISHED_VERSION)
