"""The columns of the tables that a run publishes: Spark writes them, SQL and documents describe them.

Standard library only, because Spark workers import it from a zip.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ColumnType(StrEnum):
    """What a column holds; the values are Arrow's names."""

    STRING = "string"
    INTEGER = "int64"
    FLOAT = "float"
    FLOATS = "list<float>"


@dataclass(frozen=True)
class Column:
    """One column of a published table."""

    name: str
    type: ColumnType


_PATH = Column("path", ColumnType.STRING)
_LABEL = Column("label", ColumnType.STRING)

FEATURES_COLUMNS = (
    _PATH,
    _LABEL,
    Column("features", ColumnType.FLOATS),
    Column("content_sha256", ColumnType.STRING),
    Column("flaw", ColumnType.STRING),
)
QUARANTINE_COLUMNS = (
    _PATH,
    _LABEL,
    Column("reason", ColumnType.STRING),
    Column("detail", ColumnType.STRING),
    Column("size_bytes", ColumnType.INTEGER),
)
PCA_COLUMNS = (_PATH, _LABEL, Column("pca", ColumnType.FLOATS))


def csv_columns(components: int) -> tuple[Column, ...]:
    """``path, label, pc_01, ..``: numbered from 1 in at least two digits."""
    width = max(2, len(str(components)))
    numbered = (Column(f"pc_{number:0{width}d}", ColumnType.FLOAT) for number in range(1, components + 1))
    return (_PATH, _LABEL, *numbered)
