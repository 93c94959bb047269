"""The tables that Athena knows: the contract's, where runs write; and views of what is complete."""

from __future__ import annotations

import base64
import json
from typing import Any

import duckdb
import pytest

from infra.components.catalog_tables import TABLES, VIEWS
from lambdas.contract.layout import RunLayout
from lambdas.contract.tables import FEATURES_COLUMNS, PCA_COLUMNS, Column, csv_columns
from tests.infra.conftest import RecordingProvider

BUCKET = "s3://fruits-eu-data/"
RUN = RunLayout("apples", "apples-0123")
HIVE = {"string": "string", "list<float>": "array<float>", "float": "double"}
PARTITIONS = ["dataset", "run_id"]


def table(declared: RecordingProvider, name: str) -> dict[str, Any]:
    return declared.one("CatalogTable", f"-{name}")


def columns(inputs: dict[str, Any]) -> list[tuple[str, str]]:
    return [(column["name"], column["type"]) for column in inputs["storageDescriptor"]["columns"]]


def view_of(inputs: dict[str, Any]) -> dict[str, Any]:
    encoded = inputs["viewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
    view: dict[str, Any] = json.loads(base64.b64decode(encoded))
    return view


def test_there_is_one_database_and_nothing_that_runs_by_itself(declared: RecordingProvider) -> None:
    assert declared.one("CatalogDatabase")["name"] == "fruits_eu"
    of_the_catalog = {
        args.typ.rsplit(":", 1)[1]
        for args in declared.declared
        if args.typ.startswith(("aws:glue", "aws:ath"))
    }
    assert of_the_catalog == {"CatalogDatabase", "CatalogTable", "Workgroup"}


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("features_parts", RUN.features),
        ("pca_parts", RUN.pca),
        ("csv_parts", RUN.csv),
        ("steps", RUN.step_reports),
    ],
)
def test_a_query_that_names_a_run_is_led_to_its_folder_and_nowhere_else(
    declared: RecordingProvider, name: str, folder: str
) -> None:
    inputs = table(declared, name)
    properties = inputs["parameters"]
    keys = [key["name"] for key in inputs["partitionKeys"]]
    assert properties["projection.enabled"] == "true"
    assert {properties[f"projection.{key}.type"] for key in keys} == {"injected"}
    template = properties["storage.location.template"]
    assert template.startswith(inputs["storageDescriptor"]["location"])
    for key, value in zip(PARTITIONS, (RUN.dataset, RUN.run_id), strict=True):
        assert (f"${{{key}}}" in template) == (key in keys)
        template = template.replace(f"${{{key}}}", value)
    assert template == BUCKET + folder


@pytest.mark.parametrize(
    ("name", "published"),
    [("features", FEATURES_COLUMNS), ("pca", PCA_COLUMNS), ("csv", csv_columns(50))],
)
def test_a_view_has_the_columns_that_steps_write_and_those_that_name_the_run(
    declared: RecordingProvider, name: str, published: tuple[Column, ...]
) -> None:
    inputs = table(declared, name)
    expected = [(column.name, HIVE[column.type]) for column in published]
    assert columns(inputs) == [*expected, *((key, "string") for key in PARTITIONS)]
    names = [column["name"] for column in view_of(inputs)["columns"]]
    assert names == [name for name, _ in columns(inputs)]
    below = table(declared, f"{name}_parts")
    assert [name for name, _ in columns(below)] == [name for name, _ in expected]


def test_a_view_shows_what_its_step_reported_as_done_and_the_types_that_it_declares(
    declared: RecordingProvider,
) -> None:
    as_trino = {"VARCHAR": "varchar", "FLOAT[]": "array(real)", "DOUBLE": "double"}
    database = duckdb.connect()
    database.execute("CREATE SCHEMA fruits_eu")
    for each in TABLES:
        declared_columns = [*each.columns, *each.partitions]
        kinds = {"string": "VARCHAR", "array<float>": "FLOAT[]", "boolean": "BOOLEAN"}
        text = ", ".join(f"{column.name} {kinds[column.type.hive]}" for column in declared_columns)
        database.execute(f"CREATE TABLE fruits_eu.{each.name} ({text})")
    reports = [
        ("featurize", True, "done"),
        ("pca", True, "done"),
        ("featurize", True, "half"),
        ("pca", False, "half"),
    ]
    database.executemany("INSERT INTO fruits_eu.steps VALUES (?, ?, ?)", reports)
    for each in VIEWS:
        for run in ("done", "half", "running"):
            database.execute(
                f"INSERT INTO fruits_eu.{each.table.name} (path, run_id) VALUES ('{run}', '{run}')"
            )
    shown = {}
    for each in VIEWS:
        view = view_of(table(declared, each.name))
        assert (view["catalog"], view["schema"]) == ("awsdatacatalog", "fruits_eu")
        answer = database.sql(view["originalSql"])
        assert [as_trino[str(kind)] for kind in answer.types] == [
            column["type"] for column in view["columns"]
        ]
        shown[each.name] = {row[0] for row in answer.fetchall()}
    assert shown == {"features": {"done", "half"}, "pca": {"done"}, "csv": {"done"}}


def test_answers_stay_in_the_data_bucket_under_its_key_and_a_query_has_an_end(
    declared: RecordingProvider,
) -> None:
    configuration = declared.one("Workgroup")["configuration"]
    assert configuration["enforceWorkgroupConfiguration"] is True
    assert configuration["resultConfiguration"] == {
        "outputLocation": f"{BUCKET}queries/",
        "encryptionConfiguration": {
            "encryptionOption": "SSE_KMS",
            "kmsKeyArn": "arn:test:kms/key:::fruits-eu-data",
        },
    }
    # By list prices, 5 USD a TB.
    assert 0 < configuration["bytesScannedCutoffPerQuery"] * 5 / 10**12 <= 0.5
