"""A workbench ends by itself, by its hours, by idle kernels, or never opened, and leaves no way in."""

from __future__ import annotations

import pytest

from lambdas.cli.download import require_completed
from lambdas.cli.result import CommandError
from lambdas.contract.cost.measured import NOTHING_MEASURED
from lambdas.contract.run import RunState
from lambdas.contract.workbench import SETUP_STEP
from lambdas.launcher.withdraw import Deletion
from lambdas.runs.admission import Slot
from lambdas.runs.cluster_port import ClusterState, LaunchRefusedError, StepState
from lambdas.runs.dispatch import Outcome
from lambdas.runs.tracking import Ignored

from .workbenches import ACTIVITY, ADDRESS, KEY, RUN, SET_UP, active, asked, ended, launched, opened
from .world import BUCKET, World, workbench


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
    world.time += 3600
    active(world, 0)
    assert not world.reconcile().repairs
    world.time += 1
    assert world.reconcile().gauges.overdue == 0
    assert world.clusters.terminated == [cluster_id]
    ended(world)
    record = world.record()
    assert (record.state, record.reason, record.kind) == (RunState.COMPLETED, "HOURS_OVER", None)
    assert record.message == "The workbench was ended after its time, 1 hour, was over."
    assert (record.active, world.door.leads_to, world.door.passwords) == (False, set(), {})
    assert not world.ledger.shared.slots
    assert {sample.dimensions["engine"] for sample in world.meter.samples} == {"workbench"}
    assert world.ledger.measured() == NOTHING_MEASURED  # it computed no images that estimates may rest on


def test_one_that_outlives_its_hours_is_overdue(world: World) -> None:
    cluster_id, asked_to_stop = opened(world, hours=1), list[str]()
    world.time += 3600 + 1
    world.clusters.terminate = asked_to_stop.append  # type: ignore[method-assign]  # EMR does nothing
    assert world.reconcile().gauges.overdue == 0
    world.time += 6 * 60 - 1
    assert world.reconcile().gauges.overdue == 0
    assert asked_to_stop == [cluster_id] * 2
    world.time += 1
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


@pytest.mark.parametrize(("ahead", "is_ended"), [(60.0, False), (300.0, False), (301.0, True), (1e6, True)])
def test_a_time_that_is_yet_to_come_keeps_nothing_alive(world: World, ahead: float, is_ended: bool) -> None:
    opened(world, idle_minutes=30)
    world.time += 3000
    active(world, -ahead)
    world.reconcile()
    assert bool(world.clusters.terminated) is is_ended


def test_of_runs_no_kernels_are_asked_for_and_its_own_keep_it_open_beside_them(world: World) -> None:
    run = world.launched_cluster()
    world.clusters.change(run, ClusterState.RUNNING, steps={"featurize": StepState.RUNNING})
    world.tracker.track(run)
    world.time += 1
    opened(world, idle_minutes=30)
    world.time += 3000
    active(world, 60)
    world.objects.reads.clear()
    assert not world.reconcile().repairs
    assert [key for key in world.objects.reads if key.endswith("activity.json")] == [ACTIVITY]


def test_what_cannot_be_read_of_its_kernels_ends_nobodys_work(world: World) -> None:
    opened(world, idle_minutes=30)
    world.time += 3000
    world.objects.closed = ACTIVITY
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


def test_one_that_ended_before_its_door_is_opened_gets_none(world: World) -> None:
    cluster_id = launched(world)
    world.clusters.change(cluster_id, ClusterState.WAITING, steps=SET_UP)

    def ends(asked_for: str) -> str:
        world.clusters.terminate(asked_for)
        world.tracker.track(asked_for)
        return ADDRESS

    world.clusters.primary_address = ends  # type: ignore[method-assign]  # it ends as it is asked
    world.door.before_open = lambda: pytest.fail("it has ended")
    world.tracker.track(cluster_id)
    assert (world.record().state, world.record().door) == (RunState.CANCELLED, None)


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
