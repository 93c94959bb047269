"""Whole steps of the fast engine on a local session."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lambdas.contract.plan import FEATURE_DIM, LabelRule, PcaSpec, Plan, Source
from lambdas.contract.report import STEP_PHASES, Progress, RunMetrics, StepReport
from spark.components.exact_pca import feature_matrix
from spark.datasets.publication import DatasetManifest
from tests.spark.conftest import PlanFactory, folder_of, run
from tests.spark.pictures import hostile, jpeg, unusual, write_class_folders

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PySpark's own


def snapshot(folder: Path) -> dict[str, str]:
    """Hash of every file below the published prefixes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "runs" not in path.parts
    }


@pytest.fixture(scope="module")
def plan(fast_run: tuple[Plan, list[StepReport]]) -> Plan:
    return fast_run[0]


@pytest.fixture(scope="module")
def reports(fast_run: tuple[Plan, list[StepReport]]) -> list[StepReport]:
    """Of both steps on the mixed images; the tests below look at what they left."""
    return fast_run[1]


def test_every_image_has_features_or_a_reason(plan: Plan, reports: list[StepReport]) -> None:
    featurized = pq.read_table(folder_of(plan, plan.layout.features)).column("path").to_pylist()
    quarantined = pq.read_table(folder_of(plan, plan.layout.quarantine)).to_pylist()
    assert reports[0].error is None
    assert reports[0].images_in == 18 + len(hostile()) + len(unusual())
    assert reports[0].images_featurized == len(featurized) == 18 + len(unusual())
    assert {Path(row["path"]).name: row["reason"] for row in quarantined} == {
        name: reason for name, (_, reason) in hostile().items()
    }
    assert reports[0].images_quarantined == sum(reports[0].quarantine_reasons.values()) == len(hostile())
    assert all(
        row["label"] == "odd" and row["detail"] and row["size_bytes"] is not None for row in quarantined
    )


def test_features_are_in_order_with_label_hash_and_provenance(plan: Plan, reports: list[StepReport]) -> None:
    parts = sorted(folder_of(plan, plan.layout.features).glob("*.parquet"))
    rows = [row for part in parts for row in pq.read_table(part).to_pylist()]
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    for row in rows:
        path = Path(row["path"].removeprefix("file://"))
        assert row["label"] == path.parent.name
        assert row["content_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert len(row["features"]) == FEATURE_DIM
    metadata = pq.read_schema(parts[0]).metadata
    assert metadata[b"fruits.weights_sha256"].decode() == plan.model.weights_sha256
    assert metadata[b"fruits.run_id"].decode() == plan.run_id


def test_the_manifest_lists_every_part_with_its_hash(plan: Plan, reports: list[StepReport]) -> None:
    layout = plan.layout
    for prefix in (layout.features, layout.quarantine, layout.pca, layout.csv):
        folder = folder_of(plan, prefix)
        assert (folder / "_SUCCESS").exists()
        manifest = DatasetManifest.from_json((folder / "_manifest.json").read_bytes())
        assert {part.name: part.sha256 for part in manifest.parts} == {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("part-*")
        }
        assert manifest.provenance.weights == plan.model.weights
        assert {"numpy", "pillow", "pyspark"} <= set(manifest.provenance.versions)


def test_spark_reads_what_was_published(spark: SparkSession, plan: Plan, reports: list[StepReport]) -> None:
    for prefix, column in ((plan.layout.features, "features"), (plan.layout.pca, "pca")):
        frame = spark.read.parquet(str(folder_of(plan, prefix)))
        assert frame.count() == reports[0].images_featurized
        assert dict(frame.dtypes)[column] == "array<float>"


def test_scores_agree_in_parquet_csv_and_saved_model(plan: Plan, reports: list[StepReport]) -> None:
    features = pq.read_table(folder_of(plan, plan.layout.features))
    scores = pq.read_table(folder_of(plan, plan.layout.pca))
    with np.load(folder_of(plan, plan.layout.pca_model) / "model.npz") as model:
        expected = ((feature_matrix(features) - model["mean"]) / model["scale"]) @ model["components"].T
        assert reports[1].explained_variance == pytest.approx(model["explained_variance_ratio"].sum())
    assert scores.column("path") == features.column("path")
    assert np.allclose(np.array(scores.column("pca").to_pylist()), expected, atol=1e-5)

    rows = []
    for part in sorted(folder_of(plan, plan.layout.csv).glob("*.csv")):
        with part.open(newline="") as file:
            rows += list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", *(f"pc_0{n}" for n in range(1, 8))]
    assert [row["path"] for row in rows] == scores.column("path").to_pylist()
    written = [[float(row[f"pc_0{n}"]) for n in range(1, 8)] for row in rows]
    assert np.allclose(written, expected, atol=1e-5)


def test_a_rerun_writes_the_same_bytes(spark: SparkSession, plan: Plan, reports: list[StepReport]) -> None:
    root = folder_of(plan, "")
    before = snapshot(root)
    run(spark, plan, "featurize", "pca")
    assert snapshot(root) == before


def test_progress_ends_with_all_images_done(plan: Plan, reports: list[StepReport]) -> None:
    progress = Progress.from_json(folder_of(plan, plan.layout.progress).read_text())
    assert progress.images_done == progress.images_total == reports[0].images_featurized
    for report in reports:
        assert list(report.seconds) == [*STEP_PHASES[report.step], "total"]


def test_the_metrics_hold_what_both_steps_measured(plan: Plan, reports: list[StepReport]) -> None:
    metrics = RunMetrics.from_json(folder_of(plan, plan.layout.metrics).read_text())
    assert (metrics.dataset, metrics.images_in) == (plan.dataset, reports[0].images_in)
    assert set(metrics.seconds) == {"featurize", "pca"}
    assert metrics.explained_variance == reports[1].explained_variance
    measured = reports[0].featurize
    assert measured is not None
    assert measured.images_computed == reports[0].images_in
    assert set(measured.task_seconds) == {"decode", "fetch", "infer", "write"}
    assert measured.images_per_second > 0
    assert [shard.seconds for shard in measured.slowest_shards] == sorted(
        (shard.seconds for shard in measured.slowest_shards), reverse=True
    )


def test_the_report_that_is_written_is_the_one_returned(plan: Plan, reports: list[StepReport]) -> None:
    written = StepReport.from_json(folder_of(plan, plan.layout.step_report("featurize")).read_text())
    # The step ran again since, and took other times.
    assert dataclasses.replace(written, seconds={}, featurize=None) == dataclasses.replace(
        reports[0], seconds={}, featurize=None
    )


def test_pca_refuses_features_without_a_success_marker(
    spark: SparkSession, make_plan: PlanFactory, mixed_images: Path, tmp_path: Path
) -> None:
    [report] = run(spark, make_plan(tmp_path, mixed_images), "pca")
    assert not report.succeeded
    assert report.error is not None
    assert "_SUCCESS" in report.error.message


def test_a_changed_part_is_noticed(spark: SparkSession, make_plan: PlanFactory, tmp_path: Path) -> None:
    write_class_folders(tmp_path / "images", classes=1, images=3)
    plan = make_plan(tmp_path / "root", tmp_path / "images")
    run(spark, plan, "featurize")
    (folder_of(plan, plan.layout.features) / "part-00000.parquet").write_bytes(b"tampered")
    [report] = run(spark, plan, "pca")
    assert report.error is not None
    assert report.error.kind == "data"
    assert "part-00000.parquet" in report.error.message


def test_few_images_get_the_components_that_exist_and_a_note(
    spark: SparkSession, make_plan: PlanFactory, tmp_path: Path
) -> None:
    write_class_folders(tmp_path / "images", classes=2, images=2)
    plan = make_plan(
        tmp_path / "root",
        tmp_path / "images",
        pca=PcaSpec(50, None, True),
        csv=False,
        label=LabelRule("none"),
    )
    featurized, scored = run(spark, plan, "featurize", "pca")
    assert featurized.succeeded
    assert scored.pca_components == 3
    assert scored.notes == ("pca.components: 50 were asked for; only 3 exist in 4 images",)
    assert scored.explained_variance == pytest.approx(1.0)
    assert not folder_of(plan, plan.layout.csv).exists()


def test_a_named_image_that_is_not_there_is_quarantined(
    spark: SparkSession, make_plan: PlanFactory, mixed_images: Path, tmp_path: Path
) -> None:
    source = Source(f"file://{mixed_images}", keys=("class_0/0.jpg", "class_0/gone.jpg"))
    [report] = run(spark, make_plan(tmp_path, mixed_images, sources=(source,)), "featurize")
    assert (report.images_featurized, report.quarantine_reasons) == (1, {"missing": 1})


def test_only_bad_images_fail_the_step_and_are_explained_in_quarantine(
    spark: SparkSession, make_plan: PlanFactory, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").write_bytes(b"")
    plan = make_plan(tmp_path / "root", tmp_path / "images")
    [report] = run(spark, plan, "featurize")
    assert report.error is not None
    assert (report.error.kind, report.error.message) == (
        "data",
        "none of the images could be featurized (empty 1)",
    )
    assert (folder_of(plan, plan.layout.quarantine) / "_SUCCESS").exists()
    assert not (folder_of(plan, plan.layout.features) / "_SUCCESS").exists()


@pytest.mark.parametrize(("limit", "succeeds"), [(0.4, True), (0.39, False)])
def test_more_quarantined_images_than_the_limit_fail_the_step_and_name_the_worst_reasons(
    spark: SparkSession, make_plan: PlanFactory, tmp_path: Path, limit: float, succeeds: bool
) -> None:
    write_class_folders(tmp_path / "images", classes=1, images=3)
    (tmp_path / "images" / "empty.jpg").write_bytes(b"")
    (tmp_path / "images" / "text.jpg").write_bytes(b"no picture")
    plan = make_plan(tmp_path / "root", tmp_path / "images", max_quarantined_fraction=limit)
    [report] = run(spark, plan, "featurize")
    assert report.succeeded is succeeds
    assert (folder_of(plan, plan.layout.features) / "_SUCCESS").exists() is succeeds
    assert (folder_of(plan, plan.layout.quarantine) / "_SUCCESS").exists()
    assert (report.images_in, report.images_featurized, report.images_quarantined) == (5, 3, 2)
    assert report.quarantine_reasons == {"empty": 1, "unreadable_format": 1}
    if report.error is not None:
        assert report.error.kind == "data"
        assert report.error.message == (
            "2 of 5 images (40.0%) could not be featurized, more than "
            "limits.max_quarantined_fraction = 0.39 allows; the worst reasons: empty 1, unreadable_format 1"
        )


def test_no_image_fails_the_step_with_what_to_do(
    spark: SparkSession, make_plan: PlanFactory, tmp_path: Path
) -> None:
    plan = make_plan(tmp_path, tmp_path / "nothing")
    run(spark, plan, "featurize")
    report = json.loads(folder_of(plan, plan.layout.step_report("featurize")).read_text())
    assert report["succeeded"] is False
    assert report["error"]["kind"] == "user"
    assert "upload the images first" in report["error"]["remedy"]


def test_another_model_than_the_planned_one_is_refused(
    spark: SparkSession, make_plan: PlanFactory, mixed_images: Path, tmp_path: Path
) -> None:
    plan = make_plan(tmp_path, mixed_images)
    plan = dataclasses.replace(plan, model=dataclasses.replace(plan.model, sha256="0" * 64))
    [report] = run(spark, plan, "featurize")
    assert report.error is not None
    assert "the plan says 0000" in report.error.message


def test_a_worker_that_may_not_write_is_reported_in_a_line(
    spark: SparkSession, make_plan: PlanFactory, mixed_images: Path, tmp_path: Path
) -> None:
    plan = make_plan(tmp_path, mixed_images)
    blocked = folder_of(plan, plan.layout.quarantine)
    blocked.parent.parent.mkdir(parents=True)
    blocked.parent.write_text("a file where a folder should be")
    [report] = run(spark, plan, "featurize")
    assert report.error is not None
    assert report.error.kind == "aws"
    assert "could not write quarantine/" in report.error.message
    assert "\n" not in report.error.message


def test_the_run_time_limit_stops_the_step(
    spark: SparkSession, make_plan: PlanFactory, mixed_images: Path, tmp_path: Path
) -> None:
    [report] = run(spark, make_plan(tmp_path, mixed_images, max_runtime_minutes=0), "featurize")
    assert report.error is not None
    assert "limits.max_runtime_minutes = 0" in report.error.message


def test_workers_of_the_fast_engine_do_not_import_tensorflow(
    spark: SparkSession, reports: list[StepReport]
) -> None:
    def imported(_: object) -> list[str]:
        import sys

        return [
            name for name in ("tensorflow", "keras", "spark.features.reference_engine") if name in sys.modules
        ]

    assert spark.sparkContext.parallelize(range(2), 2).flatMap(imported).collect() == []


def test_images_of_any_size_share_one_model(
    spark: SparkSession, make_plan: PlanFactory, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").write_bytes(jpeg(1))
    for size in (128, 224):
        plan = make_plan(tmp_path / str(size), tmp_path / "images", image_size=size)
        [report] = run(spark, plan, "featurize")
        assert report.images_featurized == 1
