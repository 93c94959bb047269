"""A run's identity, and how its record moves from state to state."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.retry import attempts_allowed
from lambdas.contract.run import (
    Change,
    Ending,
    IllegalTransitionError,
    RunRecord,
    RunState,
    Setback,
    cluster_name,
    ended,
    moved,
    ordered,
    run_id,
    workbench_name,
)
from tests.records import QUEUED

RECORD = dataclasses.replace(QUEUED, accepted_at=10.0)
WHY = Ending("CODE", "what happened", "what to do", "aws")
SAID = {"reason": "CODE", "message": "what happened", "remedy": "what to do", "kind": "aws"}


def said(record: RunRecord) -> dict[str, str | None]:
    return {name: getattr(record, name) for name in SAID}


def test_a_run_is_named_by_its_dataset_and_twelve_digits_of_its_manifests_hash() -> None:
    # printf 'my-bucket\nmanifests/a.json\nv1' | sha256sum
    assert run_id("fruits", "my-bucket", "manifests/a.json", "v1") == "fruits-31d36382749d"


def test_another_version_key_or_bucket_is_another_run() -> None:
    names = {
        run_id("d", *place)
        for place in [("b", "k", "1"), ("b", "k", "2"), ("b", "l", "1"), ("c", "k", "1"), ("bk", "", "1")]
    }
    assert len(names) == 5


def test_every_attempt_has_a_cluster_name_of_its_own() -> None:
    assert [cluster_name("d-1"), cluster_name("d-1", 2)] == ["fruits-d-1", "fruits-d-1-2"]
    assert dataclasses.replace(RECORD, attempt=3).cluster_name == "fruits-d-1-3"


def test_sequencers_are_ordered_as_s3_says_padded_on_the_right_in_any_case() -> None:
    assert ordered("ab") == "AB" + 30 * "0"
    assert ordered("0055AED6DCD90281E5") < ordered("0055aed6dcd90281e51")
    assert ordered("12") > ordered("0FFF")


def test_a_move_is_added_to_the_history_and_ends_the_lease() -> None:
    claimed = moved(RECORD, RunState.CLAIMED, 20.0, lease_until=60.0)
    assert claimed.lease_until == 60.0
    launched = moved(claimed, RunState.LAUNCHED, 30.0, cluster_id="j-1")
    assert launched.history == (Change(RunState.CLAIMED, 20.0), Change(RunState.LAUNCHED, 30.0, "j-1"))
    assert (launched.state, launched.lease_until, launched.cluster_id) == (RunState.LAUNCHED, None, "j-1")


def test_a_run_changed_when_it_entered_its_state_or_was_accepted() -> None:
    assert RECORD.changed_at == 10.0
    assert moved(moved(RECORD, RunState.CLAIMED, 20.0), RunState.QUEUED, 30.0).changed_at == 30.0


def test_what_was_said_of_the_old_state_is_not_said_of_the_new_one() -> None:
    waiting = dataclasses.replace(RECORD, **SAID)
    assert set(said(moved(waiting, RunState.CLAIMED, 20.0)).values()) == {None}


def test_why_a_cluster_is_being_stopped_is_kept_until_it_has_stopped() -> None:
    stopping = dataclasses.replace(RECORD, state=RunState.LAUNCHED, stopping=RunState.FAILED, **SAID)
    assert said(moved(stopping, RunState.RUNNING, 20.0)) == SAID


def test_a_setback_outlasts_a_claim_that_leads_to_nothing_and_is_over_with_progress() -> None:
    setback = Setback(2, "why", 90.0)
    claimed = moved(dataclasses.replace(RECORD, setback=setback), RunState.CLAIMED, 20.0)
    assert claimed.setback == moved(claimed, RunState.QUEUED, 30.0).setback == setback
    launched = moved(claimed, RunState.LAUNCHED, 30.0)
    assert launched.setback is None
    assert moved(dataclasses.replace(launched, setback=setback), RunState.QUEUED, 40.0).setback is None


def test_an_end_comes_with_its_reason() -> None:
    end = ended(RECORD, RunState.FAILED, WHY, 20.0)
    assert (end.state, said(end), end.changed_at) == (RunState.FAILED, SAID, 20.0)


def test_an_ended_run_goes_nowhere_and_the_error_names_it() -> None:
    end = ended(RECORD, RunState.CANCELLED, WHY, 20.0)
    with pytest.raises(IllegalTransitionError, match=r"^run d-1 cannot go from CANCELLED to QUEUED$"):
        moved(end, RunState.QUEUED, 30.0)


@pytest.mark.parametrize(
    ("reason", "kind", "attempts"),
    [
        ("INSTANCE_FLEET_TIMEOUT", "capacity", 3),
        ("INTERNAL_ERROR", "aws", 2),
        ("VALIDATION_ERROR", "config", 1),
        ("BOOTSTRAP_FAILURE", "ours", 1),
        ("STEP_FAILURE", "aws", 1),
        ("STEP_FAILURE", "data", 1),
        ("STEP_FAILURE", None, 3),
        (None, None, 3),
    ],
)
def test_only_what_passes_by_itself_is_tried_again(
    reason: str | None, kind: str | None, attempts: int
) -> None:
    assert attempts_allowed(reason, kind) == attempts


@pytest.mark.parametrize("name", ["explore", "a-b", "workbench.x"])
def test_a_workbench_has_its_name_within_its_runs_id(name: str) -> None:
    assert workbench_name(f"workbench.{name}-0123456789ab") == name
