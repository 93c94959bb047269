"""A workbench lives as a run does, and opens when it is safe."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdas.cli import views
from lambdas.contract.cost.prices import worst_case_eur
from lambdas.contract.plan import ClusterSpec, WorkbenchPlan
from lambdas.contract.run import RunState, run_id, stopping
from lambdas.contract.workbench import SETUP_STEP
from lambdas.reconciler.repairs import Track
from lambdas.runs.cluster_port import ClusterState, StepState
from lambdas.runs.dispatch import DOUBT_SECONDS, Outcome
from lambdas.runs.endings import MANIFEST_DELETED
from lambdas.runs.tracking import Ignored

from .fake_clusters import throttled
from .runs import completed_run
from .workbenches import ADDRESS, KEY, RUN, SET_UP, asked, faults, launched, opened
from .world import BUCKET, World, manifest, workbench


def test_a_manifest_becomes_one_workbench_however_often_it_is_delivered(world: World) -> None:
    upload = world.upload(workbench(hours=2), key=KEY)
    with ThreadPoolExecutor(5) as pool:
        results = [*pool.map(world.launch, [upload] * 5)]
    assert sorted(result.outcome for result in results) == [Outcome.DUPLICATE] * 4 + [Outcome.LAUNCHED]
    assert {result.dataset for result in results} == {"explore"}
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
    assert plan.cluster == ClusterSpec(1, ("m5.xlarge",), "on_demand")
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
    result = world.launch(world.upload(workbench(), key=KEY))
    assert (result.outcome, result.dataset) == (Outcome.REJECTED, "explore")
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


def test_one_that_waits_keeps_its_place_before_others(world: World) -> None:
    world.configure(max_clusters="0")
    asked(world)
    assert asked(world, key="manifests/second.json") is Outcome.REJECTED
    assert world.record().run_id == RUN


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
    assert fault["remedy"] == (
        "See what the policies of the bucket and of its key refuse there (`pulumi up --refresh` restores the "
        "stack's own); then upload the manifest again."
    )
    assert not world.ledger.records
    world.objects.closed = None
    assert asked(world, "v2") is Outcome.LAUNCHED


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


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CANCELLED"])
def test_of_one_that_has_ended_nothing_is_said_of_opening(world: World, state: str) -> None:
    opened(world)
    known = {**world.status_of_workbench(), "paused": None, "progress": None, "remaining_seconds": None}
    assert "opens" not in views.status({**known, "state": state}, None, None)


def test_a_lost_event_opens_it_later(world: World) -> None:
    cluster_id = launched(world)
    world.clusters.change(cluster_id, ClusterState.WAITING, steps=SET_UP)
    assert world.reconcile().repairs == (Track(RUN, cluster_id),)
    assert (world.record().state, world.door.leads_to) == (RunState.RUNNING, {ADDRESS})
    assert not world.reconcile().repairs


def test_an_open_one_is_opened_once_whatever_events_follow(world: World) -> None:
    cluster_id = opened(world)
    world.door.before_open = lambda: pytest.fail("it is open")
    assert world.tracker.track(cluster_id) == Ignored(f"nothing new of run {RUN}, which is RUNNING")


def test_one_that_is_to_be_stopped_is_not_opened_any_more(world: World) -> None:
    cluster_id = launched(world)
    world.ledger.swap(world.record(), stopping(world.record(), RunState.CANCELLED, MANIFEST_DELETED))
    world.clusters.change(cluster_id, ClusterState.WAITING, steps=SET_UP)
    world.tracker.track(cluster_id)
    assert (world.record().door, world.door.leads_to) == (None, set())
