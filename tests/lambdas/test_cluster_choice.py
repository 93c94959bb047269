"""Who says by when gets the cheapest cluster that should make it, or the nearest thing that works."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.cli import views
from lambdas.contract.cost.estimate import Job, estimate, is_too_dear
from lambdas.contract.cost.measured import Measured, MeasuredRate, MeasuredStart
from lambdas.contract.cost.prices import INSTANCE_TYPES
from lambdas.contract.manifest.schema import Manifest, parse_manifest
from lambdas.contract.plan import ClusterSpec
from lambdas.runs.cluster_choice import Choice, budget_of, choose, described
from lambdas.runs.clusters_compared import Circumstances
from lambdas.runs.planning import shard_images, slots

from .world import manifest

DOCS = Path(__file__).resolve().parents[2] / "docs"

X86 = tuple(name for name, kind in INSTANCE_TYPES.items() if kind.architecture == "x86_64")
ARM = {name: kind.architecture == "arm64" for name, kind in INSTANCE_TYPES.items()}
KNOWN = Circumstances("eu-west-1", 100.0, X86)


def asked(minutes: int | None, *, limits: dict[str, Any] | None = None, **cluster: Any) -> Manifest:
    wanted = cluster if minutes is None else {"finish_within_minutes": minutes, **cluster}
    document = manifest(cluster=wanted, limits=limits or {})
    return parse_manifest(json.dumps(document).encode())


def chosen(minutes: int, images: int, known: Circumstances = KNOWN, **more: Any) -> Choice:
    return choose(asked(minutes, **more), images, known)


def test_a_small_run_gets_one_small_machine() -> None:
    choice = chosen(60, images=1_000)
    assert choice.cluster == ClusterSpec(1, ("m6a.xlarge",), "on_demand")
    assert choice.fault is None


def test_a_large_run_gets_as_many_machines_as_it_takes_and_no_more() -> None:
    choice = chosen(60, images=2_000_000)
    # 48 minutes with a quarter more are 60: ten to start and finish, 38 for 833 vCPU minutes.
    vcpus = choice.job.workers * INSTANCE_TYPES[choice.job.instance_types[0]].vcpus
    assert vcpus == 24
    assert choice.job.minutes * 1.25 <= 60
    fewer = dataclasses.replace(choice.job, workers=choice.job.workers - 1)
    assert fewer.minutes * 1.25 > 60 or fewer.eur > choice.job.eur


@settings(max_examples=30)
@given(images=st.integers(1, 5_000_000), minutes=st.integers(13, 120), euros=st.floats(0.5, 50))
def test_what_is_chosen_is_in_time_affordable_and_the_cheapest_of_all_such(
    images: int, minutes: int, euros: float
) -> None:
    parsed = asked(minutes, limits={"max_cost_eur": euros})
    choice, budget = choose(parsed, images, KNOWN), budget_of(parsed)

    def works(job: Job) -> bool:
        in_time = math.ceil(job.minutes * 1.25) <= minutes
        return in_time and not is_too_dear(job, budget) and estimate(job, budget).worst_case_eur <= 100.0

    assert (choice.fault is None) == works(choice.job)
    for workers in (1, 2, 3, 5, 8, 20, 50):
        for name in ("m5.xlarge", "m6a.xlarge", "m6a.2xlarge", "m5.4xlarge", "r5.xlarge"):
            other = dataclasses.replace(choice.job, workers=workers, instance_types=(name,))
            assert not works(other) or (choice.fault is None and choice.job.eur <= other.eur)


def test_types_that_lack_memory_for_the_worst_pictures_are_chosen_only_if_they_are_named() -> None:
    assert "c5.xlarge" in KNOWN.types
    assert chosen(60, images=1_000).job.instance_types == ("m6a.xlarge",)
    named = chosen(60, images=1_000, instance_types=["c5.xlarge", "c6i.xlarge"], market="spot")
    assert named.cluster == ClusterSpec(1, ("c5.xlarge", "c6i.xlarge"), "spot")
    assert described(named.job) == "1 worker of c5.xlarge or c6i.xlarge, spot"


def test_only_types_that_the_stack_can_have_are_chosen() -> None:
    only = dataclasses.replace(KNOWN, types=("c5.xlarge", "r5.2xlarge"))
    assert chosen(60, images=1_000, known=only).job.instance_types == ("r5.2xlarge",)


def test_the_choice_is_explained_and_says_when_no_size_helps() -> None:
    small, large = chosen(60, images=1_000), chosen(60, images=2_000_000)
    assert small.notes == (
        "The cluster was chosen for cluster.finish_within_minutes = 60: 1 worker of m6a.xlarge, on_demand is "
        "the cheapest that should be done by then, and also if it takes a quarter longer than the 10.1 "
        "minutes expected.",
        "No size helps much: starting and finishing take 10.0 minutes on any cluster, and one worker takes "
        "10.1 in all.",
    )
    assert len(large.notes) == 1
    assert large.remark is None


def test_what_the_stacks_own_runs_measured_decides() -> None:
    slow = Measured(
        (MeasuredRate("a", "fast", "m6a.xlarge", 10.0), MeasuredRate("b", "fast", "m5.xlarge", 45.0))
    )
    assert chosen(60, images=300_000).job.instance_types == ("m6a.xlarge",)
    informed = chosen(60, images=300_000, known=dataclasses.replace(KNOWN, measured=slow))
    assert informed.job.instance_types == ("m5.xlarge",)
    quick = dataclasses.replace(KNOWN, measured=Measured(starts=(MeasuredStart("a", 3.0, 1.0),)))
    assert chosen(6, images=1_000, known=quick).fault is None


def test_the_plan_that_the_document_shows_is_what_the_command_says() -> None:
    shown = (DOCS / "manifest.md").read_text()
    example = next(block for block in shown.split("```json\n") if "finish_within" in block).partition("```")[
        0
    ]
    parsed = parse_manifest(example.encode())
    choice = choose(parsed, 90_483, KNOWN)
    expected = estimate(choice.job, budget_of(parsed))
    shards = math.ceil(90_483 / shard_images(90_483, slots(choice.cluster)))
    text = views.plan(90_483, shards, expected, choice, parsed.limits.max_runtime_minutes)
    assert all(line in shown for line in text.splitlines()), text


def test_graviton_is_shown_beside_the_choice_and_chosen_once_a_run_has_measured_it() -> None:
    both = dataclasses.replace(KNOWN, types=tuple(INSTANCE_TYPES))
    choice = chosen(20, images=90_483, known=both)
    assert choice.job.instance_types == ("m6a.xlarge",)
    (arm,) = [job for job in choice.alternatives if ARM[job.instance_types[0]]]
    assert (arm.instance_types, arm.workers, arm.rate.machines) == (("m6g.xlarge",), 2, "arm64")
    assert arm.eur < choice.job.eur
    for rate, name in ((45.0, "m6g.xlarge"), (20.0, "m6a.xlarge")):
        measured = Measured((MeasuredRate("a", "fast", "m6g.xlarge", rate),))
        informed = chosen(20, images=90_483, known=dataclasses.replace(both, measured=measured))
        assert informed.job.instance_types == (name,)


def test_graviton_is_chosen_at_once_where_the_manifest_names_it() -> None:
    both = dataclasses.replace(KNOWN, types=tuple(INSTANCE_TYPES))
    choice = chosen(20, images=90_483, known=both, instance_types=["m7g.xlarge"])
    assert choice.cluster == ClusterSpec(2, ("m7g.xlarge",), "on_demand")
    assert "40 images/s a vCPU (assumed on arm64)" in choice.job.basis
