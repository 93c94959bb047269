"""The status that people and programs poll: composed of the ledger's row, the plan and the steps' reports."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lambdas.contract.plan import ManifestRef
from lambdas.contract.run import Change, ClusterPhases, RunState, Setback
from lambdas.contract.status import (
    Entered,
    Phases,
    QueuePlace,
    Status,
    Trouble,
    WorkbenchStatus,
    compose_status,
    sentences,
    timestamp,
)

from .test_plan import FEATURIZE, PCA, PLAN, WORKBENCH
from .test_run import RECORD

NOW = "2026-01-02T03:04:05+00:00"
PLACE = QueuePlace(2, "As many clusters are running as the stack allows.")


def test_everything_that_is_known_is_said() -> None:
    record = dataclasses.replace(
        RECORD,
        state=RunState.FAILED,
        attempt=2,
        history=(Change(RunState.LAUNCHED, 60.0, "j-1"), Change(RunState.FAILED, 120.0)),
        reason="INSTANCE_FLEET_TIMEOUT",
        kind="capacity",
        message="what happened",
        remedy="what to do",
        cluster_id="j-1",
        phases=ClusterPhases(60.0, 61.0, None, 63.0),
        instance_hours=1.5,
        actual_eur=0.4,
    )
    failed = dataclasses.replace(PCA, succeeded=False, images_featurized=None)
    assert compose_status(record, PLAN, iter([FEATURIZE, failed]), NOW, PLACE) == Status(
        run_id="d-1",
        dataset="d",
        state=RunState.FAILED,
        history=(
            Entered(RunState.LAUNCHED, "1970-01-01T00:01:00+00:00", "j-1"),
            Entered(RunState.FAILED, "1970-01-01T00:02:00+00:00", None),
        ),
        attempt=2,
        attempts_allowed=3,
        queue_position=None,
        waits_for=None,
        reason="INSTANCE_FLEET_TIMEOUT",
        kind="capacity",
        message="what happened",
        remedy="what to do",
        manifest=ManifestRef("bkt", "manifests/a.json", "v1"),
        cluster_id="j-1",
        cluster_phases=Phases(
            "1970-01-01T00:01:00+00:00", "1970-01-01T00:01:01+00:00", None, "1970-01-01T00:01:03+00:00"
        ),
        logs="s3://bkt/logs/j-1/",
        engine="fast",
        weights="imagenet",
        weights_sha256="b",
        model_sha256="a",
        images_in=3,
        images_featurized=2,
        images_quarantined=1,
        quarantine_reasons={"corrupt": 1},
        images_skipped={"junk": 2},
        suffixes_skipped={".webp": 500},
        notes=("500 objects were left out.",),
        feature_dim=1280,
        pca_components=None,
        explained_variance=0.75,
        estimated_minutes=10.0,
        estimated_eur=0.2,
        instance_hours=1.5,
        actual_eur=0.4,
        prices_as_of="2025-06",
        seconds={"featurize.list": 0.5, "featurize.total": 3.0, "pca.fit": 1.0},
        outputs=("s3://bkt/Results/d/d-1/",),
        updated_at=NOW,
    )


def test_what_is_not_known_yet_is_none_or_empty() -> None:
    status = compose_status(RECORD, None, [], NOW)
    empty = {
        **{name: {} for name in ("quarantine_reasons", "images_skipped", "suffixes_skipped", "seconds")},
        **dict.fromkeys(("history", "notes", "outputs"), ()),
    }
    known = {"run_id", "dataset", "state", "attempt", "attempts_allowed", "manifest", "updated_at", "version"}
    assert all(
        getattr(status, field.name) == empty.get(field.name)
        for field in dataclasses.fields(Status)
        if field.name not in known
    )
    assert (status.attempt, status.attempts_allowed) == (1, 3)


def test_why_a_run_is_left_alone_is_said_until_it_is_over() -> None:
    record = dataclasses.replace(RECORD, setback=Setback(3, "why", 60.0, lasting=True))
    assert compose_status(record, None, (), NOW).trouble == Trouble(3, "why", "1970-01-01T00:01:00+00:00")
    assert compose_status(dataclasses.replace(record, closed=True), None, (), NOW).trouble is None


def test_a_plan_without_an_estimate_is_shown_without_one() -> None:
    status = compose_status(RECORD, dataclasses.replace(PLAN, estimate=None), [], NOW)
    assert (status.engine, status.estimated_eur, status.estimated_minutes) == ("fast", None, None)
    assert status.prices_as_of is None


@pytest.mark.parametrize("state", RunState)
def test_only_a_queued_run_has_a_place_in_the_queue(state: RunState) -> None:
    status = compose_status(dataclasses.replace(RECORD, state=state), None, (), NOW, PLACE)
    queued = state is RunState.QUEUED
    assert status.queue_position == (2 if queued else None)
    assert status.waits_for == (PLACE.waits_for if queued else None)


def test_a_later_reports_figure_goes_before_an_earlier_ones() -> None:
    later = dataclasses.replace(PCA, images_in=4, images_featurized=0)
    status = compose_status(RECORD, None, [FEATURIZE, later], NOW)
    assert (status.images_in, status.images_featurized, status.images_quarantined) == (4, 0, 1)


def test_the_first_report_that_quarantined_something_says_why() -> None:
    first = dataclasses.replace(FEATURIZE, quarantine_reasons={})
    second = dataclasses.replace(FEATURIZE, quarantine_reasons={"empty": 2})
    reasons = compose_status(RECORD, None, [first, second, FEATURIZE], NOW).quarantine_reasons
    assert reasons == {"empty": 2}


def test_a_run_has_no_fewer_attempts_allowed_than_it_had() -> None:
    record = dataclasses.replace(RECORD, attempt=2, reason="STEP_FAILURE", kind="data")
    assert compose_status(record, None, [], NOW).attempts_allowed == 2


def test_what_a_step_failed_of_is_not_tried_again_though_the_same_kind_of_fault_might_pass() -> None:
    allowed = [
        compose_status(dataclasses.replace(RECORD, reason=reason, kind="aws"), None, [], NOW).attempts_allowed
        for reason in ("STEP_FAILURE", "INTERNAL_ERROR")
    ]
    assert allowed == [1, 2]


def test_a_workbench_ends_when_what_earlier_clusters_left_of_its_hours_is_over() -> None:
    first, again = Change(RunState.LAUNCHED, 60.0, "j-1"), Change(RunState.LAUNCHED, 7200.0, "j-2")
    record = dataclasses.replace(
        RECORD,
        state=RunState.RUNNING,
        history=(first, Change(RunState.QUEUED, 3660.0), again, Change(RunState.RUNNING, 7800.0)),
        earlier_seconds=3600.0,
    )
    opened = WorkbenchStatus("d", "https://door.example.org:9443/", 60, "1970-01-01T03:00:00+00:00")
    assert compose_status(record, WORKBENCH, (), NOW).workbench == opened
    for state in set(RunState) - {RunState.LAUNCHED, RunState.RUNNING}:
        without = compose_status(dataclasses.replace(record, state=state), WORKBENCH, (), NOW).workbench
        assert without == dataclasses.replace(opened, ends_at=None)
    assert compose_status(record, PLAN, (), NOW).workbench is None


def test_what_the_launcher_saw_is_noted_until_a_step_has_listed_the_images_itself() -> None:
    plan = dataclasses.replace(PLAN, notes=("It was counted.", "Nothing else."))
    noted = dataclasses.replace(PCA, notes=("It was fitted.", "Nothing else."))
    assert compose_status(RECORD, plan, (), NOW).notes == plan.notes
    assert compose_status(RECORD, plan, [noted], NOW).notes == (*plan.notes, "It was fitted.")
    assert compose_status(RECORD, plan, [FEATURIZE, noted], NOW).notes == (*FEATURIZE.notes, *noted.notes)


def test_a_status_is_written_as_indented_json_in_the_documented_order() -> None:
    text = compose_status(RECORD, PLAN, [FEATURIZE], NOW).to_json()
    assert text.startswith('{\n  "run_id": "d-1",\n  "dataset": "d",\n  "state": "QUEUED",\n')
    assert text.endswith("}\n")
    assert list(json.loads(text)) == [field.name for field in dataclasses.fields(Status)]


def test_times_are_utc_to_the_second() -> None:
    assert timestamp(1_767_355_200.9) == "2026-01-02T12:00:00+00:00"


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        (("It failed",), "It failed."),
        (("It failed", None, ""), "It failed."),
        (
            ("It failed.", "raise the limit", "Or ask!", "why not?"),
            "It failed. Raise the limit. Or ask! Why not?",
        ),
        (("as it is", "eMR"), "as it is. EMR."),
    ],
)
def test_sentences_follow_each_other_whether_they_are_kept_as_such_or_not(
    texts: tuple[str, ...], joined: str
) -> None:
    assert sentences(*texts) == joined
