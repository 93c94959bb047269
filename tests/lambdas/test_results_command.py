"""`fruits results`, against a real local AWS: what is fetched, how it is checked, what is said."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.cli.result import ExitCode
from lambdas.contract.layout import DATASET_MANIFEST, SUCCESS_MARKER, RunLayout
from lambdas.contract.run import RunState
from tests.report.run_folder import write_run

from .deployed import RUN, Deployed

KEYS = RunLayout("fruits", RUN)
MODEL = f"{KEYS.pca_model}mllib/data/part-00000.parquet"
LEFT = (KEYS.plan, KEYS.index, KEYS.metrics, KEYS.status)
"""What the run itself leaves that a report is made of."""
TABLES = {KEYS.features: "parquet", KEYS.quarantine: "parquet", KEYS.pca: "parquet", KEYS.csv: "csv"}


def publish(deployed: Deployed, prefix: str, parts: dict[str, str]) -> None:
    listed = [
        {"name": name, "rows": 1, "bytes": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
        for name, text in parts.items()
    ]
    for name, text in parts.items():
        deployed.objects.write(prefix + name, text)
    manifest = {"rows": len(parts), "columns": {"path": "string"}, "parts": listed, "provenance": {}}
    deployed.objects.write(prefix + DATASET_MANIFEST, json.dumps(manifest))
    deployed.objects.write(prefix + SUCCESS_MARKER, "")


@pytest.fixture
def completed(deployed: Deployed) -> Deployed:
    """A run that has published two parts of each table, and its model, and left some files of its own."""
    deployed.records(RunState.COMPLETED)
    for prefix, kind in TABLES.items():
        publish(deployed, prefix, {f"part-0000{n}.{kind}": f"{prefix} {n}" for n in range(2)})
    deployed.objects.write(MODEL, "a model")
    for key in (*LEFT, KEYS.progress, KEYS.shard_record(0)):
        deployed.objects.write(key, key)
    return deployed


def fetched(deployed: Deployed, to: Path, *more: str) -> tuple[int, Any]:
    return deployed.json("results", RUN, "--to", str(to), *more)


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def in_bucket(deployed: Deployed, *prefixes: str) -> dict[str, str]:
    listed = deployed.s3.list_objects_v2(Bucket=deployed.bucket)["Contents"]
    keys = [entry["Key"] for entry in listed if entry["Key"].startswith(prefixes)]
    return {key: (deployed.objects.read(key) or b"").decode() for key in keys}


def test_all_that_was_published_is_fetched_under_the_keys_that_it_has(
    completed: Deployed, tmp_path: Path
) -> None:
    code, answer = fetched(completed, tmp_path)
    assert (code, answer["objects"], answer["fetched"]) == (ExitCode.OK, 13, 13)
    assert files(tmp_path) == in_bucket(completed, *TABLES, KEYS.pca_model, *LEFT)


@pytest.mark.parametrize(
    ("only", "prefixes"),
    [
        ("features", (KEYS.features, KEYS.quarantine)),
        ("pca", (KEYS.pca, KEYS.pca_model)),
        ("csv", (KEYS.csv,)),
    ],
)
def test_only_what_is_asked_for_is_fetched_and_that_is_what_the_code_loads(
    only: str, prefixes: tuple[str, ...], completed: Deployed, tmp_path: Path
) -> None:
    _, answer = fetched(completed, tmp_path, "--only", only)
    assert files(tmp_path) == in_bucket(completed, *prefixes)
    assert len(answer["code"]) == 3
    assert all(prefixes[0].rstrip("/") in line for line in answer["code"])


def test_people_get_the_lines_to_copy(completed: Deployed, tmp_path: Path) -> None:
    code, said, _ = completed.run("results", RUN, "--to", str(tmp_path))
    assert code == ExitCode.OK
    assert f"13 objects of {RUN} are in {tmp_path}, 13 of them fetched now" in said
    assert [line.split(";")[0] for line in said.splitlines()[-3:]] == [
        "import pandas",
        "import duckdb",
        "from pyspark.sql import SparkSession",
    ]


def test_parts_that_are_there_are_not_fetched_again_but_spoilt_ones_are(
    completed: Deployed, tmp_path: Path
) -> None:
    fetched(completed, tmp_path)
    (tmp_path / KEYS.pca / "part-00001.parquet").write_text("spoilt")
    completed.s3.delete_object(Bucket=completed.bucket, Key=f"{KEYS.pca}part-00000.parquet")
    _, answer = fetched(completed, tmp_path)
    assert (answer["objects"], answer["fetched"]) == (13, 1)
    assert (tmp_path / KEYS.pca / "part-00001.parquet").read_text() == f"{KEYS.pca} 1"


def test_where_all_is_there_already_it_says_so(completed: Deployed, tmp_path: Path) -> None:
    fetched(completed, tmp_path)
    _, said, _ = completed.run("results", RUN, "--to", str(tmp_path))
    assert f"13 objects of {RUN} are in {tmp_path}, where all of them were already." in said
    completed.objects.write(KEYS.metrics, "changed")  # no list has its hash
    assert fetched(completed, tmp_path)[1]["fetched"] == 1
    assert (tmp_path / KEYS.metrics).read_text() == "changed"


def test_a_report_is_made_of_what_was_fetched_and_is_the_one_that_the_bucket_gives(
    deployed: Deployed, tmp_path: Path
) -> None:
    deployed.records(RunState.COMPLETED)
    run = write_run(tmp_path)
    for path in run.files.rglob("*"):
        if path.is_file():
            key = path.relative_to(run.files).as_posix()
            deployed.s3.put_object(Bucket=deployed.bucket, Key=key, Body=path.read_bytes())
    folder, there, here = (tmp_path / name for name in ("results", "there.html", "here.html"))
    assert fetched(deployed, folder)[0] == ExitCode.OK
    photos = ("--images", str(run.photos))
    assert deployed.json("report", RUN, "--to", str(there), *photos)[0] == ExitCode.OK
    assert deployed.json("report", RUN, "--from", str(folder), "--to", str(here), *photos)[0] == ExitCode.OK
    assert here.read_bytes() == there.read_bytes()


def test_of_a_part_of_the_results_a_report_says_what_is_missing(completed: Deployed, tmp_path: Path) -> None:
    fetched(completed, tmp_path, "--only", "pca")
    code, _, said = completed.run("report", RUN, "--from", str(tmp_path))
    assert code == ExitCode.UNKNOWN_RUN
    assert f"`fruits results {RUN} --to {tmp_path}` fetches what a report is made of" in said


@pytest.mark.parametrize("replaced_by", ["other bytes", None])
def test_an_object_that_is_not_what_was_published_is_refused_and_not_kept(
    replaced_by: str | None, completed: Deployed, tmp_path: Path
) -> None:
    key = f"{KEYS.features}part-00001.parquet"
    completed.objects.delete(key)
    if replaced_by:
        completed.objects.write(key, replaced_by)
    code, _, said = completed.run("results", RUN, "--to", str(tmp_path))
    assert code == ExitCode.NO
    assert f"s3://{completed.bucket}/{key} is not the object that _manifest.json lists" in said
    assert not {name for name in files(tmp_path) if name in (key, KEYS.features + SUCCESS_MARKER)}


def test_a_list_cannot_name_files_elsewhere(completed: Deployed, tmp_path: Path) -> None:
    publish(completed, KEYS.csv, {"../../../../evil.csv": "x"})
    code, _, said = completed.run("results", RUN, "--to", str(tmp_path / "to"), "--only", "csv")
    assert (code, "is not the object that _manifest.json lists" in said) == (ExitCode.NO, True)
    assert files(tmp_path) == {}


def test_a_run_without_csv_has_the_rest(completed: Deployed, tmp_path: Path) -> None:
    completed.objects.delete(KEYS.csv + SUCCESS_MARKER)
    assert fetched(completed, tmp_path)[1]["objects"] == 11
    code, _, said = completed.run("results", RUN, "--to", str(tmp_path), "--only", "csv")
    assert code == ExitCode.NO
    assert f"there is no _SUCCESS below s3://{completed.bucket}/{KEYS.csv}" in said
    assert "wanted no CSV (outputs.csv)" in said


def test_results_that_were_deleted_are_told(completed: Deployed, tmp_path: Path) -> None:
    completed.objects.delete(KEYS.features + SUCCESS_MARKER)
    code, _, said = completed.run("results", RUN, "--to", str(tmp_path))
    assert (code, "was deleted, or is older than the stack keeps data" in said) == (ExitCode.NO, True)


@pytest.mark.parametrize(
    ("state", "known", "sentence"),
    [
        (RunState.RUNNING, {}, "is RUNNING: its results are complete when it has ended"),
        (RunState.QUEUED, {}, f"`fruits status {RUN} --watch` follows it"),
        (RunState.CANCELLED, {}, "is CANCELLED and has no results.\n"),
        (
            RunState.FAILED,
            {"message": "Step pca: it broke", "remedy": "mend it"},
            "is FAILED and has no results. Step pca: it broke. Mend it.\n",
        ),
    ],
)
def test_a_run_that_did_not_complete_says_why_there_is_nothing(
    state: RunState, known: dict[str, str], sentence: str, deployed: Deployed, tmp_path: Path
) -> None:
    deployed.records(state, **known)
    code, _, said = deployed.run("results", RUN, "--to", str(tmp_path / "to"))
    assert code == ExitCode.NO
    assert sentence in said
    assert not (tmp_path / "to").exists()


def test_an_unknown_run_has_the_code_that_it_has_everywhere(deployed: Deployed) -> None:
    assert deployed.run("results", "nothing-0123456789ab")[0] == ExitCode.UNKNOWN_RUN


def test_a_folder_that_cannot_be_written_is_named(completed: Deployed, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    code, _, said = completed.run("results", RUN, "--to", str(tmp_path / "taken"))
    assert code == ExitCode.USAGE
    assert "taken/Results" in said
    assert "cannot be written: Not a directory" in said
    code, _, said = completed.run("results", RUN, "--to", "a" * 5000)
    assert code == ExitCode.USAGE
    assert "cannot be written: File name too long. Give it a shorter name." in said
