"""A workbench lives as a run does, opens when it is safe, and ends by itself."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lambdas.cli import views
from lambdas.cli.download import require_completed
from lambdas.cli.result import CommandError
from lambdas.contract.cost.prices import worst_case_eur
from lambdas.contract.plan import WorkbenchPlan
from lambdas.contract.run import RunState, run_id
from lambdas.contract.workbench import SETUP_STEP
from lambdas.launcher.withdraw import Deletion
from lambdas.runs.admission import Slot
from lambdas.runs.cluster_port import ClusterState, LaunchRefusedError, StepState
from lambdas.runs.dispatch import DOUBT_SECONDS, Outcome
from lambdas.runs.run_service import CLOSING_SECONDS
from lambdas.runs.tracking import Ignored

from .fake_clusters import throttled
from .runs import completed_run
from .world import BUCKET, World, manifest, workbench

KEY = "manifests/explore.json"
RUN = run_id("workbench.explore", BUCKET, KEY, "v1")
SET_UP = {SETUP_STEP: StepState.COMPLETED}
ADDRESS = "10.0.0.1"


def asked(world: World, version_id: str = "v1", key: str = KEY, **changes: Any) -> Outcome:
    return world.launch(world.upload(workbench(**changes), version_id, key)).outcome


def launched(world: World, **changes: Any) -> str:
    """The id of the workbench's cluster, which is not set up yet."""
    assert asked(world, **changes) is Outcome.LAUNCHED
    return list(world.clusters.clusters)[-1]


def opened(world: World, **changes: Any) -> str:
    """The id of the cluster of a workbench that people can use."""
    cluster_id = launched(world, **changes)
    world.clusters.change(cluster_id, ClusterState.WAITING, steps=SET_UP)
    world.tracker.track(cluster_id)
    return cluster_id


def ended(world: World, passes: int = 3) -> None:
    """The reconciler's passes go on until all has been told."""
    for _ in range(passes):
        world.time += CLOSING_SECONDS + 1
        world.reconcile()


def active(world: World, seconds_ago: float) -> None:
    written = json.dumps({"version": 1, "last_active_at": world.time - seconds_ago})
    world.objects.write(world.keys().activity, written)


def faults(world: World) -> list[dict[str, str]]:
    found: list[dict[str, str]] = world.rejection("explore")["faults"]
    return found


def test_a_manifest_becomes_one_workbench_however_often_it_is_delivered(world: World) -> None:
    upload = world.upload(workbench(hours=2), key=KEY)
    with ThreadPoolExecutor(5) as pool:
        outcomes = [result.outcome for result in pool.map(world.launch, [upload] * 5)]
    assert sorted(outcomes) == [Outcome.DUPLICATE] * 4 + [Outcome.LAUNCHED]
    assert world.launch(upload).outcome is Outcome.DUPLICATE
    (request,) = world.clusters.requests
    assert request["Name"] == f"fruits-{RUN}"
    record = world.record()
    assert (record.run_id, record.dataset, record.state) == (RUN, "explore", RunState.LAUNCHED)
    assert (record.max_runtime_minutes, record.idle_minutes, record.door) == (120, 60, None)


def test_its_price_is_that_of_all_its_hours_and_is_admitted_under_the_same_caps(world: World) -> None:
    launched(world, hours=3, workers=1)
    cost = round(worst_case_eur(("m5.xlarge",), 1, 180, "eu-west-1"), 2)
    assert world.record().worst_case_eur == cost
    assert world.ledger.shared.slots[RUN].eur == world.ledger.shared.committed_eur == cost
    plan = WorkbenchPlan.from_json(world.objects.text(world.keys().plan))
    assert plan.estimate is not None
    assert (plan.estimate.minutes, plan.estimate.worst_case_eur) == (180.0, cost)
    assert plan.workbench.address == "door.example.org"


def test_it_waits_in_the_queue_as_every_run_does(world: World) -> None:
    world.configure(max_clusters="0")
    assert asked(world) is Outcome.QUEUED
    assert world.status_of_workbench()["queue_position"] == 1
    assert not world.door.passwords
    world.configure()
    assert world.reconcile().dispatched == {RUN: Outcome.LAUNCHED}


def test_a_stack_without_a_door_refuses_and_says_how_to_have_one(world: World) -> None:
    world.configure(workbench_address="")
    assert asked(world) is Outcome.REJECTED
    (fault,) = faults(world)
    assert fault["path"] == "$.workbench"
    assert "fruits:workbenchCidrs is empty" in fault["problem"]
    assert "pulumi config set --path 'fruits:workbenchCidrs[0]'" in fault["remedy"]
    assert not world.ledger.records


@pytest.mark.parametrize("name", ["explore", "another"])
def test_there_is_never_a_second_one_beside_an_open_one(world: World, name: str) -> None:
    opened(world)
    assert asked(world, key="manifests/second.json", name=name) is Outcome.REJECTED
    (fault,) = world.rejection("second")["faults"]
    assert fault["path"] == "$.workbench"
    assert f"explore is open or waits (run {RUN})" in fault["problem"]
    assert f"`fruits cancel {RUN}`" in fault["remedy"]
    assert len(world.clusters.requests) == 1


def test_of_two_that_were_accepted_in_the_same_moment_one_is_opened(world: World) -> None:
    world.configure(max_clusters="0")
    asked(world)
    record = world.record()
    late = dataclasses.replace(record, run_id="workbench.late-1", accepted_at=record.accepted_at + 1)
    world.ledger.insert(late)
    plan = WorkbenchPlan.from_json(world.objects.text(record.layout.plan))
    world.objects.write(late.layout.plan, dataclasses.replace(plan, run_id=late.run_id).to_json())
    behind = world.launch(world.upload(manifest(), key="manifests/fruits.json")).run_id
    world.configure()
    done = world.reconcile().dispatched
    assert done == {RUN: Outcome.LAUNCHED, late.run_id: Outcome.REFUSED, behind: Outcome.LAUNCHED}
    refused = world.ledger.records[late.run_id]
    assert (refused.state, refused.reason) == (RunState.FAILED, "DOOR_TAKEN")


def test_a_newer_version_replaces_one_that_waits(world: World) -> None:
    world.configure(max_clusters="0")
    asked(world)
    assert asked(world, "v2", hours=2) is Outcome.QUEUED
    world.configure()
    world.reconcile()
    states = [record.state for record in world.ledger.records.values()]
    assert states == [RunState.CANCELLED, RunState.LAUNCHED]


def test_a_run_and_its_dataset_have_to_be_there(world: World) -> None:
    world.buckets.keys[BUCKET] += ["Results/fruits/fruits-1/_SUCCESS"]
    assert asked(world, run="fruits-2") is Outcome.REJECTED
    (fault,) = faults(world)
    assert (fault["path"], fault["problem"]) == ("$.workbench.run", "is fruits-2, and there is no such run")
    assert asked(world, "v2", run="fruits-2", dataset="fruits") is Outcome.REJECTED
    assert faults(world)[0]["nearest"] == "fruits-1"
    assert asked(world, "v3", dataset="fruit") is Outcome.REJECTED
    (fault,) = faults(world)
    assert (fault["path"], fault["nearest"]) == ("$.workbench.dataset", "fruits")
    assert asked(world, "v4", dataset="fruits") is Outcome.LAUNCHED


def test_only_results_of_a_completed_run_are_opened(world: World) -> None:
    cluster_id = completed_run(world)
    run = world.record().run_id
    assert asked(world, run=run) is Outcome.REJECTED
    assert faults(world)[0]["problem"] == f"is {run}, which is LAUNCHED"
    world.tracker.track(cluster_id)
    assert asked(world, "v2", run=run, dataset="apples") is Outcome.REJECTED
    assert faults(world)[0]["nearest"] == "fruits"
    assert asked(world, "v3", run=run) is Outcome.LAUNCHED
    identity = run_id("workbench.explore", BUCKET, KEY, "v3")
    plan = WorkbenchPlan.from_json(world.objects.text(f"runs/{identity}/plan.json"))
    assert (plan.workbench.opens_dataset, plan.workbench.opens_run) == ("fruits", run)


def test_where_its_notebooks_cannot_be_kept_none_is_opened(world: World) -> None:
    world.objects.closed = "notebooks/"
    assert asked(world) is Outcome.REJECTED
    (fault,) = faults(world)
    assert fault["path"] == "$.workbench.name"
    assert fault["problem"] == (
        f"keeps its notebooks at s3://{BUCKET}/notebooks/explore/, where nothing can be written "
        "(Access Denied: notebooks/explore/.kept)"
    )
    assert "policies of the bucket and of its key" in fault["remedy"]
    assert not world.ledger.records
    world.objects.closed = None
    assert asked(world, "v2") is Outcome.LAUNCHED


@pytest.mark.parametrize(
    ("stack", "path"),
    [({"max_eur_per_day": "1"}, "hours"), ({"node_architectures": "arm64"}, "instance_type")],
)
def test_what_the_stack_cannot_have_is_said_of_the_field(
    world: World, stack: dict[str, str], path: str
) -> None:
    world.configure(**stack)
    assert asked(world) is Outcome.REJECTED
    (fault,) = faults(world)
    assert fault["path"] == f"$.workbench.{path}"
    assert fault["remedy"]


def test_it_has_a_new_password_before_it_has_a_cluster(world: World) -> None:
    world.clusters.error = throttled()
    assert asked(world) is Outcome.QUEUED
    assert world.objects.text(world.keys().login) == "password 1"
    world.clusters.error = None
    world.time += DOUBT_SECONDS + 1
    world.reconcile()
    assert (world.record().state, world.door.passwords) == (RunState.LAUNCHED, {RUN: 2})
    assert world.objects.text(world.keys().login) == "password 2"


def test_nobody_gets_in_before_it_is_set_up(world: World) -> None:
    cluster_id = launched(world)
    for state in (ClusterState.BOOTSTRAPPING, ClusterState.RUNNING):
        world.clusters.change(cluster_id, state, steps={SETUP_STEP: StepState.RUNNING})
        world.tracker.track(cluster_id)
        world.reconcile()
        assert (world.record().state, world.door.leads_to) == (RunState.LAUNCHED, set())
    world.clusters.change(cluster_id, ClusterState.WAITING, steps=SET_UP)
    world.tracker.track(cluster_id)
    assert (world.record().state, world.record().door) == (RunState.RUNNING, ADDRESS)
    assert world.door.leads_to == {ADDRESS}
    status = world.status_of_workbench()
    assert status["workbench"] == {
        "name": "explore",
        "address": "https://door.example.org:9443/",
        "idle_minutes": 60,
        "ends_at": "1970-01-12T17:46:40+00:00",
    }


def test_people_are_told_where_it_is_and_until_when(world: World) -> None:
    opened(world)
    known = {**world.status_of_workbench(), "paused": None, "progress": None, "remaining_seconds": None}
    told = views.status(known, None, None)
    assert (
        "  opens    https://door.example.org:9443/ until 1970-01-12T17:46:40+00:00, or until no kernel was "
        "busy for 60 minutes\n"
    ) in told


def test_a_lost_event_opens_it_later(world: World) -> None:
    cluster_id = launched(world)
    world.clusters.change(cluster_id, ClusterState.WAITING, steps=SET_UP)
    world.reconcile()
    assert (world.record().state, world.door.leads_to) == (RunState.RUNNING, {ADDRESS})
    assert not world.reconcile().repairs


def test_one_that_cannot_be_set_up_fails_closed(world: World) -> None:
    cluster_id = launched(world)
    world.clusters.change(
        cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "STEP_FAILURE", {SETUP_STEP: StepState.FAILED}
    )
    world.tracker.track(cluster_id)
    record = world.record()
    assert (record.state, record.reason, record.door) == (RunState.FAILED, "STEP_FAILURE", None)
    assert "could not be made a workbench" in (record.message or "")
    assert SETUP_STEP in (record.remedy or "")
    assert not world.door.passwords
    assert not world.ledger.shared.slots


def test_too_few_machines_are_a_reason_for_another_attempt(world: World) -> None:
    cluster_id = launched(world)
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    world.tracker.track(cluster_id)
    assert (world.record().state, world.record().attempt) == (RunState.QUEUED, 2)
    world.reconcile()
    assert (world.record().state, len(world.clusters.requests)) == (RunState.LAUNCHED, 2)


def test_its_hours_end_it_and_that_is_no_failure(world: World) -> None:
    cluster_id = opened(world, hours=1)
    world.time += 3600 - 1
    active(world, 0)
    assert not world.reconcile().repairs
    world.time += 2
    assert world.reconcile().gauges.overdue == 0
    assert world.clusters.terminated == [cluster_id]
    ended(world)
    record = world.record()
    assert (record.state, record.reason, record.kind) == (RunState.COMPLETED, "HOURS_OVER", None)
    assert record.message == "The workbench was ended after its time, 1 hour, was over."
    assert (record.active, world.door.leads_to, world.door.passwords) == (False, set(), {})
    assert not world.ledger.shared.slots


def test_one_that_outlives_its_hours_is_overdue(world: World) -> None:
    cluster_id = opened(world, hours=1)
    world.time += 3600 + 1
    world.clusters.terminate = lambda cluster_id: None  # type: ignore[method-assign]  # EMR does nothing
    assert world.reconcile().gauges.overdue == 0
    world.time += 6 * 60
    assert world.reconcile().gauges.overdue == 1
    assert world.clusters.clusters[cluster_id].lives


def test_kernels_that_are_idle_end_it(world: World) -> None:
    cluster_id = opened(world, idle_minutes=30)
    world.time += 3000
    active(world, 30 * 60)
    assert not world.reconcile().repairs
    active(world, 30 * 60 + 1)
    world.reconcile()
    assert world.clusters.terminated == [cluster_id]
    ended(world)
    record = world.record()
    assert (record.state, record.reason) == (RunState.COMPLETED, "IDLE_WORKBENCH")
    assert "no kernel was busy for 30 minutes" in (record.message or "")


def test_one_that_tells_nothing_of_its_kernels_ends_as_if_they_were_idle(world: World) -> None:
    cluster_id = opened(world, idle_minutes=30)
    world.time += 30 * 60
    assert not world.reconcile().repairs
    world.time += 1
    world.reconcile()
    assert world.clusters.terminated == [cluster_id]


@pytest.mark.parametrize(("ahead", "is_ended"), [(60.0, False), (1e6, True)])
def test_a_time_that_is_yet_to_come_keeps_nothing_alive(world: World, ahead: float, is_ended: bool) -> None:
    opened(world, idle_minutes=30)
    world.time += 3000
    active(world, -ahead)
    world.reconcile()
    assert bool(world.clusters.terminated) is is_ended


def test_what_cannot_be_read_of_its_kernels_ends_nobodys_work(world: World) -> None:
    opened(world, idle_minutes=30)
    world.time += 3000
    world.objects.closed = world.keys().activity
    seen = world.reconcile()
    assert not seen.repairs
    assert "Access Denied" in seen.skipped[RUN]


def test_a_set_up_that_takes_long_is_not_idle(world: World) -> None:
    cluster_id = launched(world, idle_minutes=15)
    world.clusters.change(cluster_id, ClusterState.RUNNING, steps={SETUP_STEP: StepState.RUNNING})
    world.time += 16 * 60
    assert not world.reconcile().repairs


def test_one_that_is_not_set_up_in_its_time_failed(world: World) -> None:
    cluster_id = launched(world, hours=1)
    world.clusters.change(cluster_id, ClusterState.RUNNING, steps={SETUP_STEP: StepState.RUNNING})
    world.time += 3601
    ended(world)
    record = world.record()
    assert (record.state, record.reason, record.kind) == (RunState.FAILED, "NEVER_OPENED", "ours")


def test_the_door_is_closed_before_the_place_is_free(world: World) -> None:
    cluster_id = opened(world)
    world.door.error = OSError("the balancer is away")
    world.clusters.terminate(cluster_id)
    with pytest.raises(OSError, match="away"):
        world.tracker.track(cluster_id)
    ended(world)
    assert RUN in world.ledger.shared.slots
    assert asked(world, "v2") is Outcome.REJECTED
    world.door.error = None
    world.time += 3600
    ended(world)
    assert (world.door.leads_to, world.ledger.shared.slots) == (set(), {})
    assert world.record().state is RunState.CANCELLED
    assert asked(world, "v3") is Outcome.LAUNCHED


def test_one_that_ends_while_it_is_opened_leaves_no_door_open(world: World) -> None:
    cluster_id = launched(world)
    world.clusters.change(cluster_id, ClusterState.WAITING, steps=SET_UP)

    def ends() -> None:
        world.door.before_open = lambda: None
        world.clusters.terminate(cluster_id)
        world.tracker.track(cluster_id)

    world.door.before_open = ends
    assert isinstance(world.tracker.track(cluster_id), Ignored)
    assert (world.record().state, world.door.leads_to) == (RunState.CANCELLED, set())


def test_an_address_that_emr_does_not_tell_yet_is_asked_for_again(world: World) -> None:
    cluster_id = launched(world)
    world.clusters.change(cluster_id, ClusterState.WAITING, steps=SET_UP)
    world.clusters.addresses[cluster_id] = None
    with pytest.raises(LookupError, match="no running primary"):
        world.tracker.track(cluster_id)
    assert world.record().state is RunState.LAUNCHED
    world.clusters.addresses.clear()
    world.reconcile()
    assert (world.record().state, world.door.leads_to) == (RunState.RUNNING, {ADDRESS})


def test_a_cluster_that_is_gone_from_emr_leaves_no_door_open(world: World) -> None:
    opened(world)
    world.clusters.clusters.clear()
    world.time += 700
    ended(world)
    assert (world.record().reason, world.door.leads_to) == ("CLUSTER_LOST", set())
    assert not world.ledger.shared.slots


def test_a_manifest_that_is_deleted_stops_it_if_it_says_so(world: World) -> None:
    upload = world.upload(workbench() | {"when_deleted": "stop"}, key=KEY)
    world.launch(upload)
    world.delete(Deletion(KEY, None, world.sequencer()))
    ended(world)
    assert (world.record().state, world.record().reason) == (RunState.CANCELLED, "MANIFEST_DELETED")
    assert not world.door.passwords


def test_one_that_emr_refuses_leaves_neither_password_nor_place(world: World) -> None:
    world.clusters.error = LaunchRefusedError("ValidationException", "no such application")
    assert asked(world) is Outcome.REFUSED
    ended(world)
    assert (world.door.passwords, world.ledger.shared.slots) == ({}, {})


def test_one_whose_stack_lost_its_door_while_it_waited_fails_before_it_costs(world: World) -> None:
    world.configure(max_clusters="0")
    asked(world)
    world.configure(workbench_address="")
    assert world.reconcile().dispatched == {RUN: Outcome.REFUSED}
    assert (world.record().state, world.record().reason) == (RunState.FAILED, "DOOR_REMOVED")
    assert not world.clusters.requests


def test_a_place_that_a_workbench_holds_is_in_its_way_even_where_the_list_lags(world: World) -> None:
    opened(world)
    world.ledger.active = lambda: ()  # type: ignore[method-assign]  # the index is behind
    assert asked(world, key="manifests/second.json") is Outcome.REJECTED
    assert world.ledger.shared.slots == {RUN: Slot(world.record().worst_case_eur, world.ledger.shared.day)}


def test_it_publishes_no_results_and_says_where_its_notebooks_are(world: World) -> None:
    opened(world)
    with pytest.raises(CommandError, match=f"s3://{BUCKET}/notebooks/explore/"):
        require_completed(world.record())
