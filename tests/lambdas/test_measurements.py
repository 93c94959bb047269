"""What is measured is what happened: once a run, when it has ended, whoever saw to its end."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.aws.telemetry import Telemetry
from lambdas.contract.metrics import METRICS, Metric, Sample, Service
from lambdas.contract.report import FeaturizeMetrics, ShardSeconds, StepError
from lambdas.contract.run import FailureKind, RunState
from lambdas.reconciler.pass_metrics import of_pass
from lambdas.runs.admission import Pause
from lambdas.runs.cluster_port import ClusterState, StepState
from lambdas.runs.dispatch import LEASE_SECONDS
from lambdas.runs.run_metrics import of_ended_run
from lambdas.runs.run_service import CLOSING_SECONDS

from .fake_clusters import throttled
from .runs import begun
from .world import World, manifest

DONE = {"featurize": StepState.COMPLETED, "pca": StepState.COMPLETED}
RUN = {"dataset": "fruits", "engine": "fast"}
MEASURED = FeaturizeMetrics(
    images_computed=2,
    images_resumed=1,
    images_reused=0,
    images_per_second=12.5,
    shards=1,
    task_seconds={"fetch": 1.0, "decode": 2.0, "infer": 3.0, "write": 0.5},
    store_retries=4,
    slowest_shards=(ShardSeconds("part-00000", 3, 0.2),),
)


def measured(world: World, metric: str) -> dict[tuple[str, ...], float]:
    """The values of a metric by those of its dimensions that are not the run's."""
    samples = [sample for sample in world.meter.samples if sample.metric.name == metric]
    for sample in samples:
        assert RUN.items() <= sample.dimensions.items()
    found = {tuple(v for k, v in s.dimensions.items() if k not in RUN): s.value for s in samples}
    assert len(found) == len(samples), f"{metric} was measured twice"
    return found


def completed(world: World) -> None:
    cluster_id = begun(world, 240)
    world.time += 60
    world.report(
        "featurize",
        seconds={"list": 0.7, "featurize": 3.0, "total": 4.0},
        images_in=4,
        images_featurized=3,
        images_quarantined=1,
        quarantine_reasons={"corrupt": 1},
        featurize=MEASURED,
    )
    world.report("pca")
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.tracker.track(cluster_id)


def test_a_completed_run_is_measured_by_what_its_steps_reported(world: World) -> None:
    completed(world)
    assert measured(world, "Runs") == {("COMPLETED",): 1}
    assert measured(world, "Failures") == {}
    assert measured(world, "TimeToClusterSeconds") == {(): 240}
    assert measured(world, "ImagesFeaturized") == {(): 3}
    assert measured(world, "ImagesQuarantined") == {("corrupt",): 1}
    assert measured(world, "ImagesPerSecond") == {(): 12.5}
    assert measured(world, "StoreRetries") == {(): 4}
    assert measured(world, "PhaseSeconds") == {
        ("list",): 0.7,
        ("fetch",): 1.0,
        ("decode",): 2.0,
        ("infer",): 3.0,
        ("write",): 0.5,
    }
    status = world.status()
    assert measured(world, "EstimatedEur") == {(): status["estimated_eur"]}
    assert measured(world, "ActualEur") == {(): status["actual_eur"]}


def test_a_run_is_measured_once_however_often_it_is_heard_of(world: World) -> None:
    completed(world)
    (cluster_id,) = world.clusters.clusters
    for _ in range(3):
        world.tracker.track(cluster_id)
        world.reconcile()
    assert measured(world, "Runs") == {("COMPLETED",): 1}


def test_a_run_that_computed_nothing_has_no_rate(world: World) -> None:
    cluster_id = world.launched_cluster()
    resumed = FeaturizeMetrics(0, 3, 0, 0.0, 1, {}, 0, ())
    world.report("featurize", featurize=resumed)
    world.report("pca")
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.tracker.track(cluster_id)
    assert measured(world, "ImagesPerSecond") == {}
    assert measured(world, "StoreRetries") == {(): 0}


def test_a_failed_run_is_measured_by_whose_move_it_is(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.report("featurize", error=StepError("data", "no image can be read", "look at them"))
    world.clusters.change(
        cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "STEP_FAILURE", {"featurize": StepState.FAILED}
    )
    world.tracker.track(cluster_id)
    assert measured(world, "Runs") == {("FAILED",): 1}
    assert measured(world, "Failures") == {("data",): 1}
    assert measured(world, "ImagesFeaturized") == {}


def test_a_run_that_never_launched_is_measured_too_and_has_no_time_to_a_cluster(world: World) -> None:
    world.configure(max_clusters="0")
    world.launched()
    world.launch(world.upload(manifest(), version_id="v2"))
    world.time += CLOSING_SECONDS + 1
    world.reconcile()
    assert measured(world, "Runs") == {("CANCELLED",): 1}
    assert measured(world, "Failures") == {}
    assert measured(world, "TimeToClusterSeconds") == {}


def test_a_cluster_past_its_time_is_overdue_until_it_begins_to_end(world: World) -> None:
    cluster_id = world.launched_cluster(limits={"max_runtime_minutes": 30})
    assert world.reconcile().gauges.overdue == 0
    world.time += 31 * 60
    assert world.reconcile().gauges.overdue == 1
    world.clusters.change(cluster_id, ClusterState.RUNNING)  # the request to end it had no effect
    assert world.reconcile().gauges.overdue == 1
    world.clusters.change(cluster_id, ClusterState.TERMINATING)
    assert world.reconcile().gauges.overdue == 0


def test_launches_in_doubt_show_in_the_pass_that_tried_them(world: World) -> None:
    world.clusters.error = throttled()
    world.launched()
    world.time += LEASE_SECONDS
    passed = of_pass(world.reconcile())
    assert {sample.dimensions["service"] for sample in passed} == {Service.RECONCILER}
    values = {sample.metric.name: sample.value for sample in passed}
    assert (values["ReconcilerHeartbeat"], values["LaunchesInDoubt"], values["QueuedRuns"]) == (1, 1, 0)
    world.clusters.error = None
    world.time += LEASE_SECONDS
    values = {sample.metric.name: sample.value for sample in of_pass(world.reconcile())}
    assert (values["LaunchesInDoubt"], values["RunningRuns"]) == (0, 1)


def test_every_pass_says_whether_launching_is_paused(world: World) -> None:
    def paused() -> float:
        values = {sample.metric.name: sample.value for sample in of_pass(world.reconcile())}
        return values["LaunchingPaused"]

    assert paused() == 0
    world.ledger.pause(Pause())
    assert paused() == 1
    world.ledger.resume()
    assert paused() == 0


def test_every_pass_says_how_long_the_nodes_certificate_holds(world: World) -> None:
    def days() -> float:
        values = {sample.metric.name: sample.value for sample in of_pass(world.reconcile())}
        return values["NodeCertificateDaysLeft"]

    assert days() == pytest.approx(100, abs=0.1)
    world.time += 101 * 24 * 3600
    assert days() == pytest.approx(-1, abs=0.1)


def test_every_metric_has_a_name_of_its_own_and_no_id_for_a_dimension() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert not [
        metric.name for metric in METRICS if any("id" in name.split("_") for name in metric.dimensions)
    ]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_sample_is_written_as_its_metric_is_declared(
    metric: Metric, capsys: pytest.CaptureFixture[str]
) -> None:
    Telemetry(Service.TRACKER, "fruits-eu").emit([Sample(metric, 2.5, dict.fromkeys(metric.dimensions, "x"))])
    line = json.loads(capsys.readouterr().out)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    (described,) = directive["Metrics"]
    assert directive["Namespace"] == "Fruits"
    assert directive["Dimensions"] == [["stack", *metric.dimensions]]
    assert line["stack"] == "fruits-eu"
    assert (described["Name"], described["Unit"]) == (metric.name, metric.unit)
    assert line[metric.name] == [2.5]


@given(st.sampled_from(METRICS), st.sets(st.sampled_from(["dataset", "engine", "state", "run_id"])))
def test_no_sample_has_other_dimensions_than_its_metric(metric: Metric, names: set[str]) -> None:
    if names == set(metric.dimensions):
        return
    with pytest.raises(ValueError, match=metric.name):
        Sample(metric, 1, dict.fromkeys(names, "x"))


@given(state=st.sampled_from(RunState), kind=st.sampled_from([None, *FailureKind]))
def test_whatever_became_of_a_run_it_is_counted_exactly_once(state: RunState, kind: str | None) -> None:
    world = World()
    world.launched()
    record = dataclasses.replace(world.record(), state=state, kind=kind)
    status = world.runs.publish(record)
    names = [
        sample.metric.name for sample in of_ended_run(record, dataclasses.replace(status, kind=kind), [])
    ]
    assert names.count("Runs") == 1
    assert names.count("Failures") == (state is RunState.FAILED)
