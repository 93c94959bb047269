"""What doctor says of a small data set that it sent through the whole stack."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from infra.doctor import trial
from infra.doctor.finding import Finding, Status
from infra.doctor.trial import Seen
from lambdas.cli.submission import Submitted
from lambdas.contract.run import RunRecord, RunState

RUN = Submitted("doctor", "manifests/doctor.json", "v1", "doctor-0123456789ab")
STATUS = {"images_in": 122, "images_featurized": 120, "images_quarantined": 2}


def record(state: RunState, **known: Any) -> RunRecord:
    return RunRecord(
        run_id=RUN.run_id,
        dataset="doctor",
        state=state,
        manifest_bucket="b",
        manifest_key=RUN.key,
        manifest_version_id=RUN.version_id,
        sequencer="00",
        accepted_at=0.0,
        max_runtime_minutes=30,
        worst_case_eur=0.5,
        stop_when_deleted=False,
        **known,
    )


def outcome(seen: Seen, seconds: float = 60.0) -> tuple[Status, str, str | None]:
    (finding,) = trial.outcome(RUN, 122, seen, seconds)
    assert isinstance(finding, Finding)
    return finding.status, finding.text, finding.remedy


def test_a_run_that_did_what_was_expected_is_ok() -> None:
    completed = record(RunState.COMPLETED, closed=True, actual_eur=0.031)
    assert outcome(Seen(completed, None, STATUS)) == (
        Status.OK,
        "run doctor-0123456789ab COMPLETED in 60 s: 120 images featurized, 2 broken ones in quarantine, "
        "0.03 EUR by list prices",
        None,
    )


def test_a_refused_manifest_says_what_the_refusal_says() -> None:
    fault = {"path": "$.images", "problem": "holds no image", "remedy": "upload some"}
    assert outcome(Seen(None, {"faults": [fault]}, None)) == (
        Status.FAULT,
        "the manifest was refused: $.images holds no image",
        "upload some",
    )


def test_an_upload_that_nobody_hears_of_is_a_fault() -> None:
    assert outcome(Seen(None, None, None), 181.0) == (
        Status.FAULT,
        "nobody has heard of the uploaded manifest for 181 s",
        "look at the launcher's log, and at uploads and failure queue above",
    )


def test_a_run_that_does_not_end_is_a_fault() -> None:
    assert outcome(Seen(record(RunState.QUEUED), None, None), 3601.0) == (
        Status.FAULT,
        "run doctor-0123456789ab is QUEUED after 60 minutes",
        "`fruits status doctor-0123456789ab --watch` says what it waits for",
    )


def test_a_run_that_failed_says_why_and_what_to_do() -> None:
    failed = record(RunState.FAILED, message="Too little capacity.", remedy="Try later.")
    assert outcome(Seen(failed, None, None)) == (
        Status.FAULT,
        "run doctor-0123456789ab is FAILED: Too little capacity.",
        "Try later.",
    )
    told = {"message": "The step failed.", "remedy": "Read its log."}
    assert outcome(Seen(failed, None, told))[1:] == (
        "run doctor-0123456789ab is FAILED: The step failed.",
        "Read its log.",
    )
    assert outcome(Seen(record(RunState.CANCELLED), None, None))[1:] == (
        "run doctor-0123456789ab is CANCELLED: no reason was recorded",
        "`fruits status doctor-0123456789ab`, and the log folder that it names",
    )


def test_a_run_that_lost_images_is_a_fault() -> None:
    lost = {**STATUS, "images_featurized": 119, "images_quarantined": 3}
    assert outcome(Seen(record(RunState.COMPLETED), None, lost)) == (
        Status.FAULT,
        "run doctor-0123456789ab COMPLETED with 122 images, 119 featurized and 3 in quarantine, and not 122, "
        "120 and 2",
        "`fruits status doctor-0123456789ab`, and the quarantine table that it names",
    )


def waited(*looks: Seen, seconds_a_look: float) -> tuple[Seen, float, list[str]]:
    """The last look is seen for ever; returns it, the seconds, and each state that was said."""
    said: list[str] = []
    seen: Iterator[Seen] = itertools.chain(looks, itertools.repeat(looks[-1]))
    clock = itertools.count(0.0, seconds_a_look)
    last, seconds = trial.wait(lambda: next(seen), said.append, lambda: next(clock), lambda _: None)
    return last, seconds, said


def test_waiting_tells_each_state_once_and_ends_when_all_is_done() -> None:
    done = Seen(record(RunState.COMPLETED, closed=True), None, STATUS)
    nothing, runs = Seen(None, None, None), Seen(record(RunState.RUNNING), None, None)
    published = Seen(record(RunState.COMPLETED), None, None)
    last, _, said = waited(nothing, nothing, runs, runs, published, done, seconds_a_look=2.0)
    assert last is done
    assert said == ["not heard of yet", "RUNNING", "COMPLETED"]


def test_a_refusal_ends_the_waiting() -> None:
    refused = Seen(None, {"faults": []}, None)
    assert waited(Seen(None, None, None), refused, seconds_a_look=2.0)[0] is refused


@pytest.mark.parametrize(
    ("seen", "patience"),
    [
        (Seen(None, None, None), trial.UNHEARD_SECONDS),
        (Seen(record(RunState.QUEUED), None, None), trial.GIVE_UP_SECONDS),
    ],
)
def test_waiting_ends_when_it_is_no_use(seen: Seen, patience: float) -> None:
    _, seconds, _ = waited(seen, seconds_a_look=50.0)
    assert patience < seconds <= patience + 50.0
