"""A small load test against the deployed Lambdas violates nothing, and each violation would be counted."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from infra.local.chaos.__main__ import chaos
from infra.local.chaos.invariants import Cluster, Evidence, Run, committed, count_violations, overlapping
from infra.local.chaos.queueing import IDLE_SECONDS, PASSES_ALLOWED, Moment
from infra.local.chaos.workload import (
    CLUSTER_FAILURES,
    LAUNCH_FAILURES,
    SERVICE_FAILURES,
    draw_failures,
    draw_service_failures,
    draw_uploads,
    draw_workbenches,
)
from lambdas.contract.manifest.schema import Manifest
from lambdas.contract.run import RunState

HOUR = 3600.0
GOOD = Manifest.model_validate({"version": 1, "dataset": "d", "images": {"prefixes": ["s3://bucket/a/"]}})
TOLD = GOOD.model_copy(update={"notify": True})
DEAR = GOOD.model_copy(update={"limits": GOOD.limits.model_copy(update={"max_runtime_minutes": 1440})})
STATES = (RunState.QUEUED, RunState.CLAIMED, RunState.LAUNCHED, RunState.COMPLETED)
FINE = Evidence(
    accepted={"a": GOOD, "b": GOOD},
    rejected={"manifests-rejected/x.json"},
    rejections={"manifests-rejected/x.json"},
    runs={name: Run(name, STATES, 1) for name in "ab"},
    clusters=(Cluster("fruits-a", "a", 0.0, 10.0, 10.0), Cluster("fruits-b", "b", 10.0, 20.0, 10.0)),
    orphans=(),
    slots=(),
    late_repairs=0,
    failures={"step failure": 1},
    max_clusters=1,
    max_eur_per_day=2.0,
)


def test_a_small_load_test_violates_nothing(build: Path, tmp_path: Path) -> None:
    """The deployed Lambdas at once and in processes of their own, which no fake can show. A seed in which
    everything happens that can be drawn: rejected, replaced and deleted manifests among others.

    An upgrade is in the middle: what the older release accepted and launched, what ended while both were at
    work, and what was cancelled then, all ends as it should.
    """
    folder = tmp_path / "cloud"
    summary = chaos(folder, build, seed=6471, manifests=10, deliveries=30, max_clusters=3, log=lambda _: None)
    assert [failure for failure, times in summary["failures"].items() if not times] == []
    assert {violated: times for violated, times in summary["violations"].items() if times} == {}
    assert summary["runs"] >= 10
    assert summary["clusters"] > 5
    assert summary["deliveries"] == 30
    assert summary["failures"]["function upgraded in the middle"] == 3
    assert summary["failures"]["run of the older release that computed when the upgrade began"] > 0
    assert summary["failures"]["workbench whose hours were over"] > 0


def test_the_same_seed_draws_the_same_load() -> None:
    assert draw_uploads(3, 50, 200, "s3://b/") == draw_uploads(3, 50, 200, "s3://b/")
    assert draw_failures(3, 50, lambda arguments: None).launches == draw_failures(3, 50, print).launches
    assert draw_uploads(3, 50, 200, "s3://b/") != draw_uploads(4, 50, 200, "s3://b/")


def test_deliveries_are_as_many_as_asked_for_and_no_event_comes_more_than_five_times() -> None:
    uploads = draw_uploads(1, 300, 1500, "s3://b/")
    assert sum(upload.copies + upload.replays for upload in uploads) == 1500
    assert max(upload.copies + upload.replays for upload in uploads) <= 5
    assert sum(upload.replays for upload in uploads) > 100


@pytest.mark.parametrize("seed", range(20))
def test_every_failure_comes_early_however_small_the_load(seed: int) -> None:
    failures = draw_failures(seed, 1, lambda arguments: None)
    assert set(LAUNCH_FAILURES) <= set(failures.launches[:20])
    assert set(CLUSTER_FAILURES) <= set(failures.clusters[:20])
    drawn = draw_service_failures(seed, 1)
    assert set(SERVICE_FAILURES) <= set(drawn["dynamodb"][:8]) & set(drawn["s3"][:8])


def test_the_worst_case_of_living_runs_and_what_ended_ones_used_are_committed() -> None:
    hour = Cluster("fruits-a", "a", 0.0, 10.0, billed_seconds=HOUR)
    again = Cluster("fruits-a-2", "a", 20.0, None, billed_seconds=0.0)
    # The worst case is two hours, and six minutes.
    worst, used, level = committed([hour, again], {"a": GOOD})
    assert used == pytest.approx(worst * 60 / 126, abs=0.01)
    assert level == worst


def test_what_was_used_yesterday_is_not_committed_today() -> None:
    day = 24 * HOUR
    clusters = [Cluster(name, name, begins, begins + 60, HOUR) for name, begins in (("a", 1.0), ("b", day))]
    worst, used, *today = committed(clusters, {"a": GOOD, "b": GOOD})
    assert [worst, used] == today


def test_spans_that_begin_within_an_earlier_one_overlap() -> None:
    assert overlapping([(0.0, 2.0), (2.0, 3.0)]) == 0
    assert overlapping([(4.0, 5.0), (0.0, 10.0), (1.0, 2.0)]) == 2


def test_nothing_is_counted_when_all_is_well() -> None:
    assert set(count_violations(FINE).values()) == {0}


AT = 1000.0
"""When the passes of the following runs began, a second each."""
LAUNCHED = (RunState.QUEUED, RunState.CLAIMED, RunState.LAUNCHED)
WAITING = Run("b", (RunState.QUEUED,), 1, closed=False, entered_at=(AT - 500,))
OLDER = Run("a", LAUNCHED, 1, closed=False, entered_at=(AT - 600,) * 3)
PASSES = tuple((AT + number, AT + number + 0.9) for number in range(PASSES_ALLOWED + 1))


def seen(slots: Collection[str] = (), *, committed_eur: float = 0.0, left_alone: Collection[str] = ()) -> Any:
    """The same before and after each pass."""
    return tuple(
        Moment(at, slots, committed_eur, left_alone)
        for began_at, ended_at in PASSES
        for at in (began_at, ended_at)
    )


WAITS = dataclasses.replace(
    FINE, runs={"a": OLDER, "b": WAITING}, clusters=(), passes=PASSES, moments=seen(), max_eur_per_day=10.0
)
"""One place, which nobody holds, and a run that waits for it pass after pass."""
HELD = Cluster("fruits-a", "a", AT - 550, None, 10.0)


def ended(seconds_ago: float) -> Cluster:
    return dataclasses.replace(HELD, ended_at=AT - seconds_ago)


@pytest.mark.parametrize(
    ("change", "waited"),
    [
        ({}, 1),
        ({"passes": PASSES[1:]}, 0),
        # A place that is held for something, and one that is not.
        ({"moments": seen({"a"}), "clusters": (HELD,)}, 0),
        ({"moments": seen({"a"}), "clusters": (ended(IDLE_SECONDS - 1 - len(PASSES)),)}, 0),
        ({"moments": seen({"a"}), "clusters": (ended(IDLE_SECONDS + 1),)}, 1),
        ({"moments": seen({"a"})}, 1),
        # Its own place, from an earlier attempt.
        ({"moments": seen({"b"})}, 1),
        ({"moments": seen(committed_eur=9.9)}, 0),
        ({"moments": seen(left_alone={"b"})}, 0),
        # It is not the first: the one in front of it waits for money, or is broken.
        ({"runs": {"a": dataclasses.replace(WAITING, run_id="a", entered_at=(AT - 600,)), "b": WAITING},
          "accepted": {"a": DEAR, "b": GOOD}}, 0),
        ({"runs": {"a": dataclasses.replace(WAITING, run_id="a", entered_at=(AT - 600,)), "b": WAITING},
          "accepted": {"a": DEAR, "b": GOOD}, "unable_to_start": {"a"}}, 1),
        # It started, and waits again.
        ({"runs": {"b": dataclasses.replace(
            WAITING, states=(*LAUNCHED, RunState.QUEUED), entered_at=(AT - 500, AT + 2, AT + 2, AT + 2.5)
        )}}, 0),
    ],
)  # fmt: skip
def test_a_run_that_nothing_but_a_pass_was_wanting_for_waits_because_another_is_broken(
    change: dict[str, Any], waited: int
) -> None:
    violations = count_violations(dataclasses.replace(WAITS, **change))
    assert violations["runs that waited because another was broken"] == waited


LATE = Cluster("fruits-a", "a", 5.0, 12.0, 7.0)


@pytest.mark.parametrize(
    ("change", "violated"),
    [
        ({"clusters": (*FINE.clusters, LATE)}, "second clusters of an attempt at a version"),
        ({"clusters": (*FINE.clusters, LATE)}, "versions with two clusters at once"),
        (
            {"clusters": (*FINE.clusters, dataclasses.replace(LATE, name="fruits-a-2"))},
            "clusters beyond the attempts recorded",
        ),
        ({"runs": {"a": FINE.runs["a"]}}, "accepted versions without a run"),
        ({"accepted": {"a": GOOD}}, "runs of versions that were not accepted"),
        ({"runs": {**FINE.runs, "b": Run("b", STATES[:-1], 1)}}, "runs without a terminal state"),
        ({"clusters": FINE.clusters[:1]}, "completed runs without a cluster"),
        ({"rejections": ()}, "rejected manifests without a rejection"),
        ({"orphans": (Cluster("fruits-o", "o", 0.0, None, 9.0),)}, "clusters alive at the end"),
        ({"cancelled": {"a"}}, "cancelled runs that ended otherwise"),
        ({"slots": ("a",)}, "slots held at the end"),
        ({"runs": {**FINE.runs, "b": Run("b", STATES, 1, untold=True)}}, "ended runs that were not told of"),
        ({"accepted": {**FINE.accepted, "b": TOLD}}, "messages that were wanted and never sent"),
        ({"late_repairs": 1}, "repairs still to do at the end"),
        ({"failures": {"step failure": 0}}, "failures that never happened"),
        ({"clusters": (*FINE.clusters, LATE)}, "moments with more clusters than the cap"),
        ({"max_eur_per_day": 1.0}, "moments with more euros committed than the cap"),
        (
            {"clusters": (FINE.clusters[0], Cluster("fruits-b", "b", 10.0, 20.0, billed_seconds=1e6))},
            "runs that spent more than max_cost_eur",
        ),
        (
            {"runs": {**FINE.runs, "b": Run("b", (RunState.QUEUED, RunState.COMPLETED), 1)}},
            "illegal ledger transitions",
        ),
    ],
)
def test_each_violation_is_counted(change: dict[str, object], violated: str) -> None:
    assert count_violations(dataclasses.replace(FINE, **change))[violated] > 0  # type: ignore[arg-type]  # by name


BENCH = Cluster("fruits-w", "w", 0.0, 10.0, billed_seconds=HOUR)
BENCHES = dataclasses.replace(
    FINE,
    accepted={**FINE.accepted, "w": GOOD},
    runs={name: Run(name, STATES, 1, entered_at=(0.0,) * len(STATES)) for name in "abw"},
    clusters=(BENCH,),
    workbenches={"w": 1, "v": 1},
    refused={"v"},
)
"""One of an hour, and another one that was refused meanwhile."""


@pytest.mark.parametrize(
    ("change", "violated"),
    [
        ({"clusters": (BENCH, dataclasses.replace(BENCH, run_id="v", began_at=9.9, ended_at=20.0))},
         "workbenches open beside another"),
        ({"clusters": (dataclasses.replace(BENCH, ended_at=None),
                       dataclasses.replace(BENCH, run_id="v", began_at=50.0, ended_at=60.0))},
         "workbenches open beside another"),
        ({"clusters": (dataclasses.replace(BENCH, billed_seconds=HOUR + 361),)},
         "workbenches that outlived their hours"),
        ({"moments": (Moment(131.0, {"w"}, 0.0),)}, "workbenches that held a place after their end"),
        ({"refused": ()}, "workbenches that were neither taken nor refused"),
        ({"behind_door": 1}, "ways in that are open at the end"),
        ({"passwords": 1}, "passwords kept at the end"),
    ],
)  # fmt: skip
def test_each_violation_by_a_workbench_is_counted(change: dict[str, Any], violated: str) -> None:
    assert count_violations(BENCHES)[violated] == 0
    assert count_violations(dataclasses.replace(BENCHES, **change))[violated] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"clusters": (BENCH, dataclasses.replace(BENCH, run_id="v", began_at=10.0, ended_at=20.0))},
        {"clusters": (dataclasses.replace(BENCH, billed_seconds=HOUR + 360),)},
        {"moments": (Moment(130.0, {"w"}, 0.0), Moment(1000.0, {"a"}, 0.0))},
    ],
)
def test_workbenches_one_after_the_other_that_are_closed_in_time_violate_nothing(
    change: dict[str, Any],
) -> None:
    found = count_violations(dataclasses.replace(BENCHES, **change))
    assert {name for name, times in found.items() if times and "workbench" in name} == set()


@pytest.mark.parametrize("number", [2, 10])
def test_the_first_and_the_last_workbench_are_of_one_name_and_two_manifests(number: int) -> None:
    drawn = draw_workbenches(1, number)
    assert drawn == draw_workbenches(1, number)
    first, *_, last = drawn
    assert first.manifest["workbench"] == last.manifest["workbench"]
    assert first.key != last.key
    assert first.copies > 1
    assert len(drawn) == number


def test_many_workbenches_are_of_every_kind() -> None:
    drawn = draw_workbenches(1, 100)
    assert {upload.manifest["workbench"]["hours"] for upload in drawn} == {1, 2, 3, 13}
    assert len({upload.manifest["workbench"]["name"] for upload in drawn}) == 2
    assert len({upload.key for upload in drawn}) < 100
    assert any(upload.deleted for upload in drawn)
    assert any(upload.replays for upload in drawn)


def test_a_message_that_the_record_says_could_not_be_sent_is_not_missed() -> None:
    runs = {**FINE.runs, "b": Run("b", STATES, 1, not_told=True)}
    evidence = dataclasses.replace(FINE, accepted={**FINE.accepted, "b": TOLD}, runs=runs)
    assert set(count_violations(evidence).values()) == {0}
