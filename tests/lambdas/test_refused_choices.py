"""Minutes, euros or days that no cluster meets are refused, with the nearest that works."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.contract.cost.estimate import limit_needed
from lambdas.contract.manifest.faults import Fault
from lambdas.runs.cluster_choice import FINISH_WITHIN, MAX_RUNTIME

from .test_cluster_choice import KNOWN, chosen


def test_minutes_that_no_cluster_meets_are_refused_with_those_that_one_does() -> None:
    choice = chosen(12, images=90_483)
    assert choice.fault
    assert choice.fault.path == "$.cluster.finish_within_minutes"
    assert choice.fault.problem.startswith("is 12, which no cluster should meet: the fastest, 50 workers of ")
    assert "10.0 of them on any cluster" in choice.fault.problem
    assert "40 images/s a vCPU (assumed on x86_64)" in choice.fault.problem
    assert chosen(14, images=90_483).fault is None


EIGHT = "14: 8 workers of m6a.xlarge, on_demand, about 11.2 minutes and 0.38 EUR."
"""37.7 vCPU minutes beside the ten."""
MANY = "13: 24 workers of m6a.xlarge, on_demand, about 10.4 minutes and 0.98 EUR."
"""Too dear for an hour or two."""


@pytest.mark.parametrize(
    ("minutes", "runtime", "euros", "path", "remedy"),
    [
        (12, 120, 10.0, FINISH_WITHIN, f"Set {FINISH_WITHIN} to {EIGHT}"),
        (600, 10, 10.0, MAX_RUNTIME, f"Set {MAX_RUNTIME} to {MANY}"),
        (13, 10, 10.0, MAX_RUNTIME, f"Set {MAX_RUNTIME} to {MANY}"),
        (10, 10, 10.0, FINISH_WITHIN, f"Set {FINISH_WITHIN} and {MAX_RUNTIME} to {MANY}"),
        # The 24 could be paid for ten minutes, and not for the 13 that they may need.
        (10, 10, 1.7, FINISH_WITHIN, f"Set {FINISH_WITHIN} and {MAX_RUNTIME} to {EIGHT}"),
    ],
)
def test_the_limit_that_is_too_short_is_named_with_the_least_of_minutes_and_their_cheapest_cluster(
    minutes: int, runtime: int, euros: float, path: str, remedy: str
) -> None:
    limits = {"max_runtime_minutes": runtime, "max_cost_eur": euros}
    fault = chosen(minutes, images=90_483, limits=limits).fault
    assert fault
    assert fault.problem.startswith(f"is {min(minutes, runtime)}, which no cluster should meet")
    assert (fault.path, fault.remedy) == (f"$.{path}", remedy)
    assert fault.nearest == remedy.partition(":")[0].rpartition(" ")[2]


def test_a_day_is_the_longest_that_is_advised() -> None:
    rich = dataclasses.replace(KNOWN, max_eur_per_day=500.0)
    types = {"instance_types": ["m5.xlarge"], "limits": {"max_cost_eur": 500}}
    # 50 workers take 1,151.7 minutes, and a quarter more is 1,439.6.
    fault = chosen(60, 548_000_000, rich, **types).fault
    assert fault
    assert fault.nearest == "1440"


@settings(max_examples=30)
@given(
    images=st.integers(1, 20_000_000), minutes=st.integers(1, 1440), runtime=st.integers(10, 1440),
    euros=st.floats(0.1, 300),
)  # fmt: skip
def test_the_nearest_minutes_that_are_named_work(
    images: int, minutes: int, runtime: int, euros: float
) -> None:
    limits = {"max_runtime_minutes": runtime, "max_cost_eur": euros}
    fault = chosen(minutes, images, limits=limits).fault
    if fault is None or fault.nearest is None:
        return
    fields = fault.remedy.partition(" to ")[0]
    longer = int(fault.nearest)
    if "finish_within_minutes" in fields:
        minutes = longer
    if "max_runtime_minutes" in fields:
        limits["max_runtime_minutes"] = longer
    if money := re.search(r"limits\.max_cost_eur to ([0-9.]+):", fault.remedy):
        limits["max_cost_eur"] = float(money[1])
    assert chosen(minutes, images, limits=limits).fault is None, fault


@pytest.mark.parametrize(
    ("minutes", "limits", "remedy"),
    [
        (
            12,
            {"max_cost_eur": 0.2},
            "Set cluster.finish_within_minutes and limits.max_runtime_minutes to 13: ",
        ),
        (13, {"max_runtime_minutes": 12}, "Set limits.max_runtime_minutes to 13: "),
        (
            20,
            {"max_cost_eur": 0.05, "max_runtime_minutes": 12},
            "Set limits.max_runtime_minutes to 13, and limits.max_cost_eur to 0.16: ",
        ),
        (
            12,
            {"max_cost_eur": 0.05},
            "Set cluster.finish_within_minutes and limits.max_runtime_minutes to 13, and limits.max_cost_eur "
            "to 0.16: ",
        ),
    ],
)
def test_minutes_that_only_other_limits_would_allow_are_advised_with_these(
    minutes: int, limits: dict[str, Any], remedy: str
) -> None:
    fault = chosen(minutes, 122, limits=limits).fault
    assert fault
    assert fault.remedy == f"{remedy}1 worker of m6a.xlarge, on_demand, about 10.0 minutes and 0.08 EUR."
    assert fault.nearest == "13"


def test_where_the_stack_may_not_spend_what_any_minutes_cost_that_is_said() -> None:
    poor = dataclasses.replace(KNOWN, max_eur_per_day=0.05)
    fault = chosen(12, 122, poor).fault
    assert fault
    assert fault.remedy == "Name fewer images a manifest, or raise fruits:maxEurPerDay of the stack."
    assert fault.nearest is None


def test_where_no_minutes_would_do_fewer_images_are_advised() -> None:
    choice = chosen(60, images=10_000_000_000)
    assert choice.fault == Fault(
        "$.cluster.finish_within_minutes",
        "is 60, which no cluster should meet: the fastest, 50 workers of m6i.4xlarge, on_demand, is expected "
        "to take 5218.3 minutes for 10,000,000,000 images, 10.0 of them on any cluster, and a quarter more "
        "must fit, too; estimated by 40 images/s a vCPU (assumed on x86_64), 10.0 minutes to start and "
        "finish (assumed)",
        "Name fewer images a manifest.",
    )


def test_what_is_in_time_and_too_dear_is_refused_with_the_ways_out() -> None:
    limits = {"max_cost_eur": 1.0}
    choice = chosen(60, images=2_000_000, limits=limits)
    assert choice.fault
    assert choice.fault.path == "$.limits.max_cost_eur"
    assert choice.fault.problem.startswith(
        "is 1, but the cheapest cluster that should be done within 60 minutes"
    )
    # Seven machines for two hours and six minutes, where they are dearest.
    assert choice.fault.remedy == "Raise this to 3.51."
    assert chosen(60, images=2_000_000, limits={"max_cost_eur": 3.51}).fault is None
    small = chosen(14, images=90_483, limits={"max_cost_eur": 1.0, "max_runtime_minutes": 600})
    assert small.fault
    assert small.fault.remedy.startswith("Either lower limits.max_runtime_minutes to 1")


@pytest.mark.parametrize(
    ("a_day", "way", "works"),
    [
        (100.0, "raise this to 11.50", {"max_cost_eur": 11.50}),
        (5.0, "raise this to 0.16 and lower limits.max_runtime_minutes to 13", {"max_cost_eur": 0.16}),
        (0.1, "raise fruits:maxEurPerDay of the stack, and this", None),
    ],
)
def test_as_much_money_is_advised_as_the_stack_may_spend_in_a_day(
    a_day: float, way: str, works: dict[str, Any] | None
) -> None:
    known = dataclasses.replace(KNOWN, max_eur_per_day=a_day)
    limits = {"max_runtime_minutes": 1440, "max_cost_eur": 0.11}
    fault = chosen(30, 1_000, known, limits=limits).fault
    assert fault
    assert fault.path == "$.limits.max_cost_eur"
    assert way in fault.remedy.replace("Raise", "raise")
    if works:
        runtime = 13 if "lower" in way else 1440
        assert chosen(30, 1_000, known, limits={"max_runtime_minutes": runtime, **works}).fault is None


def test_a_longer_time_that_is_affordable_is_advised() -> None:
    limits = {"max_cost_eur": 0.3, "max_runtime_minutes": 25}
    choice = chosen(14, images=90_483, limits=limits)
    assert choice.fault
    assert choice.fault.remedy == (
        "Either raise cluster.finish_within_minutes to 25 (1 worker of m6a.xlarge, on_demand, about 19.4 "
        "minutes and 0.15 EUR); or raise this to 1.11."
    )
    assert chosen(25, images=90_483, limits=limits).fault is None


def test_a_cluster_beyond_what_the_stack_may_spend_a_day_is_refused() -> None:
    poor = dataclasses.replace(KNOWN, max_eur_per_day=1.0)
    choice = chosen(60, images=2_000_000, known=poor)
    assert choice.fault
    assert choice.fault.path == "$.limits.max_runtime_minutes"
    assert "this stack may spend 1.00 EUR a day" in choice.fault.problem
    assert choice.fault.remedy == "Raise fruits:maxEurPerDay of the stack."
    # A limit that is just enough is not in the way.
    limit = limit_needed(chosen(60, images=1_000).job, 120)
    poorer = dataclasses.replace(KNOWN, max_eur_per_day=0.5)
    fault = chosen(60, images=1_000, known=poorer, limits={"max_cost_eur": limit}).fault
    assert fault
    assert (fault.path, fault.remedy) == (
        "$.limits.max_runtime_minutes",
        "Either lower limits.max_runtime_minutes to 13; or raise fruits:maxEurPerDay of the stack.",
    )
