"""What people are told of an upload and of a run that waits or ended, and what is measured of its end."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from lambdas.contract.run import Change, RunRecord, RunState
from lambdas.contract.status import compose_status
from lambdas.runs.cluster_port import LaunchRefusedError
from lambdas.runs.notification import body, subject
from lambdas.runs.run_metrics import of_ended_run, seconds_to_cluster
from lambdas.runs.tracking import Ignored
from tests.contract.test_plan import FEATURIZE, PCA, PLAN

from .test_outcome import RECORD
from .world import World, manifest

DONE = dataclasses.replace(
    RECORD,
    state=RunState.COMPLETED,
    message="All steps completed.",
    instance_hours=1.5,
    actual_eur=0.375,
    accepted_at=1000.0,
    history=(
        Change(RunState.LAUNCHED, 1010.0, "j-0"),
        Change(RunState.RUNNING, 1240.0),
        Change(RunState.QUEUED, 1300.0),
        Change(RunState.RUNNING, 1500.0),
        Change(RunState.COMPLETED, 1600.0),
    ),
)
REPORTS = (FEATURIZE, dataclasses.replace(PCA, pca_components=50, error=None))
STATUS = compose_status(DONE, PLAN, REPORTS, "now")
FAILED = dataclasses.replace(
    DONE, state=RunState.FAILED, message="what happened", remedy="what to do", actual_eur=None
)


def test_a_completed_run_says_what_it_made_what_it_cost_and_where_all_is() -> None:
    assert subject(STATUS) == "COMPLETED: d-1"
    assert body(STATUS) == (
        "Run d-1 of dataset d: COMPLETED.\n"
        "\n"
        "Images: 3 in, 2 with features, 1 in quarantine.\n"
        "PCA: 50 components hold 75.0% of the variance.\n"
        "Cost: about 0.38 EUR for 1.50 instance hours, by list prices of 2025-06, not a bill; "
        "0.20 EUR were expected.\n"
        "Results: s3://bkt/Results/d/d-1/\n"
        "Results: s3://bkt/Results/d/d-1/\n"
        "Logs: s3://bkt/logs/j-1/\n"
        "Manifest: s3://bkt/manifests/a.json\n"
    )


def test_a_run_that_failed_says_why_and_what_to_do_and_nothing_that_is_not_known() -> None:
    nothing = compose_status(dataclasses.replace(FAILED, cluster_id=None), PLAN, [], "now")
    assert subject(nothing) == "FAILED: d-1"
    assert body(nothing) == (
        "Run d-1 of dataset d: FAILED.\n"
        "\n"
        "What happened: what happened\n"
        "What to do: what to do\n"
        "Manifest: s3://bkt/manifests/a.json\n"
    )


def test_a_subject_is_no_longer_than_sns_takes() -> None:
    long = dataclasses.replace(STATUS, run_id="d" * 200)
    assert subject(long) == f"COMPLETED: {'d' * 89}"


def measured(record: object = DONE, status: object = STATUS, reports: object = REPORTS) -> dict[str, float]:
    samples = of_ended_run(record, status, reports)
    for sample in samples:
        assert (sample.dimensions["dataset"], sample.dimensions["engine"]) == ("d", "fast")
    found = {
        ".".join([sample.metric.name, *list(sample.dimensions.values())[2:]]): sample.value
        for sample in samples
    }
    assert len(found) == len(samples)
    return found


def test_a_completed_run_is_measured_by_all_that_is_known_of_it() -> None:
    assert measured() == {
        "Runs.COMPLETED": 1,
        "TimeToClusterSeconds": 240.0,
        "EstimatedEur": 0.2,
        "ActualEur": 0.375,
        "ImagesFeaturized": 2,
        "ImagesQuarantined.corrupt": 1,
        "ImagesPerSecond": 12.5,
        "StoreRetries": 4,
        "PhaseSeconds.list": 0.5,
        "PhaseSeconds.fetch": 1.0,
    }


@pytest.mark.parametrize(("kind", "counted"), [("data", "data"), (None, "ours")])
def test_a_failure_is_counted_by_whose_move_it_is(kind: str | None, counted: str) -> None:
    record = dataclasses.replace(FAILED, kind=kind, history=())
    status = compose_status(record, dataclasses.replace(PLAN, estimate=None), [], "now")
    assert measured(record, status, []) == {"Runs.FAILED": 1, f"Failures.{counted}": 1}


def test_zeros_are_measured_and_what_is_not_known_is_not() -> None:
    free = dataclasses.replace(STATUS, actual_eur=0.0, images_featurized=0, estimated_eur=None)
    found = measured(status=free)
    assert (found["ActualEur"], found["ImagesFeaturized"]) == (0.0, 0)
    assert "EstimatedEur" not in found


def test_a_report_without_measurements_hides_none_that_has_them() -> None:
    assert measured(reports=tuple(reversed(REPORTS))) == measured()
    assert FEATURIZE.featurize
    resumed = dataclasses.replace(FEATURIZE.featurize, images_computed=0, images_per_second=0.0)
    found = measured(reports=(dataclasses.replace(FEATURIZE, featurize=resumed),))
    assert "ImagesPerSecond" not in found
    assert found["StoreRetries"] == 4


def test_a_run_without_a_plan_has_an_unknown_engine() -> None:
    (sample, *_) = of_ended_run(DONE, compose_status(DONE, None, [], "now"), [])
    assert sample.dimensions == {"dataset": "d", "engine": "unknown", "state": "COMPLETED"}


def test_the_time_to_a_cluster_ends_with_the_first_step_that_began() -> None:
    assert seconds_to_cluster(DONE) == 240.0
    assert seconds_to_cluster(dataclasses.replace(DONE, history=DONE.history[:1])) is None


def test_a_rejection_holds_the_version_the_time_every_fault_and_the_schema(world: World) -> None:
    result = world.launched(engine="fst", dataset=7)
    assert (result.outcome, result.dataset, result.engine, result.run_id) == (
        "rejected", "unknown", "unknown", None,
    )  # fmt: skip
    assert result.detail == "2 faults; the first: $.dataset is 7; it must be a text in double quotes"
    text = world.objects.text("manifests-rejected/fruits.json")
    assert text.startswith('{\n  "manifest": {\n')
    assert text.endswith("\n}\n")
    (first, second) = world.rejection().pop("faults")
    assert (first["path"], second["path"], second["nearest"]) == ("$.dataset", "$.engine", "fast")
    assert {name: value for name, value in world.rejection().items() if name != "faults"} == {
        "manifest": {"bucket": "data-bucket", "key": "manifests/fruits.json", "version_id": "v1"},
        "sequencer": f"00{1:014X}" + 16 * "0",
        "rejected_at": "1970-01-12T13:46:40+00:00",
        "notes": [],
        "schema": "lambdas/contract/manifest/manifest.schema.json, version 1",
    }


def test_a_rejection_for_what_only_the_stack_knows_names_the_dataset(world: World) -> None:
    result = world.launched(images={"prefixes": ["s3://data-bucket/images/none/"]})
    assert (result.outcome, result.dataset) == ("rejected", "fruits")
    assert result.detail.startswith(
        "1 faults; the first: $.images.prefixes[0] is s3://data-bucket/images/none/"
    )


def test_a_late_rejection_or_acceptance_does_not_undo_a_newer_rejection(world: World) -> None:
    older, middle, newer = (world.upload(body, version) for body, version in (
        (manifest(), "v1"), (b"[", "v2"), (b"{", "v3"),
    ))  # fmt: skip
    world.launch(newer)
    told = world.objects.text("manifests-rejected/fruits.json")
    world.launch(middle)
    world.launch(older)
    assert world.objects.text("manifests-rejected/fruits.json") == told
    world.launch(world.upload(manifest(), "v4"))
    assert "manifests-rejected/fruits.json" not in world.objects.names()


def test_every_answer_to_an_upload_is_a_sentence(world: World) -> None:
    upload = world.upload(manifest(engine="reference"))
    first, again = world.launch(upload), world.launch(upload)
    assert (first.outcome, first.detail) == ("launched", "dispatched: launched")
    assert (first.dataset, first.engine, first.others) == ("fruits", "reference", {})
    assert (again.outcome, again.detail) == ("duplicate", "the run is LAUNCHED already")
    assert (again.dataset, again.engine, again.run_id) == ("fruits", "reference", first.run_id)
    world.configure(max_clusters="1")
    waits = world.launch(world.upload(manifest(), "v2"))
    assert (waits.outcome, waits.detail) == (
        "queued", "As many clusters are running as the stack allows at once (fruits:maxClusters).",
    )  # fmt: skip
    gone = world.launch(dataclasses.replace(upload, version_id="gone"))
    assert (gone.outcome, gone.detail) == ("ignored", "manifests/fruits.json version gone is deleted since")


def test_those_who_waited_and_had_their_turn_first_are_told_of(world: World) -> None:
    world.configure(max_clusters="0")
    first = world.launch(world.upload(manifest(), key="manifests/first.json"))
    world.configure(max_clusters="2")
    world.time += 1
    second = world.launch(world.upload(manifest(), key="manifests/second.json"))
    assert second.others == {first.run_id: "launched"}


def test_a_run_that_the_days_budget_never_allows_is_told_so(world: World) -> None:
    world.configure(max_eur_per_day="1.5")
    world.launched()
    assert world.rejection()["faults"] == [
        {
            "path": "$.limits.max_runtime_minutes",
            # 3 x 0.95 x (0.230 x 0.94 + 0.048) EUR an hour for 126 minutes
            "problem": "lets the run cost up to 1.58 EUR, and this stack may spend 1.50 EUR a day, so its "
            "turn would never come",
            "remedy": "Lower it, cluster.workers or the instance size, or raise fruits:maxEurPerDay of the "
            "stack.",
            "nearest": None,
        }
    ]
    world.configure(max_eur_per_day="1.58")
    assert world.launch(world.upload(manifest(), "v2")).outcome == "launched"


def said(world: World, run_id: str | None) -> dict[str, Any]:
    status = json.loads(world.objects.text(f"runs/{run_id}/status.json"))
    return {name: status[name] for name in ("state", "reason", "message", "remedy", "kind")}


def test_a_run_that_a_newer_version_replaces_says_so(world: World) -> None:
    world.configure(max_clusters="0")
    world.launch(world.upload(manifest(), key="manifests/other.json"))
    world.time += 1
    older = world.launch(world.upload(manifest(), "v1"))
    world.launch(world.upload(manifest(), "v2"))
    assert said(world, older.run_id) == {
        "state": "CANCELLED",
        "reason": "SUPERSEDED",
        "message": "A newer version of the manifest was uploaded before this one's turn came.",
        "remedy": "Look at the newer version's run.",
        "kind": "user",
    }


def test_a_run_that_emr_refuses_says_what_emr_said(world: World) -> None:
    world.clusters.error = LaunchRefusedError("ValidationException", "Invalid InstanceProfile: nodes.")
    refused = world.launched()
    assert said(world, refused.run_id) == {
        "state": "FAILED",
        "reason": "ValidationException",
        "message": "EMR refused to create the cluster: Invalid InstanceProfile: nodes.",
        "remedy": "Check cluster.instance_types and the stack's configuration (roles, subnets, release); "
        "then upload the manifest again.",
        "kind": "config",
    }


def test_an_event_that_changes_nothing_says_why(world: World) -> None:
    cluster_id = world.launched_cluster()
    name, run = world.clusters.clusters[cluster_id].name, world.record().run_id

    def detail(of: str) -> str:
        ignored = world.tracker.track(of)
        assert isinstance(ignored, Ignored)
        return ignored.detail

    assert detail(cluster_id) == f"nothing new of run {run}, which is LAUNCHED"
    for other, tags in (("j-untagged", {}), ("j-unknown", {"fruits:run_id": "unknown"})):
        world.clusters.clusters[other] = dataclasses.replace(
            world.clusters.clusters[cluster_id], cluster_id=other, tags=tags
        )
        assert detail(other) == f"cluster {other} ({name}) is of no run in the ledger"
    world.clusters.clusters["j-second"] = dataclasses.replace(
        world.clusters.clusters[cluster_id], cluster_id="j-second"
    )
    assert detail("j-second") == f"cluster j-second ({name}) is not the one of run {run}"


def test_the_record_of_an_accepted_run_is_what_its_manifest_and_event_say(world: World) -> None:
    world.configure(max_clusters="0")
    world.launched(when_deleted="stop", limits={"max_runtime_minutes": 30, "max_cost_eur": 4})
    record = world.record()
    assert dataclasses.asdict(record) == dataclasses.asdict(
        RunRecord(
            run_id=record.run_id,
            dataset="fruits",
            state=RunState.QUEUED,
            manifest_bucket="data-bucket",
            manifest_key="manifests/fruits.json",
            manifest_version_id="v1",
            sequencer=f"00{1:014X}" + 16 * "0",
            accepted_at=1_000_000.0,
            max_runtime_minutes=30,
            worst_case_eur=0.45,  # 0.752 EUR an hour for 36 minutes
            stop_when_deleted=True,
            history=(Change(RunState.QUEUED, 1_000_000.0),),
        )
    )
