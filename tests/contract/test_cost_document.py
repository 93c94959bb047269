"""The examples in docs/cost.md are what the code computes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.components.alarms import alarms
from lambdas.contract.cost.estimate import Job
from lambdas.contract.metrics import METRICS

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "cost.md").read_text()
EXAMPLES = re.findall(
    r"^\| ([\d,]+) \| (\d+) \| (fast|reference) \| (\d+) \| (on_demand|spot) \|"
    r" ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$",
    DOCUMENT,
    re.MULTILINE,
)


def test_there_are_examples_for_the_customers_and_for_ten_million_images() -> None:
    assert {"90,483", "10,000,000"} <= {example[0] for example in EXAMPLES}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: " ".join(example[:5]))
def test_an_example_is_what_the_code_computes(example: tuple[str, ...]) -> None:
    images, workers, engine, pixels, market, minutes, euros, at_most = example
    job = Job(
        images=int(images.replace(",", "")),
        engine=engine,
        image_size=int(pixels),
        workers=int(workers),
        instance_types=("m5.xlarge",),
        spot=market == "spot",
        region="eu-west-1",
    )
    assert (f"{job.minutes:.1f}", f"{job.eur:.2f}") == (minutes, euros)
    assert f"{job.worst_case_eur(120):.2f}" == at_most


def test_the_fixed_costs_add_up() -> None:
    table = DOCUMENT.split("## A month without any run")[1].split("##")[0]
    amounts = [
        float(amount) for amount in re.findall(r"\| (?:\*\*)?([\d.]+)(?:\*\*)? \|$", table, re.MULTILINE)
    ]
    *items, total = amounts
    assert total == pytest.approx(sum(items))


def test_what_is_charged_by_the_piece_is_counted() -> None:
    rung = alarms("stack", "queue", dict.fromkeys(("launcher", "tracker", "reconciler"), "name"))
    assert f"| alarms | {len(rung)} x " in DOCUMENT
    of_the_stack = [metric for metric in METRICS if metric.dimensions == ("service",)]
    assert f"| metrics of the reconciler | {len(of_the_stack)} x " in DOCUMENT
