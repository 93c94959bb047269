"""Plans, reports and settings are read back as they were written, or the field at fault is named."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from lambdas.contract.cost.estimate import Estimate
from lambdas.contract.documents import UnreadableError
from lambdas.contract.metrics import METRICS, RUNS, Sample
from lambdas.contract.model_package import ModelPackage
from lambdas.contract.plan import (
    ClusterSpec,
    LabelRule,
    ManifestRef,
    ModelArtifact,
    PcaSpec,
    Plan,
    Source,
    WorkbenchPlan,
    WorkbenchSpec,
    plan_from_json,
)
from lambdas.contract.report import (
    FeaturizeMetrics,
    Progress,
    RunMetrics,
    ShardSeconds,
    StepError,
    StepReport,
)

PLAN = Plan(
    version=1,
    run_id="d-1",
    dataset="d",
    manifest=ManifestRef("bkt", "manifests/d.json", "v1"),
    submitted_at="2026-01-02T03:04:05+00:00",
    root="s3://bkt",
    sources=(Source("s3://bkt/images/"), Source("s3://other/", ("a.jpg", "b.jpg"))),
    suffixes=(".jpg",),
    label=LabelRule("regex", "(a)"),
    images_listed=3,
    shard_images=2,
    engine="fast",
    image_size=224,
    model=ModelArtifact("mobilenet_v2", "s3://bkt/m", "a", "imagenet", "s3://bkt/w", "b"),
    pca=PcaSpec(None, 0.9, standardize=True),
    csv=True,
    notify=False,
    max_runtime_minutes=120,
    max_quarantined_fraction=0.05,
    estimate=Estimate("eu-west-1", 10.0, 0.2, 1.6, "2025-06"),
)
WORKBENCH = WorkbenchPlan(
    version=1,
    run_id="workbench.explore-1",
    dataset="explore",
    manifest=ManifestRef("bkt", "manifests/w.json", "v1"),
    submitted_at="2026-01-02T03:04:05+00:00",
    root="s3://bkt",
    notify=False,
    max_runtime_minutes=240,
    estimate=Estimate("eu-west-1", 240.0, 3.0, 3.1, "2025-06", "all of its hours"),
    cluster=ClusterSpec(2, ("m5.xlarge",), "on_demand"),
    workbench=WorkbenchSpec(60, "door.example.org", "fruits", "fruits-1"),
)
MEASURED = FeaturizeMetrics(2, 1, 0, 12.5, 1, {"fetch": 1.0}, 4, (ShardSeconds("part-00000", 3, 0.2),))
FEATURIZE = StepReport(
    "featurize",
    "d-1",
    True,
    "fast",
    "imagenet",
    "b",
    "a",
    {"list": 0.5, "total": 3.0},
    outputs=("Results/d/d-1/",),
    images_in=3,
    images_featurized=2,
    images_quarantined=1,
    quarantine_reasons={"corrupt": 1},
    images_skipped={"junk": 2},
    suffixes_skipped={".webp": 500},
    notes=("500 objects were left out.",),
    feature_dim=1280,
    featurize=MEASURED,
)
PCA = dataclasses.replace(
    FEATURIZE,
    step="pca",
    seconds={"fit": 1.0},
    images_in=None,
    explained_variance=0.75,
    featurize=None,
    error=StepError("data", "m", "r"),
)
METRICS_OF_RUN = RunMetrics(
    run_id="d-1",
    dataset="d",
    engine="fast",
    images_in=3,
    images_featurized=2,
    images_quarantined=1,
    quarantine_reasons={"corrupt": 1},
    featurize=MEASURED,
    explained_variance=0.75,
    seconds={"featurize": {"list": 0.5, "total": 3.0}, "pca": {"fit": 1.0}},
)
PROGRESS = Progress(
    "d-1", "featurize", "infer", 1, 3, 0, 2.5, 9.0, {"fetch": 1.0}, 1, MEASURED.slowest_shards
)
PACKAGE = ModelPackage("mobilenet_v2", "m.tflite", "a", "imagenet", "w.h5", "b")


@pytest.mark.parametrize(
    "value",
    [PLAN, WORKBENCH, FEATURIZE, PCA, METRICS_OF_RUN, PROGRESS, PACKAGE],
    ids=lambda value: type(value).__name__,
)
def test_what_is_written_reads_back_equal_from_text_and_bytes(value: Any) -> None:
    text = value.to_json()
    assert text.endswith("}\n")
    assert type(value).from_json(text) == value
    assert type(value).from_json(text.encode()) == value
    assert json.loads(text) == json.loads(json.dumps(dataclasses.asdict(value)))


@pytest.mark.parametrize("value", [PLAN, FEATURIZE, METRICS_OF_RUN, PACKAGE], ids=lambda v: type(v).__name__)
def test_what_people_open_is_indented_and_sorted(value: Any) -> None:
    first, second, *_ = value.to_json().splitlines()
    assert (first, second[:3]) == ("{", '  "')
    keys = list(json.loads(value.to_json()))
    assert keys == sorted(keys)


def test_a_plan_of_either_kind_is_told_by_what_is_in_it() -> None:
    assert plan_from_json(PLAN.to_json()) == PLAN
    assert plan_from_json(WORKBENCH.to_json().encode()) == WORKBENCH
    with pytest.raises(UnreadableError, match=r"^WorkbenchSpec lacks address, idle_minutes$"):
        plan_from_json(json.dumps({**json.loads(WORKBENCH.to_json()), "workbench": {}}))
    with pytest.raises(UnreadableError, match=r"^Plan is not JSON: "):
        plan_from_json("{")


def test_progress_is_one_line_that_is_written_often() -> None:
    assert PROGRESS.to_json().count("\n") == 1


def test_a_plan_says_where_its_run_writes() -> None:
    assert PLAN.layout.plan == "runs/d-1/plan.json"
    assert PLAN.layout.features == "Results/d/d-1/"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", r"^Plan is not a JSON object but \[\]$"),
        ("{", "^Plan is not JSON: "),
        ("[" * 100_000, "^Plan is not JSON: "),
        ('{"version": "1"}', '^Plan has no version but "1"$'),
        ('{"version": 0}', "^Plan has no version but 0$"),
        ('{"version": true}', "^Plan has no version but true$"),
    ],
)
def test_what_is_no_plan_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UnreadableError, match=problem):
        Plan.from_json(text)


def changed(path: str, value: Any = None) -> str:
    """The plan's JSON with one field set, or (None) left out."""
    document = json.loads(PLAN.to_json())
    *parents, name = path.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[name]
    else:
        place[name] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (changed("root"), "^Plan lacks root$"),
        (changed("manifest.key"), "^ManifestRef lacks key$"),
        (changed("sources", [{}]), "^Source lacks uri$"),
        (changed("pca", {}), "^PcaSpec lacks components, standardize, variance$"),
        (changed("pca", "none"), '^PcaSpec is not a JSON object but "none"$'),
        (changed("suffixes", ".jpg"), '^Plan.suffixes cannot be ".jpg"$'),
        (changed("suffixes", [1]), "^Plan.suffixes cannot be 1$"),
        (changed("csv", 1), "^Plan.csv cannot be 1$"),
        (changed("image_size", True), "^Plan.image_size cannot be true$"),
        (changed("image_size", 22.4), "^Plan.image_size cannot be 22.4$"),
        (changed("engine", "turbo"), '^Plan.engine cannot be "turbo"$'),
        (changed("pca.components", "8"), '^PcaSpec.components cannot be "8"$'),  # a number or null
        (changed("csv", "d" * 99), r'^Plan.csv cannot be "d{39}\.\.\.$'),
    ],
)
def test_a_field_that_is_missing_or_of_another_type_is_named(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Plan.from_json(text)


def test_a_field_that_has_a_default_may_be_missing() -> None:
    assert Plan.from_json(changed("estimate")).estimate is None
    assert StepReport.from_json(json.dumps({**vars_of(PCA), "error": None})).error is None
    short = {name: value for name, value in vars_of(PCA).items() if name != "quarantine_reasons"}
    assert StepReport.from_json(json.dumps(short)).quarantine_reasons == {}


def vars_of(report: StepReport) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(report.to_json())
    return document


def test_a_runs_metrics_are_the_first_steps_counts_and_the_last_ones_variance() -> None:
    assert RunMetrics.of("d", [FEATURIZE, PCA]) == METRICS_OF_RUN
    assert RunMetrics.of("d", [FEATURIZE]).explained_variance is None


def test_a_sample_of_other_dimensions_is_refused_with_both() -> None:
    with pytest.raises(ValueError, match=r"^Runs has the dimensions dataset, engine, state, not dataset, x$"):
        Sample(RUNS, 1, {"dataset": "d", "x": "y"})
    assert all(metric.schema == ("stack", *metric.dimensions) for metric in METRICS)
