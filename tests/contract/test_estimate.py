"""Time and cost of a run: an estimate that is above the limit comes with ways that really lead below it."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lambdas.contract.cost.estimate import Budget, InstanceUse, Job, estimate, is_too_dear, usage, ways_out
from lambdas.contract.cost.measured import STARTUP_MINUTES, STEPS_MINUTES
from lambdas.contract.cost.prices import INSTANCE_TYPES, REGION_FACTORS
from lambdas.contract.regions import EU_REGIONS

JOB = Job(
    images=67_692,
    engine="fast",
    image_size=224,
    workers=2,
    instance_types=("m5.xlarge",),
    spot=False,
    region="eu-west-1",
)
BUDGET = Budget(max_runtime_minutes=120, max_cost_eur=10.0)

jobs = st.builds(
    Job,
    images=st.integers(0, 2_000_000),
    engine=st.sampled_from(["fast", "reference"]),
    image_size=st.sampled_from([96, 128, 160, 192, 224]),
    workers=st.integers(1, 50),
    instance_types=st.lists(st.sampled_from(sorted(INSTANCE_TYPES)), min_size=1, max_size=3, unique=True).map(
        tuple
    ),
    spot=st.booleans(),
    region=st.sampled_from(sorted(EU_REGIONS)),
)
budgets = st.builds(Budget, st.integers(10, 1440), st.floats(0.01, 500))


def test_every_region_that_may_be_deployed_to_has_its_prices() -> None:
    assert set(REGION_FACTORS) == set(EU_REGIONS)


def test_the_reference_project_is_estimated_as_it_was_measured() -> None:
    measured_minutes = 21.5
    minutes = dataclasses.replace(JOB, engine="reference").minutes - STARTUP_MINUTES - STEPS_MINUTES
    assert minutes == pytest.approx(measured_minutes, rel=0.05)


def test_an_estimate_says_minutes_euros_the_worst_case_and_the_date_of_its_prices() -> None:
    known = estimate(JOB, BUDGET)
    assert known.minutes == pytest.approx(10 + 67_692 / (40 * 8) / 60, abs=0.1)
    # Three m5.xlarge: 0.230 USD x 0.94 for EC2 and 0.048 for EMR, at 0.95 EUR a dollar.
    hourly = 3 * (0.230 * 0.94 + 0.048) * 0.95
    assert known.eur == pytest.approx(hourly * known.minutes / 60, abs=0.01)
    assert known.worst_case_eur == pytest.approx(hourly * (120 + 6) / 60, abs=0.01)
    assert known.prices_as_of == "2025-06"


def test_spot_lowers_the_estimate_and_not_the_worst_case() -> None:
    spot = estimate(dataclasses.replace(JOB, spot=True), BUDGET)
    on_demand = estimate(JOB, BUDGET)
    assert spot.eur < on_demand.eur
    assert spot.worst_case_eur == on_demand.worst_case_eur


@given(jobs, st.integers(1, 10_000))
def test_more_images_never_take_less_time_or_money(job: Job, more: int) -> None:
    larger = dataclasses.replace(job, images=job.images + more)
    assert larger.minutes > job.minutes
    assert larger.eur > job.eur


@given(jobs)
def test_smaller_images_never_take_longer(job: Job) -> None:
    assert dataclasses.replace(job, image_size=96).minutes <= job.minutes


@given(jobs, budgets)
def test_every_way_out_was_tried_and_leads_below_the_limit_in_time(job: Job, budget: Budget) -> None:
    assume(is_too_dear(job, budget))
    for way in ways_out(job, budget):
        assert not is_too_dear(way.job, way.budget), way
        assert way.job.minutes <= way.budget.max_runtime_minutes <= 1440
        assert way.advice
        raised = "limits.max_cost_eur" in way.changes
        assert raised or way.budget.max_cost_eur == budget.max_cost_eur


@given(jobs, st.integers(10, 1440))
def test_a_run_that_a_little_money_would_pay_has_two_ways_out_at_least(job: Job, minutes: int) -> None:
    # Enough for the start and a few images, not enough for the run.
    budget = Budget(minutes, job.worst_case_eur(15))
    assume(is_too_dear(job, budget))
    assume(minutes >= 15)
    assume(job.worst_case_eur(max(minutes, job.minutes * 1.25 + 1)) < 10_000)
    assume(job.minutes <= 1440 / 1.25)
    assume(job.images > 10_000)
    assert len(ways_out(job, budget)) >= 2


def test_the_cost_afterwards_counts_every_machine_for_as_long_as_it_ran() -> None:
    machines = [
        InstanceUse("m5.xlarge", spot=False, hours=0.5),
        InstanceUse("m5.xlarge", spot=True, hours=1.0),
    ]
    used = usage(machines, "eu-central-1")
    assert used.instance_hours == 1.5
    assert used.eur == pytest.approx(0.95 * (0.5 * 0.278 + (0.230 * 0.6 + 0.048)), abs=1e-4)


def test_a_machine_of_seconds_is_billed_for_a_minute() -> None:
    assert usage([InstanceUse("m5.xlarge", spot=False, hours=0.0001)], "eu-west-1").instance_hours == 0.017


def test_a_machine_without_a_known_price_leaves_the_cost_open_and_not_the_hours() -> None:
    used = usage([InstanceUse("z9.huge", spot=False, hours=2.0)], "eu-west-1")
    assert (used.instance_hours, used.eur) == (2.0, None)
