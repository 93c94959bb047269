"""A run that would cost too much is not launched; of one that ran, it is known what it cost."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.cost.estimate import Budget, Estimate, InstanceUse, Job, estimate, ways_out
from lambdas.contract.manifest.faults import Fault
from lambdas.contract.manifest.schema import Manifest, parse_manifest
from lambdas.contract.run import RunState
from lambdas.runs import examination
from lambdas.runs.cluster_choice import budget_of, job_of
from lambdas.runs.cluster_port import ClusterState
from lambdas.runs.dispatch import Outcome
from lambdas.runs.planning import cost_fault

from .world import World, manifest

REGION = "eu-west-1"
LIMITED = {"limits": {"max_runtime_minutes": 20, "max_cost_eur": 0.5}}


def document(**changes: Any) -> bytes:
    return json.dumps(manifest(**changes)).encode()


def with_changes(document: dict[str, Any], changes: dict[str, object]) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(document))
    for field, value in changes.items():
        section, _, key = field.rpartition(".")
        (changed.setdefault(section, {}) if section else changed)[key] = value
    return changed


def test_a_run_that_is_estimated_above_its_limit_is_rejected_with_the_figure_and_ways_out(
    world: World,
) -> None:
    world.buckets.keys["data-bucket"] = [f"images/apple/{number}.jpg" for number in range(120_000)]
    result = world.launched(engine="reference", **LIMITED)
    assert result.outcome is Outcome.REJECTED
    assert not world.clusters.requests
    assert not world.ledger.records
    (fault,) = world.rejection()["faults"]
    assert fault["path"] == "$.limits.max_cost_eur"
    assert "120,000 images are estimated to take 48 minutes and 0.61 EUR" in fault["problem"]
    assert "list prices of 2025-06 in eu-west-1" in fault["problem"]
    assert fault["remedy"].count("set ") >= 2
    assert "set engine to fast (about " in fault["remedy"]


def refusal(asked: Manifest, images: int) -> Fault | None:
    """Why the launcher would find it too dear."""
    job, budget = job_of(asked, images, REGION), budget_of(asked)
    return cost_fault(job, budget, estimate(job, budget))


def test_what_no_change_makes_affordable_in_a_day_is_to_be_fewer_images() -> None:
    asked = parse_manifest(document(limits={"max_runtime_minutes": 10, "max_cost_eur": 5.0}))
    fault = refusal(asked, 10**12)
    assert fault
    assert fault.remedy == "Name fewer images a manifest."


@given(
    images=st.integers(1, 1_000_000),
    engine=st.sampled_from(["fast", "reference"]),
    workers=st.integers(1, 10),
    minutes=st.integers(10, 60),
)
def test_the_manifest_changed_as_advised_is_accepted(
    images: int, engine: str, workers: int, minutes: int
) -> None:
    asked = manifest(
        engine=engine,
        cluster={"workers": workers},
        limits={"max_runtime_minutes": minutes, "max_cost_eur": 5.0},
    )
    parsed = parse_manifest(json.dumps(asked).encode())
    if refusal(parsed, images) is None:
        return
    ways = ways_out(job_of(parsed, images, REGION), budget_of(parsed))
    assert len(ways) >= 2
    for way in ways:
        changed = parse_manifest(json.dumps(with_changes(asked, way.changes)).encode())
        assert refusal(changed, way.job.images) is None, way


def test_the_plan_and_the_first_status_say_what_is_expected(world: World) -> None:
    world.launched()
    known = world.plan().estimate
    assert known
    assert known.minutes == 10.0
    status = world.status()
    assert (status["estimated_minutes"], status["estimated_eur"]) == (known.minutes, known.eur)
    assert (status["instance_hours"], status["actual_eur"]) == (None, None)
    assert status["prices_as_of"] == "2025-06"


def test_the_cost_of_an_upload_is_estimated_once_for_its_record_plan_and_status(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Estimate] = []

    def counted(job: Job, budget: Budget) -> Estimate:
        made.append(estimate(job, budget))
        return made[-1]

    monkeypatch.setattr(examination, "estimate", counted)
    world.launched()
    assert made == [world.plan().estimate]
    assert world.record().worst_case_eur == made[0].worst_case_eur
    assert world.status()["estimated_eur"] == made[0].eur


def test_what_a_cluster_used_is_in_record_status_and_message(world: World) -> None:
    cluster_id = world.launched_cluster(notify=True)
    world.clusters.used = (InstanceUse("m5.xlarge", spot=False, hours=0.5),) * 3
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "VALIDATION_ERROR")
    world.tracker.track(cluster_id)
    assert world.record().instance_hours == 1.5
    status = world.status()
    assert status["instance_hours"] == 1.5
    assert status["actual_eur"] == pytest.approx(1.5 * (0.230 * 0.94 + 0.048) * 0.95, abs=1e-3)
    ((_, body),) = world.topic.messages
    assert "Cost: about 0.38 EUR for 1.50 instance hours, by list prices of 2025-06, not a bill" in body


def test_a_cluster_that_still_runs_has_no_cost_yet(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.clusters.change(cluster_id, ClusterState.RUNNING)
    world.tracker.track(cluster_id)
    assert world.status()["actual_eur"] is None


def test_every_attempt_counts_in_what_a_run_cost(world: World) -> None:
    first = world.launched_cluster()
    world.clusters.used = (InstanceUse("m5.xlarge", spot=False, hours=0.5),)
    world.clusters.change(first, ClusterState.TERMINATED_WITH_ERRORS, "INTERNAL_ERROR")
    world.tracker.track(first)
    once = world.record()
    assert once.state is RunState.QUEUED
    world.reconcile()
    second = next(cluster for cluster in world.clusters.clusters if cluster != first)
    world.clusters.change(second, ClusterState.TERMINATED_WITH_ERRORS, "VALIDATION_ERROR")
    world.tracker.track(second)
    assert once.instance_hours == 0.5
    assert world.record().instance_hours == 1.0
    assert once.actual_eur is not None
    assert world.record().actual_eur == pytest.approx(2 * once.actual_eur)


def test_a_lost_cluster_keeps_all_that_was_set_aside_for_its_run(world: World) -> None:
    world.launched_cluster()
    committed = world.ledger.shared.committed_eur
    world.clusters.clusters.clear()
    world.time += 3600
    world.reconcile()
    assert world.record().state is RunState.FAILED
    assert not world.ledger.shared.slots
    assert world.ledger.shared.committed_eur == committed > 0


def test_what_is_priced_are_the_machines_of_the_cluster_that_ended_up_to_now(world: World) -> None:
    cluster_id = world.launched_cluster()
    asked: list[tuple[str, float]] = []

    def instances(of: str, now: float) -> tuple[InstanceUse, ...]:
        asked.append((of, now))
        return ()

    world.clusters.instances = instances
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "VALIDATION_ERROR")
    world.tracker.track(cluster_id)
    assert asked == [(cluster_id, world.time)]


def test_a_run_whose_plan_has_no_estimate_ends_without_a_cost(world: World) -> None:
    cluster_id = world.launched_cluster()
    plan = dataclasses.replace(world.plan(), estimate=None)
    world.objects.write(world.keys().plan, plan.to_json())
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "VALIDATION_ERROR")
    world.tracker.track(cluster_id)
    assert (world.status()["state"], world.status()["actual_eur"]) == ("FAILED", None)
