"""What clusters cost, worked by hand from the price table, in Frankfurt's prices unless it says otherwise."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from lambdas.contract.cost import estimate as estimates
from lambdas.contract.cost import prices
from lambdas.contract.cost.estimate import (
    Budget,
    InstanceUse,
    Job,
    Usage,
    is_too_dear,
    usage,
    ways_out,
)
from lambdas.contract.cost.prices import (
    INSTANCE_TYPES,
    affordable_minutes,
    eur_per_hour,
    worst_case_eur,
)

M5, R5 = (0.230 + 0.048) * 0.95, (0.304 + 0.063) * 0.95
"""Euros an hour of an m5.xlarge and an r5.xlarge."""


def test_a_machine_costs_ec2s_price_by_region_and_market_and_emrs_fee() -> None:
    m5 = INSTANCE_TYPES["m5.xlarge"]
    assert m5.eur_per_hour() == pytest.approx(M5)
    assert m5.eur_per_hour("eu-central-1") == pytest.approx(M5)
    assert m5.eur_per_hour("eu-north-1") == pytest.approx((0.230 * 0.90 + 0.048) * 0.95)
    assert m5.eur_per_hour(spot=True) == pytest.approx((0.230 * 0.6 + 0.048) * 0.95)
    assert m5.eur_per_hour("eu-west-1", spot=True) == pytest.approx((0.230 * 0.94 * 0.6 + 0.048) * 0.95)


@pytest.mark.parametrize(
    ("types", "workers", "spot", "eur"),
    [
        (("m5.xlarge",), 1, False, 2 * M5),
        (("m5.xlarge",), 4, False, 5 * M5),
        (("m5.xlarge", "r5.xlarge"), 4, False, 5 * R5),
        (("r5.xlarge", "m5.xlarge"), 4, False, 5 * R5),
        # The primary and the first worker are never on spot.
        (("m5.xlarge",), 1, True, 2 * M5),
        (("m5.xlarge",), 4, True, 2 * M5 + 3 * (0.230 * 0.6 + 0.048) * 0.95),
        (("m5.xlarge",), 0, False, M5),
    ],
)
def test_a_cluster_costs_as_many_of_the_dearest_machine_as_it_has_nodes(
    types: tuple[str, ...], workers: int, spot: bool, eur: float
) -> None:
    assert eur_per_hour(types, workers, spot=spot) == pytest.approx(eur)


def test_the_decision_about_graviton_rests_on_these_prices() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/decisions/0022-graviton-is-asked-for.md").read_text()
    told = dict(re.findall(r"\b([cmr]\d[agi]?) (0\.0\d{3})\b", text))
    assert told.keys() == {"m6i", "m6a", "m6g", "m7g", "c6i", "c7g", "r5", "r7g"}
    for family, usd in told.items():
        kind = INSTANCE_TYPES[f"{family}.xlarge"]
        per_vcpu = (kind.ec2_usd_per_hour + kind.emr_usd_per_hour) / kind.vcpus
        assert float(usd) == pytest.approx(per_vcpu, abs=6e-5), family


def test_a_cluster_is_priced_in_its_region() -> None:
    in_stockholm = (0.230 * 0.90 + 0.048) * 0.95
    assert eur_per_hour(("m5.xlarge",), 2, "eu-north-1") == pytest.approx(3 * in_stockholm)
    assert eur_per_hour(("m5.xlarge",), 2, "eu-north-1", spot=True) == pytest.approx(
        2 * in_stockholm + (0.230 * 0.90 * 0.6 + 0.048) * 0.95
    )


def test_the_worst_case_is_all_of_the_time_and_six_minutes_to_be_stopped() -> None:
    assert worst_case_eur(("m5.xlarge",), 2, 120) == pytest.approx(3 * M5 * 126 / 60)
    assert worst_case_eur(("m5.xlarge",), 2, 120, "eu-west-1") == pytest.approx(
        3 * (0.230 * 0.94 + 0.048) * 0.95 * 126 / 60
    )


@pytest.mark.parametrize(("eur", "region"), [(5.0, None), (5.0, "eu-north-1"), (0.01, None), (1.0, None)])
def test_the_affordable_minutes_are_the_most_that_do_not_cost_more(eur: float, region: str | None) -> None:
    minutes = affordable_minutes(eur, ("m5.xlarge", "r5.xlarge"), 3, region)
    assert isinstance(minutes, int)
    assert worst_case_eur(("m5.xlarge", "r5.xlarge"), 3, minutes, region) <= eur
    assert worst_case_eur(("m5.xlarge", "r5.xlarge"), 3, minutes + 1, region) > eur


def test_the_table_holds_what_aws_listed() -> None:
    assert (prices.PRICES_AS_OF, prices.EUR_PER_USD, prices.SPOT_PRICE_SHARE) == ("2025-06", 0.95, 0.6)
    # Within a family EC2's price and vCPUs double with the size; EMR's fee is about a fifth of EC2's price.
    sizes = {"xlarge": 4, "2xlarge": 8, "4xlarge": 16}
    for name, kind in INSTANCE_TYPES.items():
        family, size = name.split(".")
        smallest = INSTANCE_TYPES[f"{family}.xlarge"]
        assert kind.vcpus == sizes[size]
        times = kind.vcpus // 4
        assert kind.ec2_usd_per_hour == pytest.approx(smallest.ec2_usd_per_hour * times)
        assert kind.emr_usd_per_hour == pytest.approx(smallest.emr_usd_per_hour * times, abs=0.003)
        assert 0.19 < kind.emr_usd_per_hour / kind.ec2_usd_per_hour < 0.22
    assert {name: INSTANCE_TYPES[f"{name}.xlarge"].ec2_usd_per_hour for name in ("c5", "m5", "r5")} == {
        "c5": 0.204, "m5": 0.230, "r5": 0.304,
    }  # fmt: skip


def test_graviton_machines_are_those_with_a_g_and_a_fifth_cheaper_than_their_likes() -> None:
    # Source: EC2 User Guide, "Instance type names".
    arm = {name for name, kind in INSTANCE_TYPES.items() if kind.architecture == "arm64"}
    assert arm == {name for name in INSTANCE_TYPES if name.partition(".")[0].endswith("g")}
    assert {name.partition(".")[0] for name in arm} == {"m6g", "m7g", "c7g", "r7g"}
    for name in arm:
        like = INSTANCE_TYPES[f"{name[0]}5.{name.partition('.')[2]}"]
        share = INSTANCE_TYPES[name].eur_per_hour() / like.eur_per_hour()
        assert 0.78 < share < 0.87, name


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


def test_a_run_time_that_is_just_enough_is_kept() -> None:
    idle = dataclasses.replace(JOB, images=0)
    assert idle.minutes == 10.0
    # Three machines for 16 minutes.
    assert ways_out(idle, Budget(10, 0.2))[0].changes == {"limits.max_cost_eur": 0.22}


def test_no_run_is_advised_to_take_longer_than_a_day_or_shorter_than_ten_minutes() -> None:
    endless = dataclasses.replace(LONG, images=5_000_000)
    assert not [way for way in ways_out(endless, Budget(60, 1.5)) if way.budget.max_runtime_minutes > 1440]
    assert ways_out(endless, Budget(60, 1.5))


def test_a_way_that_is_no_change_of_engine_is_not_offered_to_the_fast_one() -> None:
    fast = dataclasses.replace(LONG, engine="fast", images=3_000_000)
    assert not [way for way in ways_out(fast, Budget(60, 0.9)) if "engine" in way.changes]
    assert [size for way in ways_out(fast, Budget(60, 0.9)) if (size := way.changes.get("model.image_size"))]


def test_what_a_cluster_used_is_hours_and_euros_of_every_machine() -> None:
    machines = [
        InstanceUse("m5.xlarge", spot=False, hours=1.23456),
        InstanceUse("r5.xlarge", spot=True, hours=2.0),
        InstanceUse("m5.xlarge", spot=False, hours=0.0),
    ]
    m5, r5 = (0.230 * 0.9 + 0.048) * 0.95, (0.304 * 0.9 * 0.6 + 0.063) * 0.95
    assert usage(machines, "eu-north-1") == Usage(3.251, round((1.23456 + 1 / 60) * m5 + 2 * r5, 4))
    assert usage([], "eu-north-1") == Usage(0, 0)
    assert usage([*machines, InstanceUse("z9.huge", spot=False, hours=1.0)], "eu-north-1") == Usage(
        4.251, None
    )
