"""A small storm against the deployed Lambdas violates nothing, and each violation would be counted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from infra.local.chaos.__main__ import chaos
from infra.local.chaos.verdict import Cluster, Evidence, Run, count_violations
from infra.local.chaos.workload import draw_faults, draw_uploads
from lambdas.contract.manifest import Manifest
from lambdas.contract.run import RunState

GOOD = Manifest.model_validate({"version": 1, "dataset": "d", "images": {"prefixes": ["s3://bucket/a/"]}})
STATES = (RunState.QUEUED, RunState.CLAIMED, RunState.LAUNCHED, RunState.COMPLETED)
FINE = Evidence(
    accepted={"a": GOOD, "b": GOOD},
    rejected={"manifests-rejected/x.json"},
    rejections={"manifests-rejected/x.json"},
    runs={name: Run(name, STATES, 1) for name in "ab"},
    clusters=(Cluster("fruits-a", "a", 0.0, 10.0), Cluster("fruits-b", "b", 10.0, 20.0)),
    orphans=(),
    max_clusters=1,
    max_eur_per_day=2.0,
)


def test_a_small_storm_violates_nothing(packaged: None, tmp_path: Path) -> None:
    verdict = chaos(tmp_path / "cloud", seed=7, manifests=20, deliveries=60, log=lambda line: None)
    assert not any(verdict["violations"].values()), verdict["violations"]
    assert verdict["runs"] > 10
    assert verdict["clusters"] > 5
    assert verdict["deliveries"] == 60


def test_the_same_seed_draws_the_same_storm() -> None:
    assert draw_uploads(3, 50, 200, "s3://b/") == draw_uploads(3, 50, 200, "s3://b/")
    assert draw_faults(3, 50, lambda arguments: None).launches == draw_faults(3, 50, print).launches
    assert draw_uploads(3, 50, 200, "s3://b/") != draw_uploads(4, 50, 200, "s3://b/")


def test_deliveries_are_as_many_as_asked_for_and_no_event_comes_more_than_five_times() -> None:
    uploads = draw_uploads(1, 300, 1500, "s3://b/")
    assert sum(upload.copies + upload.replays for upload in uploads) == 1500
    assert max(upload.copies + upload.replays for upload in uploads) <= 5
    assert sum(upload.replays for upload in uploads) > 100


def test_nothing_is_counted_when_all_is_well() -> None:
    assert set(count_violations(FINE).values()) == {0}


LATE = Cluster("fruits-a", "a", 5.0, 12.0)


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
        ({"orphans": (Cluster("fruits-o", "o", 0.0, None),)}, "clusters alive at the end"),
        ({"clusters": (*FINE.clusters, LATE)}, "moments with more clusters than the cap"),
        ({"max_eur_per_day": 1.0}, "moments with more euros committed than the cap"),
        (
            {"clusters": (FINE.clusters[0], Cluster("fruits-b", "b", 10.0, 1e6))},
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
