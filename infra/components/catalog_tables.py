"""The tables and views of the catalog, made of the contract's columns and keys. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from lambdas.contract import layout
from lambdas.contract.layout import RunLayout
from lambdas.contract.plan import DEFAULT_COMPONENTS
from lambdas.contract.tables import FEATURES_COLUMNS, PCA_COLUMNS, Column, ColumnType, csv_columns


class SqlType(Enum):
    """A type, as tables call it (Hive) and as queries and views do (Trino)."""

    STRING = ("string", "varchar")
    BOOLEAN = ("boolean", "boolean")
    DOUBLE = ("double", "double")
    FLOATS = ("array<float>", "array(real)")

    @property
    def hive(self) -> str:
        return self.value[0]

    @property
    def trino(self) -> str:
        return self.value[1]


@dataclass(frozen=True)
class SqlColumn:
    """One column of a table or view."""

    name: str
    type: SqlType


@dataclass(frozen=True)
class Format:
    """How Hive reads and writes files of a kind: names of Java classes."""

    serde: str
    input_format: str
    output_format: str


PARQUET = Format(
    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
)
CSV = Format(
    "org.apache.hadoop.hive.serde2.OpenCSVSerde",
    "org.apache.hadoop.mapred.TextInputFormat",
    "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
)
JSON = Format(
    "com.amazon.ionhiveserde.IonHiveSerDe",
    "com.amazon.ionhiveserde.formats.IonInputFormat",
    "com.amazon.ionhiveserde.formats.IonOutputFormat",
)
"""Of documents over several lines, which Athena's readers of JSON do not take."""

DATASET = SqlColumn("dataset", SqlType.STRING)
RUN_ID = SqlColumn("run_id", SqlType.STRING)
ANY_RUN = RunLayout(*(f"${{{column.name}}}" for column in (DATASET, RUN_ID)))
"""The keys of a run, with placeholders that Athena replaces by what a query asks for."""


@dataclass(frozen=True)
class Table:
    """Whatever lies below ``prefix``; ``template`` leads to one run's part of it."""

    name: str
    description: str
    prefix: str
    template: str
    columns: tuple[SqlColumn, ...]
    format: Format
    partitions: tuple[SqlColumn, ...] = (DATASET, RUN_ID)
    header_lines: int = 0

    @property
    def parameters(self) -> dict[str, str]:
        """All properties that do not depend on the bucket."""
        return {
            "EXTERNAL": "TRUE",
            "projection.enabled": "true",
            **{f"projection.{column.name}.type": "injected" for column in self.partitions},
            **({"skip.header.line.count": str(self.header_lines)} if self.header_lines else {}),
        }


@dataclass(frozen=True)
class View:
    """The rows of ``table`` whose run's ``step`` has succeeded.

    ``expressions``: what a column is, where it is not the table's own.
    """

    name: str
    description: str
    table: Table
    step: str
    columns: tuple[SqlColumn, ...]
    expressions: Mapping[str, str]

    def sql(self, database: str) -> str:
        """The query that the view stands for."""
        chosen = ", ".join(
            f"{self.expressions[column.name]} AS {column.name}"
            if column.name in self.expressions
            else f"t.{column.name}"
            for column in self.columns
        )
        return (
            f"SELECT {chosen} FROM {database}.{self.table.name} t "  # noqa: S608  # constants of this module
            f"JOIN {database}.{STEPS.name} s ON s.run_id = t.run_id "
            f"WHERE s.step = '{self.step}' AND s.succeeded"
        )

    def definition(self, database: str) -> str:
        """The view as Athena keeps it in the catalog: base64 of Trino's JSON in a comment.

        Source: Trino, ``ViewReaderUtil``, ``encodeViewData``.
        """
        described = {
            "originalSql": self.sql(database),
            "catalog": "awsdatacatalog",
            "schema": database,
            "columns": [{"name": column.name, "type": column.type.trino} for column in self.columns],
        }
        return f"/* Presto View: {base64.b64encode(json.dumps(described).encode()).decode()} */"


_SQL = {
    ColumnType.STRING: SqlType.STRING,
    ColumnType.FLOAT: SqlType.DOUBLE,
    ColumnType.FLOATS: SqlType.FLOATS,
}


def _columns(columns: Sequence[Column]) -> tuple[SqlColumn, ...]:
    return tuple(SqlColumn(column.name, _SQL[column.type]) for column in columns)


_CSV_COLUMNS = _columns(csv_columns(DEFAULT_COMPONENTS))
"""Of more components, the first ones; fewer leave nulls. All are in the table of lists."""
_ANYTHING_THERE = "also of runs that have not finished; the view without _parts has finished ones only"

FEATURES_PARTS = Table(
    "features_parts",
    f"Features of images, {_ANYTHING_THERE}",
    layout.FEATURES,
    ANY_RUN.features,
    _columns(FEATURES_COLUMNS),
    PARQUET,
)
PCA_PARTS = Table(
    "pca_parts",
    f"Principal components of images, {_ANYTHING_THERE}",
    layout.PCA,
    ANY_RUN.pca,
    _columns(PCA_COLUMNS),
    PARQUET,
)
CSV_PARTS = Table(
    "csv_parts",
    f"The CSV's texts as they are, {_ANYTHING_THERE}",
    layout.CSV,
    ANY_RUN.csv,
    # Its reader fails on a number that is not there.
    tuple(SqlColumn(column.name, SqlType.STRING) for column in _CSV_COLUMNS),
    CSV,
    header_lines=1,
)
STEPS = Table(
    "steps",
    "What the steps of a run reported: whether each has succeeded, and so published all that it computed",
    layout.RUNS,
    ANY_RUN.step_reports,
    (SqlColumn("step", SqlType.STRING), SqlColumn("succeeded", SqlType.BOOLEAN)),
    JSON,
    partitions=(RUN_ID,),
)
TABLES = (FEATURES_PARTS, PCA_PARTS, CSV_PARTS, STEPS)

_CSV_EXPRESSIONS = {
    "label": "nullif(t.label, '')",
    **{
        column.name: f"CAST(t.{column.name} AS double)"
        for column in _CSV_COLUMNS
        if column.type is SqlType.DOUBLE
    },
}
VIEWS = tuple(
    View(
        table.name.removesuffix("_parts"), description, table, step, (*columns, DATASET, RUN_ID), expressions
    )
    for description, table, step, columns, expressions in (
        ("Features of images, a row an image", FEATURES_PARTS, "featurize", FEATURES_PARTS.columns, {}),
        ("Principal components of images, as a list", PCA_PARTS, "pca", PCA_PARTS.columns, {}),
        ("Principal components, a column each", CSV_PARTS, "pca", _CSV_COLUMNS, _CSV_EXPRESSIONS),
    )
)
"""What people ask: the same, of tables that are complete alone."""
