"""Reports, records, clusters and statuses that are not understood leave the runs of others alone."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from lambdas.contract.cost.estimate import InstanceUse
from lambdas.contract.documents import UnreadableError
from lambdas.contract.run import RunState
from lambdas.reconciler.repairs import GiveUp, Salvage, SetBack
from lambdas.runs.admission import Admissions
from lambdas.runs.cluster_port import ClusterState
from lambdas.runs.dispatch import Outcome
from lambdas.runs.ports import UnreadableRecord
from lambdas.runs.setbacks import LASTING_LIMIT
from lambdas.runs.tracking import Ignored

from .fake_clusters import throttled
from .poison import PASS_SECONDS, SETBACK, closed_prefix, plan_is, record_of_another_release, two_queued
from .runs import DONE, completed_run
from .world import World, manifest


@pytest.mark.parametrize("report", ["{", "[]", '{"version": 2}', '{"step": "pca"}'])
def test_a_report_that_is_not_understood_leaves_the_ends_of_others_alone(world: World, report: str) -> None:
    world.configure(max_clusters="2")
    runs = [
        world.launch(world.upload(manifest(), key=f"manifests/{name}.json")).run_id or "" for name in "ab"
    ]
    for cluster_id in list(world.clusters.clusters):
        world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.objects.write(f"runs/{runs[0]}/steps/pca.json", report)
    for _ in range(LASTING_LIMIT):
        pass_ = world.reconcile()
        assert world.ledger.records[runs[1]].state is RunState.FAILED  # its reports are missing
        assert runs[0] in pass_.skipped
        world.time += PASS_SECONDS
    (repair,) = [done for done in world.reconcile().repairs if isinstance(done, GiveUp)]
    record = world.ledger.records[runs[0]]
    assert (repair.run_id, record.state, record.reason, record.closed) == (
        runs[0], RunState.FAILED, "GIVEN_UP", True,
    )  # fmt: skip
    assert world.status_of(runs[0])["reason"] == "GIVEN_UP"
    assert world.ledger.shared.slots == {}


def test_every_report_that_is_not_understood_is_named(world: World) -> None:
    cluster_id = completed_run(world)
    for step in ("featurize", "pca"):
        world.objects.write(world.keys().step_report(step), "{")
    with pytest.raises(UnreadableError, match=r"featurize\.json: StepReport .*; runs/.*pca\.json: StepRep"):
        world.tracker.track(cluster_id)


def test_an_event_of_a_run_whose_report_is_not_understood_is_left_to_the_reconciler(world: World) -> None:
    cluster_id = completed_run(world)
    report = world.keys().step_report("pca")
    world.objects.write(report, "[]")
    why = f"{report}: StepReport is not a JSON object but []"
    assert world.tracker.hear(cluster_id) == Ignored(f"left to the reconciler: {why}")


def test_a_plan_that_is_not_understood_any_more_does_not_undo_a_run_that_completed(world: World) -> None:
    cluster_id = completed_run(world, notify=True)
    plan_is("{")(world, world.record().run_id)
    world.tracker.track(cluster_id)
    assert (world.record().state, world.record().closed) == (RunState.COMPLETED, True)
    assert world.status()["images_featurized"] == 2
    # What the plan said of a message is not known: nobody is left in the dark.
    assert len(world.topic.messages) == 1


def test_a_message_needs_nothing_of_a_plan_that_is_not_understood_any_more(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.clusters.used = (InstanceUse("m5.xlarge", spot=False, hours=0.25),)
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    world.tracker.track(cluster_id)
    assert world.record().actual_eur is not None
    plan_is("{")(world, world.record().run_id)
    for _ in range(LASTING_LIMIT + 1):
        world.time += PASS_SECONDS
        world.reconcile()
    ((subject, body),) = world.topic.messages
    assert subject == f"FAILED: {world.record().run_id}"
    assert "Cost" not in body


def test_the_cluster_of_a_run_that_is_given_up_is_stopped_before_its_place_is_free(world: World) -> None:
    cluster_id = world.launched_cluster()
    world.clusters.change(cluster_id, ClusterState.RUNNING)
    hopeless = dataclasses.replace(
        world.record(), setback=dataclasses.replace(SETBACK, count=LASTING_LIMIT, not_before=world.time)
    )
    world.ledger.records[hopeless.run_id] = hopeless
    ended: list[str] = []
    world.clusters.terminate = ended.append
    world.reconcile()
    assert (ended, world.record().state, len(world.ledger.shared.slots)) == (
        [cluster_id], RunState.LAUNCHED, 1,
    )  # fmt: skip
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "USER_REQUEST")
    world.reconcile()
    assert (world.record().state, world.record().reason) == (RunState.FAILED, "GIVEN_UP")
    assert world.ledger.shared.slots == {}


def test_a_launch_in_doubt_whose_cluster_ended_with_a_report_that_is_not_understood_is_given_up_too(
    world: World,
) -> None:
    world.clusters.error, world.clusters.creates_despite_error = throttled(), True
    world.clusters.listing_lag_seconds = 5.0
    cluster_id = world.launched_cluster()
    world.clusters.error = None
    assert world.record().state is RunState.CLAIMED
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.objects.write(world.keys().step_report("pca"), "{")
    for _ in range(LASTING_LIMIT + 1):
        world.time += PASS_SECONDS
        world.reconcile()
    assert (world.record().state, world.record().reason) == (RunState.FAILED, "GIVEN_UP")
    assert (world.record().closed, world.ledger.shared.slots) == (True, {})


def test_a_report_that_is_not_understood_keeps_no_place_when_the_cluster_has_ended(world: World) -> None:
    first, second = two_queued(world)
    world.reconcile()
    (cluster_id,) = world.clusters.clusters
    world.clusters.used = (InstanceUse("m5.xlarge", spot=False, hours=0.25),)
    world.objects.write(f"runs/{first}/steps/pca.json", "{")
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    worst_case_eur = world.ledger.shared.committed_eur
    world.ledger.records[first] = dataclasses.replace(world.ledger.records[first], actual_eur=0.01)  # before
    assert isinstance(world.tracker.hear(cluster_id), Ignored)
    # What it used is not known yet, so all that was set aside for it counts as spent.
    assert (world.ledger.shared.slots, world.ledger.shared.committed_eur) == ({}, worst_case_eur)
    world.reconcile()
    assert world.ledger.records[second].state is RunState.LAUNCHED
    # It can be read after all.
    world.objects.write(f"runs/{first}/steps/pca.json", "")
    world.time += PASS_SECONDS
    world.reconcile()
    assert (world.ledger.records[first].state, world.ledger.records[first].closed) == (RunState.FAILED, True)
    assert set(world.ledger.shared.slots) == {second}


@pytest.mark.parametrize(
    "begun",
    [
        {"state": RunState.QUEUED, "attempt": 2, "cluster_id": None},
        {"state": RunState.LAUNCHED, "attempt": 2, "cluster_id": "j-2"},
        {"state": RunState.CLAIMED, "cluster_id": None},
    ],
    ids=["queued", "launched", "claimed"],
)
def test_a_place_is_kept_for_an_attempt_that_began_while_it_was_about_to_be_given_away(
    world: World, monkeypatch: pytest.MonkeyPatch, begun: dict[str, Any]
) -> None:
    cluster_id = world.launched_cluster()
    run = world.record().run_id
    world.objects.write(world.keys().step_report("pca"), "{")
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    looked = world.ledger.admissions

    def meanwhile_again() -> Admissions:
        seen = looked()
        monkeypatch.undo()
        world.ledger.swap(world.record(), dataclasses.replace(world.record(), **begun))
        return seen

    monkeypatch.setattr(world.ledger, "admissions", meanwhile_again)
    world.tracker.hear(cluster_id)
    assert set(world.ledger.shared.slots) == {run}


def test_a_record_that_is_not_understood_keeps_no_place_when_its_cluster_has_ended(world: World) -> None:
    first, second = two_queued(world)
    world.reconcile()
    (cluster_id,) = world.clusters.clusters
    record_of_another_release(world, first)
    world.reconcile()
    assert set(world.ledger.shared.slots) == {first}
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.time += PASS_SECONDS
    assert [type(done) for done in world.reconcile().repairs] == [SetBack]
    assert world.ledger.records[second].state is RunState.LAUNCHED
    assert set(world.ledger.shared.slots) == {second}


def test_a_record_that_is_not_understood_keeps_no_place_while_it_waits_for_its_next_attempt(
    world: World,
) -> None:
    first, second = two_queued(world)
    world.reconcile()
    (cluster_id,) = world.clusters.clusters
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT", {})
    world.tracker.hear(cluster_id)
    assert world.ledger.records[first].state is RunState.QUEUED
    assert set(world.ledger.shared.slots) == {first}
    record_of_another_release(world, first)
    assert [type(done) for done in world.reconcile().repairs] == [SetBack]
    assert world.ledger.records[second].state is RunState.LAUNCHED
    assert set(world.ledger.shared.slots) == {second}


def test_a_record_that_changed_since_it_was_not_understood_keeps_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster_id = world.launched_cluster()
    run = world.record().run_id
    record_of_another_release(world, run)
    world.clusters.change(cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    looked = world.ledger.unreadable

    def out_of_date() -> tuple[UnreadableRecord, ...]:
        return tuple(dataclasses.replace(record, seen=99) for record in looked())

    monkeypatch.setattr(world.ledger, "unreadable", out_of_date)
    world.reconcile()
    assert set(world.ledger.shared.slots) == {run}


def test_a_record_that_is_not_understood_keeps_its_cluster_and_place_until_it_is_given_up(
    world: World,
) -> None:
    cluster_id = world.launched_cluster()
    run = world.record().run_id
    record_of_another_release(world, run)
    for _ in range(LASTING_LIMIT):
        assert [type(done) for done in world.reconcile().repairs] == [SetBack]
        assert (world.clusters.terminated, set(world.ledger.shared.slots)) == ([], {run})
        world.time += PASS_SECONDS
    world.reconcile()
    assert (world.clusters.terminated, set(world.ledger.shared.slots)) == ([cluster_id], {run})
    assert [type(done) for done in world.reconcile().repairs] == [Salvage]
    assert (world.record().state, world.record().reason) == (RunState.FAILED, "GIVEN_UP")
    assert world.ledger.shared.slots == {}
    assert world.status()["state"] == "FAILED"


def test_an_end_that_was_untold_when_its_record_was_not_understood_is_told_after_that(world: World) -> None:
    world.track_and_die(completed_run(world, notify=True))
    record_of_another_release(world, world.record().run_id)
    for _ in range(LASTING_LIMIT + 2):
        world.time += PASS_SECONDS
        world.reconcile()
    assert (world.record().state, world.record().active) == (RunState.COMPLETED, False)
    assert [subject for subject, _ in world.topic.messages] == [f"COMPLETED: {world.record().run_id}"]


@pytest.mark.parametrize("status", [b"{", b"[]", b"\xff", b'"QUEUED"'])
def test_a_status_that_somebody_spoiled_is_written_again(world: World, status: bytes) -> None:
    world.configure(max_clusters="0")
    world.launched()
    world.objects.versions[world.keys().status, None] = status
    world.reconcile()
    assert world.status()["queue_position"] == 1


@pytest.mark.parametrize("rejection", ["{", "[]", ""])
def test_a_rejection_that_somebody_spoiled_does_not_hold_up_the_next_version(
    world: World, rejection: str
) -> None:
    world.objects.write("manifests-rejected/fruits.json", rejection)
    assert world.launched().outcome is Outcome.LAUNCHED
    assert "manifests-rejected/fruits.json" not in world.objects.names()


def test_what_fails_while_other_runs_are_withdrawn_or_replaced_is_theirs(world: World) -> None:
    first, second = two_queued(world)
    closed_prefix(world, first)
    newer = world.launch(world.upload(manifest(), "v2", "manifests/first.json"))
    assert newer.outcome in (Outcome.QUEUED, Outcome.LAUNCHED)
    assert world.ledger.records[first].reason == "SUPERSEDED"
    assert world.ledger.records[second].state is RunState.LAUNCHED


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e999"])
def test_a_report_of_numbers_that_json_has_not_is_not_understood_and_the_status_is_json(
    world: World, number: str
) -> None:
    cluster_id = completed_run(world)
    name = world.keys().step_report("pca")
    report = world.objects.text(name).replace('"total": 1.5', f'"total": {number}')
    world.objects.write(name, report)
    with pytest.raises(UnreadableError, match=r"StepReport\.seconds cannot be"):
        world.tracker.track(cluster_id)
    for _ in range(LASTING_LIMIT + 1):
        world.reconcile()
        world.time += PASS_SECONDS
    text = world.objects.text(world.keys().status)
    assert json.loads(text, parse_constant=pytest.fail)["reason"] == "GIVEN_UP"
