"""What SQL says of runs that happened, by the tables and views that the stack has in its catalog.

The local AWS keeps the catalog, but computes no folders of partitions and knows no views. So DuckDB stands
for Athena: it reads what lies in the folder that a table's own template leads to, and runs the views' SQL.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from infra.program import REPOSITORY
from lambdas.contract.layout import SUCCESS_MARKER, RunLayout

from .conftest import Happened, User

DOCUMENT = (REPOSITORY / "docs" / "results.md").read_text()
(QUERY,) = re.findall(r"^### Athena\n.*?^```sql\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
DUCKDB = {"string": "VARCHAR", "boolean": "BOOLEAN", "array<float>": "FLOAT[]"}


class Sql:
    """The catalog's database, as far as these runs go."""

    def __init__(self, user: User, folder: Path, runs: list[RunLayout]) -> None:
        self._user, self._folder, self._runs = user, folder, runs
        self._duckdb = duckdb.connect()
        name = user.cloud.outputs["results_database"]
        self._duckdb.execute(f"CREATE SCHEMA {name}")
        catalog = user.cloud.client("glue").get_tables(DatabaseName=name)["TableList"]
        for table in sorted(catalog, key=lambda each: each["TableType"] == "VIRTUAL_VIEW"):
            sql = _sql_of(table) if table.get("ViewOriginalText") else self._reading(table)
            self._duckdb.execute(f"CREATE VIEW {name}.{table['Name']} AS {sql}")
        self._duckdb.execute(f"USE {name}")

    def ask(self, query: str) -> list[Any]:
        return self._duckdb.sql(query).fetchall()

    def _reading(self, table: dict[str, Any]) -> str:
        """A SELECT of what the table has of all runs."""
        stored, properties = table["StorageDescriptor"], table["Parameters"]
        columns = {column["Name"]: DUCKDB[column["Type"]] for column in stored["Columns"]}
        read = {
            "ParquetHiveSerDe": "read_parquet({files})",
            "IonHiveSerDe": "read_json({files}, columns={columns})",
            "OpenCSVSerde": "read_csv({files}, columns={columns}, skip={skip}, header=false, "
            "null_padding=true, strict_mode=false, auto_detect=false, delim=',', quote='\"')",
        }[stored["SerdeInfo"]["SerializationLibrary"].rsplit(".", 1)[1]]
        # Typed, where there is no object at all.
        keys = [key["Name"] for key in table["PartitionKeys"]]
        nulls = {**columns, **dict.fromkeys(keys, "VARCHAR")}.items()
        selects = [f"SELECT {', '.join(f'NULL::{kind} AS {name}' for name, kind in nulls)} WHERE false"]
        for run in self._runs:
            folder, constants = properties["storage.location.template"], []
            for key in keys:
                value = getattr(run, key)
                folder = folder.replace(f"${{{key}}}", value)
                constants.append(f"'{value}' AS {key}")
            if files := self._fetch(folder):
                skip = properties.get("skip.header.line.count", "0")
                source = read.format(files=files, columns=columns, skip=skip)
                selects.append(f"SELECT {', '.join([*columns, *constants])} FROM {source}")
        return " UNION ALL ".join(selects)

    def _fetch(self, folder: str) -> list[str]:
        """All objects below it, without those that Athena overlooks."""
        bucket, prefix = folder.removeprefix("s3://").split("/", 1)
        assert bucket == self._user.bucket
        found = []
        for item in self._user.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
            if not item["Key"].rsplit("/", 1)[1].startswith(("_", ".")):
                target = self._folder / item["Key"]
                target.parent.mkdir(parents=True, exist_ok=True)
                self._user.s3.download_file(bucket, item["Key"], str(target))
                found.append(str(target))
        return found


def _sql_of(view: dict[str, Any]) -> str:
    encoded = view["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
    return str(json.loads(base64.b64decode(encoded))["originalSql"])


@pytest.fixture(scope="module")
def runs(happened: Happened) -> list[RunLayout]:
    return [RunLayout(run.dataset, run.run_id) for run in (happened.fruits, happened.flawed, happened.broken)]


@pytest.fixture(scope="module")
def sql(happened: Happened, runs: list[RunLayout], tmp_path_factory: pytest.TempPathFactory) -> Sql:
    return Sql(happened.user, tmp_path_factory.mktemp("sql"), runs)


def test_the_documents_query_counts_the_images_of_a_published_run_by_label(
    sql: Sql, runs: list[RunLayout]
) -> None:
    query = QUERY.replace("<dataset>", runs[0].dataset).replace("<run_id>", runs[0].run_id)
    labels = ("apple", "banana", "blueberry", "kiwi", "lime", "orange")
    assert dict(sql.ask(query)) == dict.fromkeys(labels, 20)


def test_the_three_views_have_the_same_images_with_the_same_scores(sql: Sql, runs: list[RunLayout]) -> None:
    of_run = f"dataset = 'flawed' AND run_id = '{runs[1].run_id}'"
    ((rows, features),) = sql.ask(f"SELECT count(*), min(len(features)) FROM features WHERE {of_run}")
    assert (rows, features) == (120, 1280)
    ((rows, difference, label),) = sql.ask(
        "SELECT count(*), max(abs(p.pca[10] - c.pc_10)), min(c.label) "
        f"FROM pca p JOIN csv c USING (path, run_id) WHERE p.{of_run} AND c.pc_10 IS NOT NULL"
    )
    assert (rows, label) == (120, "apple")
    assert difference < 1e-5
    # Ten components were asked for.
    assert sql.ask(f"SELECT DISTINCT pc_11 FROM csv WHERE {of_run}") == [(None,)]


def test_a_run_is_shown_exactly_where_its_table_has_a_success_marker(
    happened: Happened, sql: Sql, runs: list[RunLayout]
) -> None:
    user = happened.user
    for view, prefix in (("features", "features"), ("pca", "pca"), ("csv", "csv")):
        marked = {
            run.run_id
            for run in runs
            if user.s3.list_objects_v2(
                Bucket=user.bucket, Prefix=f"{getattr(run, prefix)}{SUCCESS_MARKER}"
            ).get("Contents")
        }
        assert {run_id for (run_id,) in sql.ask(f"SELECT DISTINCT run_id FROM {view}")} == marked
        assert marked == {run.run_id for run in runs[:2]}
    reported = Counter(sql.ask("SELECT step, succeeded FROM steps"))
    assert reported == {("featurize", True): 2, ("pca", True): 2, ("featurize", False): 1}
