"""Completed runs leave what they measured, and the next estimates rest on it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lambdas.contract.cost.estimate import InstanceUse
from lambdas.contract.cost.measured import NOTHING_MEASURED, Measured, MeasuredRate, MeasuredStart
from lambdas.contract.plan import Plan
from lambdas.contract.report import FeaturizeMetrics, StepReport
from lambdas.contract.run import RunRecord
from lambdas.runs.cluster_port import ClusterState, StepState
from lambdas.runs.learning import of_run

from .runs import DONE, begun
from .world import World, manifest

FEATURIZED = FeaturizeMetrics(20_000, 0, 0, 320.0, 8, {}, 0, ())


def completed(
    world: World,
    seconds: float = 62.5,
    types: tuple[str, ...] = ("m5.xlarge",) * 3,
    *,
    size: int = 224,
    waited: float = 360,
    beside: float = 120,
    heard_after: float = 0,
    **measured: Any,
) -> str:
    """A run that waited six minutes for its cluster, and spent two on its steps beside computing."""
    cluster_id = begun(world, waited, model={"image_size": size}, cluster={"workers": 2})
    world.time += beside + seconds
    featurized = dataclasses.replace(FEATURIZED, **measured)
    world.report("featurize", seconds={"list": 3.0, "featurize": seconds}, featurize=featurized)
    world.report("pca")
    world.clusters.used = tuple(InstanceUse(name, spot=False, hours=0.2) for name in types)
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.time += heard_after
    world.tracker.track(cluster_id)
    return cluster_id


def test_a_completed_run_leaves_its_rate_and_what_it_took_beside_computing(world: World) -> None:
    completed(world)
    run_id = world.record().run_id
    known = world.ledger.measured()
    assert known.rates == (MeasuredRate(run_id, "fast", "m5.xlarge", 320.0 / 8),)
    assert known.starts == (MeasuredStart(run_id, 6.0, 2.0),)


def test_a_rate_is_that_of_full_sized_images(world: World) -> None:
    completed(world, size=128)
    (rate,) = world.ledger.measured().rates
    assert rate.images_per_second_per_vcpu == pytest.approx(40.0 * (0.07 + 0.93 * (128 / 224) ** 2))


def test_no_part_of_a_run_took_less_than_no_time_whatever_two_clocks_say(world: World) -> None:
    completed(world, waited=0, beside=-10)
    assert world.ledger.measured().starts == (MeasuredStart(world.record().run_id, 0.0, 0.0),)


@pytest.mark.parametrize(("rate", "kept"), [(0.0, []), (0.5, [0.5 / 8])])
def test_half_a_minute_of_work_tells_of_a_rate_unless_nothing_was_computed(
    world: World, rate: float, kept: list[float]
) -> None:
    completed(world, 30.0, images_per_second=rate)
    assert [known.images_per_second_per_vcpu for known in world.ledger.measured().rates] == kept


def test_an_end_that_is_heard_of_hours_later_is_not_learned_as_a_long_run(world: World) -> None:
    completed(world, heard_after=3 * 3600)
    assert world.ledger.measured().starts == (MeasuredStart(world.record().run_id, 6.0, 2.0),)


@pytest.mark.parametrize(
    ("shards", "computed", "resumed", "reused", "is_kept"),
    [
        (8, 20_000, 0, 0, True),  # one for each of two workers' four vCPUs
        (7, 20_000, 0, 0, False),
        (8, 20_000, 12_000, 8_000, True),
        (8, 20_000, 12_000, 8_001, False),
        (96, 24, 0, 90_000, False),
    ],
)
def test_the_speed_of_machines_is_that_of_runs_in_which_all_slots_had_something_to_compute(
    world: World, shards: int, computed: int, resumed: int, reused: int, *, is_kept: bool
) -> None:
    completed(world, shards=shards, images_computed=computed, images_resumed=resumed, images_reused=reused)
    assert bool(world.ledger.measured().rates) is is_kept
    assert len(world.ledger.measured().starts) == 1


def test_no_run_is_held_up_by_what_cannot_be_learned_of_it(world: World) -> None:
    cluster_id = begun(world, 360)
    world.report("featurize", seconds={"featurize": 10**400}, featurize=FEATURIZED)  # no float is as large
    world.report("pca")
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.tracker.track(cluster_id)
    assert (world.record().state, world.record().closed) == ("COMPLETED", True)
    assert world.ledger.measured() == NOTHING_MEASURED


def test_a_plan_of_before_plans_held_the_cluster_tells_of_no_rate(world: World) -> None:
    completed(world)
    report = StepReport.from_json(world.objects.text(world.keys().step_report("featurize")))
    plan = dataclasses.replace(world.plan(), cluster=None)
    start = MeasuredStart(world.record().run_id, 6.0, 2.0)
    assert of_run(world.record(), plan, [report], world.clusters.used, None) == (start, None)


def test_a_run_is_learned_from_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster_id = completed(world)
    monkeypatch.setattr(world.ledger, "swap_measured", lambda *_: pytest.fail("learned again"))
    monkeypatch.setattr(world.ledger, "measured", lambda: pytest.fail("learned again"))
    world.tracker.track(cluster_id)
    world.reconcile()


@pytest.mark.parametrize(
    ("seconds", "types"),
    [
        (29.0, ("m5.xlarge",) * 3),
        (62.5, ("m5.xlarge", "m5.xlarge", "m6a.xlarge")),
        (62.5, ()),
        (62.5, ("z9.huge",) * 3),
    ],
)
def test_too_little_work_and_machines_of_several_types_tell_of_no_rate(
    world: World, seconds: float, types: tuple[str, ...]
) -> None:
    completed(world, seconds, types)
    known = world.ledger.measured()
    assert (len(known.rates), len(known.starts)) == (0, 1)


def test_a_failed_run_tells_nothing(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.time += 360
    for step in (StepState.RUNNING, StepState.FAILED):
        state = ClusterState.RUNNING if step is StepState.RUNNING else ClusterState.TERMINATED
        world.clusters.change(cluster_id, state, steps={"featurize": step})
        world.tracker.track(cluster_id)
    assert world.record().state == "FAILED"
    assert world.ledger.measured() == NOTHING_MEASURED


def test_a_run_whose_step_told_no_figures_tells_of_its_start_alone(world: World) -> None:
    cluster_id = begun(world, 360)
    world.time += 180
    world.report("featurize", seconds={"featurize": 60.0})
    world.report("pca")
    world.clusters.used = (InstanceUse("m5.xlarge", spot=False, hours=0.2),)
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.tracker.track(cluster_id)
    known = world.ledger.measured()
    assert (known.rates, known.starts) == ((), (MeasuredStart(world.record().run_id, 6.0, 2.0),))


def test_a_run_whose_start_was_not_heard_of_tells_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    cluster_id = world.launched_cluster()
    world.report("featurize", seconds={"featurize": 62.5}, featurize=FEATURIZED)
    world.report("pca")
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.tracker.track(cluster_id)
    assert world.record().state == "COMPLETED"
    assert world.ledger.measured() == NOTHING_MEASURED
    assert not caplog.records


def test_what_emr_tells_of_its_steps_goes_before_when_its_events_came(world: World) -> None:
    cluster_id = world.launched_cluster(cluster={"workers": 2})
    asked = world.time
    world.time += 600  # 300 of them the event of the first step took
    world.report("featurize", seconds={"featurize": 62.5}, featurize=FEATURIZED)
    world.report("pca")
    world.clusters.used = (InstanceUse("m5.xlarge", spot=False, hours=0.2),)
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    cluster = world.clusters.clusters[cluster_id]
    began = tuple(dataclasses.replace(step, began_at=asked + 300) for step in cluster.steps)
    world.clusters.clusters[cluster_id] = dataclasses.replace(cluster, steps=began)
    world.tracker.track(cluster_id)
    (start,) = world.ledger.measured().starts
    assert start.startup_minutes == pytest.approx(5.0)
    assert start.steps_minutes == pytest.approx((300 - 62.5) / 60)


def test_who_always_comes_too_late_gives_the_measurement_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.ledger, "swap_measured", lambda *_: False)
    completed(world)
    assert (world.record().closed, world.record().setback) == (True, None)
    assert world.ledger.measured() == NOTHING_MEASURED


def test_no_run_is_held_up_by_what_cannot_be_kept_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> bool:
        raise PermissionError("Access Denied")

    setbacks, swap = [], world.ledger.swap

    def noted(seen: RunRecord, after: RunRecord) -> RunRecord | None:
        setbacks.append(after.setback)
        return swap(seen, after)

    monkeypatch.setattr(world.ledger, "swap_measured", refuse)
    monkeypatch.setattr(world.ledger, "swap", noted)
    completed(world)
    assert (world.record().closed, set(setbacks)) == (True, {None})
    told = f"run {world.record().run_id} was skipped: PermissionError: Access Denied"
    assert [record.getMessage() for record in caplog.records] == [told]
    assert world.status()["state"] == "COMPLETED"


def test_who_learns_at_the_same_time_as_another_run_keeps_both(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap, other = world.ledger.swap_measured, MeasuredStart("other", 1.0, 1.0)

    def overtaken(seen: Measured, after: Measured) -> bool:
        monkeypatch.setattr(world.ledger, "swap_measured", swap)
        swap(seen, seen.with_run(other, None))
        return swap(seen, after)

    monkeypatch.setattr(world.ledger, "swap_measured", overtaken)
    completed(world)
    assert [start.run_id for start in world.ledger.measured().starts] == [world.record().run_id, "other"]


def test_the_next_estimate_rests_on_it(world: World) -> None:
    completed(world)
    first = world.plan().estimate
    assert first
    assert first.basis == "40 images/s a vCPU (assumed on x86_64), 10.0 minutes to start and finish (assumed)"
    world.launch(world.upload(manifest(), version_id="v2"))
    plans = [name for name in world.objects.names() if name.endswith("/plan.json")]
    bases = {Plan.from_json(world.objects.text(name)).estimate.basis for name in plans}  # type: ignore[union-attr]
    assert bases - {first.basis} == {
        "40 images/s a vCPU (measured by 1 run of this stack on m5), "
        "8.0 minutes to start and finish (measured by 1 run of this stack)"
    }
