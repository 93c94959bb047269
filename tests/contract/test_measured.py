"""How fast machines are: what the stack's own runs measured goes before what is assumed."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.cost.estimate import Job
from lambdas.contract.cost.measured import (
    KEPT,
    NOTHING_MEASURED,
    Measured,
    MeasuredRate,
    MeasuredStart,
    Rate,
    relative_time,
)


def rate(run: str, instance_type: str, value: float, engine: str = "fast") -> MeasuredRate:
    return MeasuredRate(run, engine, instance_type, value)


def start(run: str, startup: float = 6.0, steps: float = 1.0) -> MeasuredStart:
    return MeasuredStart(run, startup, steps)


def test_before_anything_was_measured_the_documented_assumptions_hold() -> None:
    assert NOTHING_MEASURED.rate("fast", "m5.xlarge") == Rate(40.0, 0, "x86_64")
    assert NOTHING_MEASURED.rate("reference", "m5.xlarge") == Rate(6.5, 0, "x86_64")
    assert NOTHING_MEASURED.fixed_minutes == 10.0
    assert NOTHING_MEASURED.rate("fast", "m5.xlarge").text == "40 images/s a vCPU (assumed on x86_64)"
    assert NOTHING_MEASURED.start_text == "10.0 minutes to start and finish (assumed)"


def test_a_family_that_was_measured_goes_before_its_architecture_and_that_before_the_assumption() -> None:
    known = Measured((rate("a", "m5.xlarge", 30.0), rate("b", "c5.xlarge", 50.0)))
    assert known.rate("fast", "m5.4xlarge") == Rate(30.0, 1, "m5")
    assert known.rate("fast", "r5.xlarge") == Rate(40.0, 2, "x86_64")
    assert known.rate("reference", "m5.xlarge").runs == 0
    assert known.has_rate("fast", "x86_64")
    assert not known.has_rate("reference", "x86_64")
    assert [(engine, found.machines) for engine, found in known.known()] == [("fast", "c5"), ("fast", "m5")]


def test_one_odd_run_does_not_decide() -> None:
    known = NOTHING_MEASURED
    for number, value in enumerate([40.0, 4.0, 42.0]):
        known = known.with_run(start(f"r{number}", startup=value), rate(f"r{number}", "m5.xlarge", value))
    assert known.rate("fast", "m5.xlarge").text == (
        "40 images/s a vCPU (measured by 3 runs of this stack on m5)"
    )
    assert known.fixed_minutes == 41.0
    assert known.start_text == "41.0 minutes to start and finish (measured by 3 runs of this stack)"


def test_the_latest_runs_are_kept_for_each_engine_and_family() -> None:
    known = NOTHING_MEASURED.with_run(start("c"), rate("c", "c5.xlarge", 50.0))
    known = known.with_run(start("e"), rate("e", "m5.xlarge", 6.0, engine="reference"))
    for number in range(KEPT + 2):
        known = known.with_run(start(f"r{number}"), rate(f"r{number}", "m5.xlarge", float(number)))
    assert [one.run_id for one in known.rates] == ["r6", "r5", "r4", "r3", "r2", "e", "c"]
    assert [one.run_id for one in known.starts] == ["r6", "r5", "r4", "r3", "r2"]


def test_a_run_that_is_told_twice_counts_once_and_one_without_a_rate_tells_of_its_start() -> None:
    known = NOTHING_MEASURED.with_run(start("a"), None)
    assert (known.rates, known.starts) == ((), (start("a"),))
    assert known.with_run(start("a"), rate("a", "m5.xlarge", 1.0)) is known


def test_a_type_that_has_no_price_any_more_is_left_aside() -> None:
    known = Measured((rate("a", "z9.huge", 1.0),))
    assert known.rate("fast", "m5.xlarge").runs == 0
    assert not known.has_rate("fast", "x86_64")
    assert list(known.known()) == []


def test_estimates_rest_on_what_was_measured_and_say_so() -> None:
    job = Job(48_000, "fast", 224, 1, ("m5.xlarge", "c5.xlarge"), spot=False, region="eu-west-1")
    known = Measured((rate("a", "m5.xlarge", 20.0), rate("b", "c5.xlarge", 50.0)), (start("a"),))
    measured = dataclasses.replace(job, measured=known)
    assert job.minutes == pytest.approx(10 + 48_000 / 160 / 60)
    # The slower of the two types.
    assert measured.minutes == pytest.approx(7 + 48_000 / 80 / 60)
    assert measured.basis == (
        "20 images/s a vCPU (measured by 1 run of this stack on m5), "
        "7.0 minutes to start and finish (measured by 1 run of this stack)"
    )


def test_a_graviton_machine_is_taken_for_an_x86_one_until_a_run_has_measured_it() -> None:
    assert NOTHING_MEASURED.rate("fast", "m7g.xlarge") == Rate(40.0, 0, "arm64")
    assert dataclasses.replace(NOTHING_MEASURED, arm_speed=0.75).rate("fast", "m7g.xlarge") == Rate(
        30.0, 0, "arm64"
    )
    on_x86 = Measured((rate("a", "m5.xlarge", 20.0),), arm_speed=1.5)
    assert on_x86.rate("fast", "m7g.xlarge") == Rate(30.0, 0, "arm64")
    assert not on_x86.has_rate("fast", "arm64")
    on_both = on_x86.with_run(start("b"), rate("b", "m6g.xlarge", 44.0))
    assert on_both.rate("fast", "m7g.xlarge") == Rate(44.0, 1, "arm64")
    assert on_both.rate("fast", "r5.xlarge") == Rate(20.0, 1, "x86_64")


def test_smaller_images_take_less_of_what_the_network_takes() -> None:
    assert relative_time(224) == 1.0
    assert relative_time(112) == pytest.approx(0.07 + 0.93 / 4)
