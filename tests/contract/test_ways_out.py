"""What a job takes and costs, and what is advised where that is too dear."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.cost import estimate as estimates
from lambdas.contract.cost.estimate import Budget, Job, is_too_dear, ways_out
from lambdas.contract.cost.measured import Measured, MeasuredStart
from lambdas.contract.cost.prices import eur_per_hour, worst_case_eur

from .test_prices import M5

JOB = Job(
    images=115_200,
    engine="fast",
    image_size=224,
    workers=2,
    instance_types=("m5.xlarge",),
    spot=False,
    region="eu-central-1",
)
"""115,200 images at 40 a second on each of 8 vCPUs: six minutes, beside ten to start and to finish."""


@pytest.mark.parametrize(
    ("changes", "minutes"),
    [
        ({}, 16.0),
        ({"images": 0}, 10.0),
        ({"workers": 4}, 13.0),
        ({"instance_types": ("m5.2xlarge",)}, 13.0),
        ({"instance_types": ("m5.2xlarge", "m5.xlarge")}, 16.0),
        ({"engine": "reference"}, 10 + 6 * 40 / 6.5),
        # A quarter of the pixels: 7 % of the time stays, and a quarter of the other 93 %.
        ({"image_size": 112}, 10 + 6 * (0.07 + 0.93 / 4)),
    ],
)
def test_a_job_takes_ten_minutes_and_its_images(changes: dict[str, object], minutes: float) -> None:
    assert dataclasses.replace(JOB, **changes).minutes == pytest.approx(minutes)


def test_a_job_costs_its_minutes_on_the_machines_that_it_asks_for() -> None:
    assert JOB.eur == pytest.approx(3 * M5 * 16 / 60)
    spot = dataclasses.replace(JOB, spot=True, region="eu-north-1")
    assert spot.eur == pytest.approx(eur_per_hour(("m5.xlarge",), 2, "eu-north-1", spot=True) * 16 / 60)
    assert spot.worst_case_eur(60) == pytest.approx(worst_case_eur(("m5.xlarge",), 2, 60, "eu-north-1"))


def test_an_estimate_is_rounded_to_what_is_worth_saying() -> None:
    job = dataclasses.replace(JOB, images=100_000)
    assert estimates.estimate(job, Budget(120, 10)) == estimates.Estimate(
        "eu-central-1",
        15.2,
        round(3 * M5 * (10 + 100_000 / 320 / 60) / 60, 2),
        1.66,
        "2025-06",
        "40 images/s a vCPU (assumed on x86_64), 10.0 minutes to start and finish (assumed)",
    )


def test_a_job_is_too_dear_by_its_probable_or_its_worst_case_here_or_anywhere() -> None:
    worst = 3 * M5 * 66 / 60
    assert not is_too_dear(JOB, Budget(60, worst + 1e-9))
    assert is_too_dear(JOB, Budget(60, worst - 1e-9))
    # Cheaper in Stockholm, but who reads the manifest does not know the region yet.
    assert is_too_dear(dataclasses.replace(JOB, region="eu-north-1"), Budget(60, worst - 1e-9))
    long = dataclasses.replace(JOB, images=10_000_000)
    assert is_too_dear(long, Budget(10, long.eur - 0.01))
    assert not is_too_dear(long, Budget(10, long.eur + 0.01))


LONG = dataclasses.replace(JOB, engine="reference", images=500_000)
"""160.26 minutes on 8 vCPUs at 6.5 images a second, and ten: 2.25 EUR. With a quarter more time: 213."""


@pytest.mark.parametrize(
    ("budget", "ways"),
    [
        (
            Budget(1000, 5.0),
            [
                ({"limits.max_runtime_minutes": 213}, "2.25"),
                ({"limits.max_cost_eur": 13.29}, "2.25"),  # 3 machines for 1006 minutes
                ({"engine": "fast", "limits.max_runtime_minutes": 46}, "0.48"),
                # (w + 1) machines for 10 + 320.5 / w minutes are cheapest at w = 6.
                ({"cluster.workers": 6, "limits.max_runtime_minutes": 80}, "1.95"),
                # The cheapest of all machines for 4 vCPUs, as the two xlarge; larger ones waste the start.
                ({"cluster.instance_types": ["c5.xlarge"], "limits.max_runtime_minutes": 213}, "2.00"),
                ({"model.image_size": 192, "limits.max_runtime_minutes": 164}, "1.73"),
            ],
        ),
        (
            Budget(60, 1.5),
            [
                ({"limits.max_cost_eur": 2.9, "limits.max_runtime_minutes": 213}, "2.25"),
                ({"engine": "fast"}, "0.48"),
                # 160 pixels would need 122 minutes, which could cost 1.69 EUR.
                ({"model.image_size": 128, "limits.max_runtime_minutes": 88}, "0.92"),
            ],
        ),
        (
            Budget(240, 1.0),
            [
                ({"limits.max_cost_eur": 3.25}, "2.25"),
                ({"engine": "fast", "limits.max_runtime_minutes": 46}, "0.48"),
                ({"model.image_size": 96, "limits.max_runtime_minutes": 61}, "0.64"),
            ],
        ),
    ],
)
def test_the_ways_out_are_the_least_of_changes_with_what_the_run_would_cost(
    budget: Budget, ways: list[tuple[dict[str, object], str]]
) -> None:
    found = [way for way in ways_out(LONG, budget) if way.job.images == LONG.images]
    assert [way.changes for way in found] == [changes for changes, _ in ways]
    for way, (changes, eur) in zip(found, ways, strict=True):
        said = {
            name: ", ".join(value) if isinstance(value, list) else value for name, value in changes.items()
        }
        settings = " and ".join(f"set {name} to {value}" for name, value in said.items())
        assert way.advice == f"{settings} (about {eur} EUR)"
        for name, value in changes.items():
            if name.startswith("limits."):
                assert getattr(way.budget, name.removeprefix("limits.")) == value


@pytest.mark.parametrize(
    ("budget", "images", "advice"),
    [
        # 60 / 1.25 - 10 = 38 of the 160.26 minutes that all images take.
        (Budget(60, 1.5), 118_560, "name at most 118,560 images a manifest (about 0.63 EUR)"),
        # One euro pays for 69 minutes and 6 to be stopped.
        (
            Budget(240, 1.0),
            141_024,
            "name at most 141,024 images a manifest and set limits.max_runtime_minutes to 69 "
            "(about 0.73 EUR)",
        ),
    ],
)
def test_a_manifest_may_be_split_into_parts_that_fit(budget: Budget, images: int, advice: str) -> None:
    *_, split = ways_out(LONG, budget)
    assert (split.job.images, split.advice) == (images, advice)
    assert "cluster.workers" not in split.changes


def test_one_worker_and_fifty_are_the_fewest_and_the_most_that_are_advised() -> None:
    idle = dataclasses.replace(LONG, images=0, workers=5)
    assert {"cluster.workers": 1} in [way.changes for way in ways_out(idle, Budget(120, 1.2))]
    # 38,462 minutes of one worker: 62 would be the cheapest.
    endless = dataclasses.replace(LONG, images=60_000_000, workers=10)
    assert {"cluster.workers": 50} in [way.changes for way in ways_out(endless, Budget(790, 180.0))]


def test_only_smaller_images_are_advised() -> None:
    smaller = dataclasses.replace(LONG, image_size=192)
    sizes = [way.changes.get("model.image_size") for way in ways_out(smaller, Budget(1000, 5.0))]
    assert [size for size in sizes if size] == [160]


def test_where_no_part_would_fit_none_is_advised() -> None:
    starved = ways_out(LONG, Budget(12, 0.1))  # ten minutes with a quarter more are 12.5
    assert all(way.job.images == LONG.images for way in starved)
    # Both pay for more images than there are: 3.06 EUR for 225 minutes, a quarter more than 180.
    for eur in (5.0, 3.06):
        assert not [way for way in ways_out(LONG, Budget(1000, eur)) if "name at most" in way.advice]
    # 12 minutes with a quarter more are 15, and 6 to be stopped: for all of the images, or for none of them.
    budget = Budget(1000, 3 * M5 * 21 / 60 + 1e-9)
    whole = dataclasses.replace(JOB, images=38_400)
    slow = dataclasses.replace(JOB, measured=Measured(starts=(MeasuredStart("a", 10.0, 2.0),)))
    assert (whole.minutes, dataclasses.replace(slow, images=0).minutes) == (12.0, 12.0)
    for job in (whole, slow):
        assert not [way for way in ways_out(job, budget) if "name at most" in way.advice]


def test_a_run_time_that_is_just_enough_is_kept() -> None:
    idle = dataclasses.replace(JOB, images=0)
    assert idle.minutes == 10.0
    # Three machines for 16 minutes.
    assert ways_out(idle, Budget(10, 0.2))[0].changes == {"limits.max_cost_eur": 0.22}


def test_no_run_is_advised_to_take_longer_than_a_day_or_shorter_than_ten_minutes() -> None:
    endless = dataclasses.replace(LONG, images=5_000_000)
    assert not [way for way in ways_out(endless, Budget(60, 1.5)) if way.budget.max_runtime_minutes > 1440]
    assert ways_out(endless, Budget(60, 1.5))
    # Three machines for a day and six minutes.
    assert {"limits.max_cost_eur": 19.1} in [way.changes for way in ways_out(JOB, Budget(1440, 5.0))]


def test_a_way_that_is_no_change_of_engine_is_not_offered_to_the_fast_one() -> None:
    fast = dataclasses.replace(LONG, engine="fast", images=3_000_000)
    assert not [way for way in ways_out(fast, Budget(60, 0.9)) if "engine" in way.changes]
    assert [size for way in ways_out(fast, Budget(60, 0.9)) if (size := way.changes.get("model.image_size"))]
