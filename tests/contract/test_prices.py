"""What clusters cost, worked by hand from the price table, in Frankfurt's prices unless it says otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lambdas.contract.cost import prices
from lambdas.contract.cost.estimate import InstanceUse, Usage, usage
from lambdas.contract.cost.prices import INSTANCE_TYPES, affordable_minutes, eur_per_hour, worst_case_eur

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


def test_what_a_cluster_used_is_hours_and_euros_of_every_machine() -> None:
    machines = [
        InstanceUse("m5.xlarge", spot=False, hours=1.23456),
        InstanceUse("r5.xlarge", spot=True, hours=2.0),
        InstanceUse("m5.xlarge", spot=False, hours=0.0),
    ]
    m5, r5 = (0.230 * 0.9 + 0.048) * 0.95, (0.304 * 0.9 * 0.6 + 0.063) * 0.95
    assert usage(machines, "eu-north-1") == Usage(3.251, round((1.23456 + 1 / 60) * m5 + 2 * r5, 4))
    assert usage([], "eu-north-1") == Usage(0, 0)
    assert usage(machines, "eu-central-2") == Usage(3.251, None)
    assert usage([*machines, InstanceUse("z9.huge", spot=False, hours=1.0)], "eu-north-1") == Usage(
        4.251, None
    )
