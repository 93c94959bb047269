"""docs/results.md says what a run publishes: every column, every array, and code that reads them."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lambdas.cli import reading
from lambdas.contract import layout
from lambdas.contract.plan import DEFAULT_COMPONENTS, FEATURE_DIM, Plan
from lambdas.contract.published import Part
from lambdas.contract.report import FeaturizeMetrics, QuarantineReason, RunMetrics, StepReport
from lambdas.contract.tables import csv_columns
from spark.components.exact_pca import PcaModel
from spark.datasets import index
from spark.datasets.publication import DatasetManifest, Provenance
from spark.features.shards import FEATURES_SCHEMA, QUARANTINE_SCHEMA
from spark.steps.pca import SCORES_SCHEMA
from tests.spark.conftest import folder_of

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PySpark's own

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "results.md").read_text()
CODE = dict(re.findall(r"^### (\w+)\n.*?^```python\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE))
"""By the library that its heading names."""


def part(heading: str) -> str:
    """The text below a heading."""
    return DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def table(text: str) -> dict[str, list[str]]:
    """The cells behind the first one of each row, by the name in that one."""
    rows = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `"))
    return {cells[0].strip("`"): cells[1:] for cells in rows}


def type_name(kind: pa.DataType) -> str:
    """Arrow's name of a type, without that of a list's items, which is another in the file."""
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)


def named(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


@pytest.fixture(scope="module")
def plan(fast_run: tuple[Plan, list[StepReport]]) -> Plan:
    return fast_run[0]


@pytest.mark.parametrize(
    ("heading", "schema"),
    [("Results/", FEATURES_SCHEMA), ("quarantine/", QUARANTINE_SCHEMA), ("Results_PCA/", SCORES_SCHEMA)],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_every_column_and_its_type_is_described_in_order(heading: str, schema: pa.Schema) -> None:
    described = {name: cells[0].strip("`") for name, cells in table(part(heading)).items()}
    assert list(described.items()) == [(column.name, type_name(column.type)) for column in schema]


@pytest.mark.parametrize("prefix", ["features", "quarantine", "pca"])
def test_the_published_files_have_the_types_shapes_and_nulls_that_are_described(
    prefix: str, plan: Plan
) -> None:
    folder = folder_of(plan, getattr(plan.layout, prefix))
    published = pq.read_table(folder)
    described = table(part(f"{folder.relative_to(folder_of(plan, '')).parts[0]}/"))
    sizes = {"1280": FEATURE_DIM, "k": plan.pca.components}
    for name, (kind, shape, unit, null, *_) in described.items():
        column = published.column(name)
        assert type_name(column.type) == kind.strip("`")
        assert bool(unit) == (pa.types.is_list(column.type) or pa.types.is_integer(column.type))
        assert null in ("yes", "no")
        if null == "no":
            assert column.null_count == 0, name
        if shape:
            assert set(pc.list_value_length(column).to_pylist()) == {sizes[shape.strip("[]")]}
            assert column.combine_chunks().flatten().null_count == 0
        assert bool(shape) == pa.types.is_list(column.type)


def test_each_library_reads_the_types_that_are_described(plan: Plan, spark: SparkSession) -> None:
    quarantine, features = (
        str(folder_of(plan, prefix)) for prefix in (plan.layout.quarantine, plan.layout.features)
    )
    names = ["detail", "features", "size_bytes"]
    rows = [line.strip("| ").split(" | ") for line in part("Types").splitlines() if line.startswith("| ")]
    described = {cells[0].strip("`"): [cell.strip("`") for cell in cells[1:]] for cells in rows[1:]}
    seen: dict[str, list[str]] = {}
    for folder in (quarantine, features):
        wanted = [name for name in pq.read_schema(next(Path(folder).glob("part-*"))).names if name in names]
        arrow, frame = pq.read_table(folder).select(wanted), pd.read_parquet(folder, columns=wanted)
        duck = duckdb.read_parquet(f"{folder}/part-*.parquet").select(*wanted)
        polar = pl.read_parquet(f"{folder}/part-*.parquet", columns=wanted)
        kinds = dict(spark.read.parquet(folder).dtypes)
        for name, duck_type in zip(wanted, duck.types, strict=True):
            arrow_type = type_name(arrow.schema.field(name).type)
            # Athena reads Parquet by the types of Hive, which are Spark's names, too.
            seen[arrow_type] = [
                *(str(frame[name].dtype), str(duck_type), str(polar[name].dtype)),
                *(kinds[name], kinds[name]),
            ]
    assert seen == described


def test_the_csv_columns_are_as_described(plan: Plan) -> None:
    columns = csv_columns(DEFAULT_COMPONENTS)
    described = re.findall(r"^\| (`.*?`) \| (\w+) \| .*? \| (yes|no) \|", part("Results_CSV/"), re.MULTILINE)
    names = [name for names, *_ in described for name in re.findall(r"`(\w+)`", names)]
    assert names == [column.name for column in (*columns[:4], columns[-1])]
    assert [kind for _, kind, _ in described] == [column.type for column in columns[:3]]
    published = pd.concat(map(pd.read_csv, sorted(folder_of(plan, plan.layout.csv).glob("part-*"))))
    assert list(published.columns) == [column.name for column in csv_columns(plan.pca.components or 0)]
    nullable = [null == "yes" for *_, null in described]
    assert nullable == [False, True, False]
    assert not published.drop(columns="label").isna().any(axis=None)


def test_every_reason_of_the_quarantine_is_named() -> None:
    reason = " ".join(table(part("quarantine/"))["reason"])
    assert named(reason) - {"string"} == {reason.value for reason in QuarantineReason}


def test_every_array_and_summary_of_the_model_is_described(plan: Plan) -> None:
    model = folder_of(plan, plan.layout.pca_model)
    text = part("The model")
    with np.load(model / "model.npz") as arrays:
        shapes = {name: arrays[name].shape for name in arrays}
    sizes = {"d": FEATURE_DIM, "k": plan.pca.components}
    assert shapes == {
        name: tuple(sizes[letter] for letter in re.findall("[dk]", cells[0]))
        for name, cells in table(text).items()
    }
    assert list(shapes) == [field.name for field in dataclasses.fields(PcaModel)]
    (summary,) = re.findall(r"^`model\.json` for .*?\n\n", text, re.DOTALL | re.MULTILINE)
    assert set(json.loads((model / "model.json").read_text())) <= named(summary)


def test_every_field_of_a_published_tables_manifest_is_described() -> None:
    described = table(part("_manifest.json"))
    assert list(described) == [field.name for field in dataclasses.fields(DatasetManifest)]
    assert named(described["parts"][0]) == {field.name for field in dataclasses.fields(Part)}
    assert named(described["provenance"][0]) == {field.name for field in dataclasses.fields(Provenance)}


def test_every_object_of_a_run_is_described_and_the_fields_of_its_metrics_and_index(plan: Plan) -> None:
    described = table(part(r"runs/\<run_id\>/"))
    written = {
        re.sub(r"part-\d+", "part-<number>", re.sub(r"(featurize|pca)\.json", "<step>.json", name))
        for name in map(str, relative_files(folder_of(plan, f"{layout.RUNS}{plan.run_id}/")))
    }
    of_the_control_plane = {"status.json", "plan.json"}
    assert set(described) == written | of_the_control_plane
    metrics = {field.name for kind in (RunMetrics, FeaturizeMetrics) for field in dataclasses.fields(kind)}
    assert named(described["metrics.json"][0]) == metrics
    assert named(described["index.parquet"][0]) == set(index.SCHEMA.names)


def relative_files(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]


def run_as_written(code: str, plan: Plan, **known: Any) -> dict[str, Any]:
    """The names that a block of the document leaves, with the run's own folder in place of the example's."""
    own = {"root": plan.root.removeprefix("file://"), "run": f"{plan.dataset}/{plan.run_id}"}
    program = ast.parse(code)
    program.body = [
        node
        for node in program.body
        if not (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in own)
    ]
    names: dict[str, Any] = {**own, **known}
    exec(compile(program, "docs/results.md", "exec"), names)  # noqa: S102  # the document's own code
    return names


def rows_of(plan: Plan) -> int:
    rows: int = pq.read_table(folder_of(plan, plan.layout.features)).num_rows
    return rows


def test_the_code_for_pandas_reads_what_was_published(plan: Plan) -> None:
    got = run_as_written(CODE["pandas"], plan)
    assert got["matrix"].shape == (rows_of(plan), FEATURE_DIM)
    assert got["matrix"].dtype == np.float32
    assert got["matrix"].min() >= 0
    assert got["matrix"].max() <= 6
    assert list(got["scores"]["path"]) == list(got["frame"]["path"])


def test_the_code_for_pyarrow_reads_what_was_published(plan: Plan) -> None:
    got = run_as_written(CODE["pyarrow"], plan)
    published = pq.read_table(folder_of(plan, plan.layout.pca))
    assert got["labels"].column("path").to_pylist() == published.column("path").to_pylist()
    assert (got["matrix"].shape, got["matrix"].dtype) == ((rows_of(plan), FEATURE_DIM), np.float32)
    np.testing.assert_allclose(got["components"], published.column("pca").to_pylist(), atol=1e-5)
    assert got["made_by"]["run_id"] == plan.run_id


def test_the_code_for_duckdb_reads_what_was_published(plan: Plan) -> None:
    got = run_as_written(CODE["DuckDB"], plan)
    assert sum(images for _, images in got["counts"].fetchall()) == rows_of(plan)
    scores = pd.read_parquet(folder_of(plan, plan.layout.pca))
    means = scores["pca"].str[0].groupby(scores["label"]).mean()
    assert dict(got["means"].fetchall()) == pytest.approx(means.to_dict(), abs=1e-5)
    (first, similarity), *others = got["alike"].fetchall()
    assert similarity == pytest.approx(1)
    assert first == min(scores["path"])
    assert len(others) == 4


def test_the_code_for_polars_reads_what_was_published(plan: Plan) -> None:
    got = run_as_written(CODE["Polars"], plan)
    assert (got["matrix"].shape, got["matrix"].dtype) == ((rows_of(plan), FEATURE_DIM), np.float32)
    assert set(got["means"].columns) == {"label", "pc_01"}
    assert set(got["means"]["label"]) == set(got["frame"]["label"])


def test_the_code_for_spark_reads_what_was_published(plan: Plan, spark: SparkSession) -> None:
    got = run_as_written(CODE["Spark"], plan, spark=spark)
    assert got["features"].count() == got["scores"].count() == rows_of(plan)
    assert dict(got["scores"].dtypes)["pc_01"] == "double"
    assert got["model"].pc.numCols == plan.pca.components


@pytest.mark.parametrize("prefix", ["features", "pca", "csv"])
def test_the_lines_that_fetching_prints_load_what_was_fetched(
    prefix: str, plan: Plan, spark: SparkSession
) -> None:
    counts = []
    for line in reading.lines(folder_of(plan, getattr(plan.layout, prefix))):
        assert "\n" not in line
        names: dict[str, Any] = {}
        exec(line, names)  # noqa: S102  # as a person pastes it
        table = names["df"]
        counts.append(table.count() if hasattr(table, "sparkSession") else len(table))
    assert counts == [rows_of(plan)] * 3
