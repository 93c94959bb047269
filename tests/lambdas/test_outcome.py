"""What a cluster's end means for its run: a table of what EMR and the steps may say."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.cost.estimate import InstanceUse, Usage
from lambdas.contract.report import StepError, StepReport
from lambdas.contract.run import ClusterPhases, Ending, RunState
from lambdas.runs.cluster_port import ClusterSnapshot, ClusterState, StepSnapshot, StepState
from lambdas.runs.outcome import Decision, advance, decide, phases_of
from tests.records import QUEUED

AGAIN = "Upload the manifest again for a new run; finished parts are not lost."
FEATURIZED = StepReport("featurize", "d-1", True, "fast", "imagenet", "w", "m", {})
REDUCED = dataclasses.replace(FEATURIZED, step="pca")
BROKEN = dataclasses.replace(
    FEATURIZED, succeeded=False, error=StepError("data", "no image can be read", "look at them")
)
RECORD = dataclasses.replace(QUEUED, state=RunState.LAUNCHED, cluster_id="j-1")


def cluster(
    state: ClusterState,
    reason: str = "",
    featurize: StepState = StepState.COMPLETED,
    pca: StepState = StepState.COMPLETED,
    *,
    message: str = "",
    failure: str = "",
) -> ClusterSnapshot:
    """Created at 1000; one that ended did at 1600."""
    ended = state.startswith("TERMINATED")
    return ClusterSnapshot(
        cluster_id="j-1",
        name="fruits-d-1",
        state=state,
        created_at=1000.0,
        ended_at=1600.0 if ended else None,
        reason_code=reason,
        reason_message=message,
        tags={},
        steps=(StepSnapshot("featurize", featurize, failure), StepSnapshot("pca", pca, failure)),
    )


def ended(reason: str, *steps: StepState, message: str = "", failure: str = "") -> ClusterSnapshot:
    return cluster(ClusterState.TERMINATED_WITH_ERRORS, reason, *steps, message=message, failure=failure)


@pytest.mark.parametrize(
    ("featurize", "pca", "state"),
    [
        (StepState.PENDING, StepState.PENDING, RunState.LAUNCHED),
        (StepState.CANCEL_PENDING, StepState.PENDING, RunState.LAUNCHED),
        (StepState.CANCELLED, StepState.CANCELLED, RunState.LAUNCHED),
        (StepState.RUNNING, StepState.PENDING, RunState.RUNNING),
        (StepState.COMPLETED, StepState.PENDING, RunState.RUNNING),
        (StepState.COMPLETED, StepState.RUNNING, RunState.RUNNING),
        (StepState.INTERRUPTED, StepState.PENDING, RunState.RUNNING),
        (StepState.FAILED, StepState.CANCELLED, RunState.RUNNING),
    ],
)
@pytest.mark.parametrize("living", [state for state in ClusterState if not state.startswith("TERMINATED")])
def test_a_run_runs_from_the_first_step_that_began_until_its_cluster_is_gone(
    living: ClusterState, featurize: StepState, pca: StepState, state: RunState
) -> None:
    assert decide(cluster(living, "", featurize, pca), [FEATURIZED]) == Decision(state)


def test_a_run_is_completed_when_every_step_reported_success() -> None:
    done = Decision(RunState.COMPLETED, Ending("COMPLETED", "All steps completed."))
    end = cluster(ClusterState.TERMINATED, "ALL_STEPS_COMPLETED")
    assert decide(end, [FEATURIZED, REDUCED]) == done
    # EMR's own list of steps lags behind.
    late = cluster(ClusterState.TERMINATED, "USER_REQUEST", StepState.COMPLETED, StepState.RUNNING)
    assert decide(late, iter([REDUCED, FEATURIZED])) == done


def test_a_cluster_that_a_person_terminated_is_a_cancelled_run() -> None:
    end = ended("USER_REQUEST", StepState.CANCELLED, StepState.CANCELLED)
    assert decide(end, [FEATURIZED]) == Decision(
        RunState.CANCELLED, Ending("USER_REQUEST", "The cluster was terminated by request.", AGAIN, "user")
    )


def test_a_failed_step_says_what_its_report_says() -> None:
    why = Ending("STEP_FAILURE", "Step featurize: no image can be read", "look at them", "data")
    for end in (
        ended("STEP_FAILURE", StepState.FAILED, StepState.CANCELLED),
        # The codes of the cluster and its steps do not always agree: a failed step goes before both.
        cluster(ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", StepState.FAILED, StepState.CANCELLED),
        ended("USER_REQUEST", StepState.FAILED, StepState.CANCELLED),
        # EMR's list of steps lags behind its reason code.
        ended("STEP_FAILURE", StepState.RUNNING, StepState.PENDING),
    ):
        assert decide(end, [BROKEN]) == Decision(RunState.FAILED, why)


def test_a_step_that_failed_without_a_report_says_what_emr_says() -> None:
    def why(step: str, detail: str) -> Decision:
        return Decision(
            RunState.FAILED,
            Ending(
                "STEP_FAILURE",
                f"Step {step} failed without leaving a report{detail}",
                f"Read the stderr of step {step} in the logs.",
                "ours",
            ),
        )

    quiet = ended("STEP_FAILURE", StepState.COMPLETED, StepState.FAILED)
    assert decide(quiet, [FEATURIZED]) == why("pca", "")
    told = ended("STEP_FAILURE", StepState.COMPLETED, StepState.FAILED, failure="exit code 137")
    assert decide(told, [FEATURIZED]) == why("pca", ": exit code 137")
    # A report of success is none of a failure.
    assert decide(told, [FEATURIZED, REDUCED]) == why("pca", ": exit code 137")
    late = ended("STEP_FAILURE", StepState.COMPLETED, StepState.RUNNING)
    assert decide(late, [FEATURIZED]) == why("pca", "")
    assert decide(late, []) == why("featurize", "")


@pytest.mark.parametrize(
    ("reason", "kind", "problem", "remedy"),
    [
        (
            "BOOTSTRAP_FAILURE",
            "ours",
            "A node could not install the job's packages",
            "Read the bootstrap action's stderr in the logs, then build and deploy the stack again.",
        ),
        (
            "VALIDATION_ERROR",
            "config",
            "EMR could not create the cluster as it was asked for",
            "Check cluster.instance_types, the account's quotas and the stack's roles and subnets.",
        ),
        (
            "INSTANCE_FLEET_TIMEOUT",
            "capacity",
            "AWS had not enough machines of the wanted types in time",
            "Name more cluster.instance_types, use market on_demand, or try again later.",
        ),
        ("INSTANCE_FAILURE", "aws", "A machine of the cluster failed", AGAIN),
        ("INTERNAL_ERROR", "aws", "EMR had an internal error", AGAIN),
    ],
)
def test_a_cluster_that_failed_by_itself_says_whose_move_it_is(
    reason: str, kind: str, problem: str, remedy: str
) -> None:
    steps = (StepState.CANCELLED, StepState.CANCELLED)
    quiet = decide(ended(reason, *steps), [])
    assert quiet == Decision(RunState.FAILED, Ending(reason, f"{problem}.", remedy, kind))
    told = decide(ended(reason, *steps, message="because"), [])
    assert told == Decision(RunState.FAILED, Ending(reason, f"{problem}: because", remedy, kind))


def test_steps_that_completed_without_reporting_success_are_not_trusted() -> None:
    end = cluster(ClusterState.TERMINATED, "ALL_STEPS_COMPLETED")
    why = Ending(
        "REPORT_MISSING",
        "EMR says that all steps completed, but not every step left a report of success.",
        "Read the steps' stderr in the logs, and do not use the results.",
        "ours",
    )
    assert decide(end, [FEATURIZED]) == Decision(RunState.FAILED, why)
    assert decide(end, [BROKEN, REDUCED]) == Decision(RunState.FAILED, why)


def test_an_end_that_nobody_explains_is_emrs() -> None:
    steps = (StepState.COMPLETED, StepState.CANCELLED)
    assert decide(ended("", *steps), [FEATURIZED]).ending == Ending(
        "UNKNOWN", "The cluster ended before its steps did: EMR gave no reason", AGAIN, "aws"
    )
    assert decide(ended("NEW_CODE", *steps, message="because"), [FEATURIZED]).ending == Ending(
        "NEW_CODE", "The cluster ended before its steps did: because", AGAIN, "aws"
    )


RUNNING = cluster(ClusterState.RUNNING, "", StepState.RUNNING, StepState.PENDING)
NO_CAPACITY = ended("INSTANCE_FLEET_TIMEOUT", StepState.CANCELLED, StepState.CANCELLED)
EMR_FAILED = ended("INTERNAL_ERROR", StepState.CANCELLED, StepState.CANCELLED)
BY_REQUEST = ended("USER_REQUEST", StepState.CANCELLED, StepState.CANCELLED)
USED = Usage(1.5, 0.4)


def test_a_launched_run_runs_once_its_first_step_began() -> None:
    waiting = cluster(ClusterState.STARTING, "", StepState.PENDING, StepState.PENDING)
    assert advance(RECORD, waiting, [], None, 1100.0) is RECORD
    running = advance(RECORD, RUNNING, [], None, 1100.0)
    assert (running.state, running.changed_at, running.cluster_id) == (RunState.RUNNING, 1100.0, "j-1")
    assert advance(running, RUNNING, [], None, 1200.0) is running
    # What is heard late takes no run back.
    assert advance(running, waiting, [], None, 1200.0) is running


PHASES = ClusterPhases(1000.0, 1060.0, 1090.0, 1095.0)


def machine(began_at: float) -> InstanceUse:
    return InstanceUse("m5.xlarge", spot=True, hours=1.0, began_at=began_at)


def test_how_far_a_cluster_came_is_when_its_first_machines_were_there_ready_and_at_work() -> None:
    steps = (
        StepSnapshot("pca", StepState.RUNNING, "", 1300.0),
        StepSnapshot("f", StepState.RUNNING, "", 1095.0),
    )
    ready = dataclasses.replace(RUNNING, ready_at=1090.0, steps=steps)
    # The last machine took the place of one that was lost.
    assert phases_of(ready, [machine(1020.0), machine(1060.0), machine(1200.0)]) == PHASES
    assert phases_of(ready, [machine(1090.0)]) == dataclasses.replace(PHASES, provisioned=1090.0)


def test_what_a_cluster_never_reached_is_not_known() -> None:
    assert phases_of(NO_CAPACITY, []) == ClusterPhases(1000.0)
    assert phases_of(NO_CAPACITY, [machine(1060.0)]) == ClusterPhases(1000.0, 1060.0)


def test_the_record_keeps_how_far_the_cluster_of_its_present_attempt_came() -> None:
    running = advance(RECORD, RUNNING, [], None, 1100.0, PHASES)
    assert running.phases == PHASES
    assert advance(running, BY_REQUEST, [], USED, 1700.0).phases == PHASES
    later = dataclasses.replace(PHASES, step_started=1099.0)
    assert advance(running, BY_REQUEST, [], USED, 1700.0, later).phases == later
    assert advance(running, NO_CAPACITY, [], USED, 1700.0, later).phases is None


@pytest.mark.parametrize("state", [RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED])
def test_an_ended_run_stays_as_it_ended(state: RunState) -> None:
    record = dataclasses.replace(RECORD, state=state)
    assert advance(record, NO_CAPACITY, [], USED, 1700.0) is record


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.CLAIMED])
def test_a_cluster_proves_a_launch_that_nobody_recorded(state: RunState) -> None:
    record = dataclasses.replace(RECORD, state=state, cluster_id=None)
    running = advance(record, RUNNING, [], None, 1100.0)
    assert [change.state for change in running.history] == [RunState.LAUNCHED, RunState.RUNNING]
    assert running.history[0].cluster_id == running.cluster_id == "j-1"


def test_a_completed_run_keeps_what_its_clusters_used() -> None:
    record = dataclasses.replace(RECORD, earlier_seconds=100.0, instance_hours=1.0, actual_eur=0.1)
    end = advance(
        record, cluster(ClusterState.TERMINATED, "ALL_STEPS_COMPLETED"), [FEATURIZED, REDUCED], USED, 1700.0
    )
    assert (end.state, end.reason, end.kind) == (RunState.COMPLETED, "COMPLETED", None)
    assert (end.earlier_seconds, end.changed_at, end.cluster_id) == (700.0, 1700.0, "j-1")
    assert (end.instance_hours, end.actual_eur) == (2.5, 0.5)


@pytest.mark.parametrize(
    ("used", "hours", "eur"),
    [(USED, 1.5, 0.4), (Usage(1.5, None), 1.5, None), (None, None, None), (Usage(0.0, 0.0), 0.0, 0.0)],
)
def test_what_is_not_known_of_the_usage_is_none(
    used: Usage | None, hours: float | None, eur: float | None
) -> None:
    end = advance(RECORD, BY_REQUEST, [], used, 1700.0)
    assert (end.state, end.instance_hours, end.actual_eur) == (RunState.CANCELLED, hours, eur)


def test_too_little_capacity_is_tried_three_times_and_a_fault_of_emr_twice() -> None:
    for failed, attempts in ((NO_CAPACITY, 3), (EMR_FAILED, 2)):
        record = RECORD
        for attempt in range(2, attempts + 1):
            record = advance(record, failed, [], USED, 1700.0)
            assert (record.state, record.attempt, record.cluster_id) == (RunState.QUEUED, attempt, None)
            assert (record.reason, record.earlier_seconds) == (failed.reason_code, 600.0 * (attempt - 1))
            record = dataclasses.replace(record, state=RunState.LAUNCHED, cluster_id="j-1")
        record = advance(record, failed, [], USED, 1700.0)
        assert (record.state, record.attempt, record.cluster_id) == (RunState.FAILED, attempts, "j-1")


def test_a_step_that_failed_is_not_tried_again() -> None:
    passing = dataclasses.replace(BROKEN, error=StepError("aws", "S3 was away", "again"))
    end = advance(RECORD, ended("STEP_FAILURE", StepState.FAILED), [passing], USED, 1700.0)
    assert (end.state, end.attempt, end.kind) == (RunState.FAILED, 1, "aws")
