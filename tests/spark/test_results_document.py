"""docs/results.md says what a run publishes: every column, every array, and code that reads them."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lambdas.contract import layout
from lambdas.contract.plan import FEATURE_DIM, Plan
from lambdas.contract.published import Part
from lambdas.contract.report import FeaturizeMetrics, QuarantineReason, RunMetrics, StepReport
from spark.components.exact_pca import PcaModel
from spark.datasets import index
from spark.datasets.publication import DatasetManifest, Provenance
from spark.features.shards import FEATURES_SCHEMA, QUARANTINE_SCHEMA
from spark.steps.pca import SCORES_SCHEMA, csv_columns
from tests.spark.conftest import folder_of

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PySpark's own

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "results.md").read_text()
CODE = re.findall(r"^```python\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)


def part(heading: str) -> str:
    """The text below a heading."""
    return DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def table(text: str) -> dict[str, list[str]]:
    """The cells behind the first one of each row, by the name in that one."""
    rows = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `"))
    return {cells[0].strip("`"): cells[1:] for cells in rows}


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
    described = {name: cells[0] for name, cells in table(part(heading)).items()}
    assert list(described.items()) == [(column.name, str(column.type)) for column in schema]


def test_the_csv_columns_are_as_described() -> None:
    columns = csv_columns(50)
    described = re.findall(r"`(\w+)`", part("Results_CSV/"))
    assert described == [*columns[:4], columns[-1]]


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


def test_the_code_for_pandas_and_pyarrow_reads_what_was_published(plan: Plan) -> None:
    got = run_as_written(CODE[0], plan)
    scores = pq.read_table(folder_of(plan, plan.layout.pca)).column("pca").to_pylist()
    assert got["matrix"].shape == (len(got["frame"]), FEATURE_DIM)
    assert got["matrix"].min() >= 0
    assert got["matrix"].max() <= 6
    assert (
        list(got["scores"]["path"]) == got["labels"].column("path").to_pylist() == list(got["frame"]["path"])
    )
    np.testing.assert_allclose(got["components"], scores, atol=1e-5)
    assert got["made_by"]["run_id"] == plan.run_id


def test_the_code_for_spark_reads_what_was_published(plan: Plan, spark: SparkSession) -> None:
    got = run_as_written(CODE[1], plan, spark=spark)
    rows = pq.read_table(folder_of(plan, plan.layout.features)).num_rows
    assert got["features"].count() == got["scores"].count() == rows
    assert dict(got["scores"].dtypes)["pc_01"] == "double"
    assert got["model"].pc.numCols == plan.pca.components
