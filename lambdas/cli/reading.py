"""The lines of code that load a run's results, for people to copy. Pure."""

from __future__ import annotations

from pathlib import Path

from lambdas.contract.layout import CSV

_SPARK = "from pyspark.sql import SparkSession; df = SparkSession.builder.getOrCreate().read"


def lines(table: Path) -> tuple[str, str, str]:
    """Python of one line each that loads a table with pandas, with DuckDB and with Spark.

    ``table``: its folder, below any other as it is in the bucket: ``<prefix>/<dataset>/<run_id>``.
    """
    if table.parts[-3] == CSV.rstrip("/"):
        return (
            "import pathlib, pandas; df = pandas.concat(map(pandas.read_csv, sorted(pathlib.Path("
            f'{_text(table)}).glob("part-*.csv"))))',
            f"import duckdb; df = duckdb.read_csv({_text(table / 'part-*.csv')})",
            f"{_SPARK}.csv({_text(table)}, header=True, inferSchema=True)",
        )
    return (
        f"import pandas; df = pandas.read_parquet({_text(table)})",
        f"import duckdb; df = duckdb.read_parquet({_text(table / 'part-*.parquet')})",
        f"{_SPARK}.parquet({_text(table)})",
    )


def _text(path: Path) -> str:
    """As Python writes it."""
    return repr(str(path))
