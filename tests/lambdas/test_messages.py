"""What people are told when a run has ended, and what is measured of it then."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.run import Change, RunState
from lambdas.contract.status import compose_status
from lambdas.runs.notification import body, subject
from lambdas.runs.run_metrics import of_ended_run, seconds_to_cluster
from tests.contract.test_plan import FEATURIZE, PCA, PLAN

from .test_outcome import RECORD

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
    samples = of_ended_run(record, status, reports)  # type: ignore[arg-type]
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
