"""How a run ends that was stopped or cancelled, or found no machines."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.report import StepReport
from lambdas.contract.run import RunState
from lambdas.runs.cluster_port import ClusterSnapshot, ClusterState, StepState
from lambdas.runs.outcome import advance, decide

from .test_outcome import (
    BROKEN,
    BY_REQUEST,
    EMR_FAILED,
    FEATURIZED,
    NO_CAPACITY,
    RECORD,
    REDUCED,
    USED,
    cluster,
    ended,
)

STOPPING = dataclasses.replace(
    RECORD, stopping=RunState.FAILED, reason="MAX_RUNTIME", message="too long", remedy="raise it", kind="user"
)


def test_a_cluster_that_we_stopped_ends_as_the_record_says() -> None:
    end = advance(STOPPING, BY_REQUEST, [], USED, 1700.0)
    assert (end.state, end.reason, end.message, end.remedy, end.kind) == (
        RunState.FAILED, "MAX_RUNTIME", "too long", "raise it", "user",
    )  # fmt: skip
    silent = dataclasses.replace(STOPPING, message=None)
    assert advance(silent, BY_REQUEST, [], USED, 1700.0).message == ""


def test_a_stop_without_a_reason_is_the_request_that_emr_saw() -> None:
    for record in (
        dataclasses.replace(STOPPING, reason=None),
        dataclasses.replace(STOPPING, stopping=None),
    ):
        end = advance(record, BY_REQUEST, [], USED, 1700.0)
        assert (end.state, end.reason) == (RunState.CANCELLED, "USER_REQUEST")


def test_a_run_that_completed_before_its_stop_took_effect_is_completed() -> None:
    done = cluster(ClusterState.TERMINATED, "USER_REQUEST")
    assert advance(STOPPING, done, [FEATURIZED, REDUCED], USED, 1700.0).reason == "COMPLETED"


def test_a_run_that_is_being_stopped_is_not_tried_again() -> None:
    assert advance(STOPPING, NO_CAPACITY, [], USED, 1700.0).state is RunState.FAILED


CANCELLED = dataclasses.replace(
    RECORD,
    stopping=RunState.CANCELLED,
    reason="CANCELLED",
    message="by a person",
    remedy="again",
    kind="user",
)

ENDS = [
    cluster(ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", StepState.COMPLETED, StepState.COMPLETED),
    ended("STEP_FAILURE", StepState.FAILED, StepState.CANCELLED),
    BY_REQUEST,
    NO_CAPACITY,
    EMR_FAILED,
    ended("", StepState.COMPLETED, StepState.CANCELLED),
    ended("BOOTSTRAP_FAILURE", StepState.CANCELLED, StepState.CANCELLED),
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.reason_code or "no reason")
@pytest.mark.parametrize("reports", [[], [FEATURIZED], [FEATURIZED, REDUCED], [BROKEN]], ids=len)
@pytest.mark.parametrize("state", [RunState.LAUNCHED, RunState.RUNNING])
def test_what_a_person_cancelled_is_cancelled_whatever_the_cluster_says(
    state: RunState, reports: list[StepReport], end: ClusterSnapshot
) -> None:
    record = advance(dataclasses.replace(CANCELLED, state=state), end, reports, USED, 1700.0)
    assert (record.state, record.reason, record.message, record.remedy, record.kind) == (
        RunState.CANCELLED, "CANCELLED", "by a person", "again", "user",
    )  # fmt: skip


@pytest.mark.parametrize("code", ["INTERNAL_ERROR", "VALIDATION_ERROR"])
@pytest.mark.parametrize(
    "message",
    [
        "There was insufficient capacity for the requested m5.large machines.",
        "EC2 said InsufficientInstanceCapacity for r5.xlarge in eu-west-1b.",
        "We currently do not have sufficient m5.xlarge capacity in the Availability Zone you requested.",
        "The zone doesn't have enough capacity.",
        "There is no Spot capacity available that matches your request.",
        "INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ",
        "INTERNAL_ERROR_SPOT_NO_CAPACITY_PRIMARY",
    ],
)
def test_too_little_capacity_is_tried_again_as_such_whatever_code_it_comes_with(
    code: str, message: str
) -> None:
    end = ended(code, StepState.CANCELLED, StepState.CANCELLED, message=message)
    record = RECORD
    for attempt in (2, 3):
        record = advance(record, end, [], USED, 1700.0)
        assert (record.state, record.attempt, record.kind) == (RunState.QUEUED, attempt, "capacity")
        record = dataclasses.replace(record, state=RunState.LAUNCHED, cluster_id="j-1")
    record = advance(record, end, [], USED, 1700.0)
    assert (record.state, record.attempt, record.reason) == (RunState.FAILED, 3, code)
    assert record.message == f"AWS had not enough machines of the wanted types in time: {message}"
    assert record.remedy == "Name more cluster.instance_types, use market on_demand, or try again later."


@pytest.mark.parametrize(
    "message",
    [
        "The primary node does not answer.",
        "The capacity scheduler could not be started.",
        "There is no capacity scheduler.",
        "Insufficient permissions to see what capacity there is.",
        "The disk has reached its capacity.",
    ],
)
def test_the_word_capacity_alone_says_nothing(message: str) -> None:
    end = ended("INTERNAL_ERROR", StepState.CANCELLED, StepState.CANCELLED, message=message)
    decision = decide(end, [])
    assert decision.ending is not None
    assert decision.ending.kind == "aws"
