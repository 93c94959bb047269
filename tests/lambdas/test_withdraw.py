"""A manifest that was replaced or deleted: what waits for it is cancelled, whatever order events come in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lambdas.contract.run import RunRecord, RunState
from lambdas.launcher.accept import Result, Upload
from lambdas.launcher.withdraw import Deletion
from lambdas.runs.dispatch import LEASE_SECONDS, Outcome
from lambdas.runs.ports import Newest

from .fake_clusters import throttled
from .poison import closed_prefix
from .world import KEY, World, manifest


def at_insertion(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    *,
    before: Callable[[RunRecord], object] = lambda _: None,
    after: Callable[[], object],
) -> None:
    """What happens around the moment in which a run is put into the ledger."""
    insert = world.ledger.insert

    def late(record: RunRecord) -> bool:
        before(record)
        inserted = insert(record)
        after()
        return inserted

    monkeypatch.setattr(world.ledger, "insert", late)


def erase(world: World, upload: Upload) -> None:
    """The version of the manifest is gone from the bucket."""
    del world.objects.versions[upload.key, upload.version_id]


def test_a_newer_version_replaces_an_older_one_that_waits(world: World) -> None:
    world.configure(max_clusters="1")
    world.launch(world.upload(manifest(), key="manifests/other.json"))
    older = world.launch(world.upload(manifest(), "v1"))
    newer = world.launch(world.upload(manifest(), "v2"))
    assert (older.outcome, newer.outcome) == (Outcome.QUEUED, Outcome.QUEUED)
    replaced = world.ledger.records[older.run_id or ""]
    assert (replaced.state, replaced.reason) == (RunState.CANCELLED, "SUPERSEDED")
    assert world.ledger.records[newer.run_id or ""].state is RunState.QUEUED


def test_a_replaced_run_says_so_and_of_one_that_has_a_cluster_nothing_is_written(world: World) -> None:
    world.configure(max_clusters="1")
    runs = [world.launch(world.upload(manifest(), version)).run_id or "" for version in ("v1", "v2")]
    world.objects.delete(f"runs/{runs[0]}/status.json")
    runs.append(world.launch(world.upload(manifest(), "v3")).run_id or "")
    assert world.status_of(runs[1])["reason"] == "SUPERSEDED"
    closed_prefix(world, runs[2])
    assert world.launch(world.upload(manifest(), "v4")).outcome is Outcome.QUEUED
    replaced = world.ledger.records[runs[2]]
    assert (replaced.state, replaced.setback is not None) == (RunState.CANCELLED, True)
    assert world.ledger.records[runs[0]].state is RunState.LAUNCHED
    assert f"runs/{runs[0]}/status.json" not in world.objects.names()


def test_for_the_first_version_of_a_manifest_nobody_looks_for_older_ones(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.ledger, "queue", lambda: iter(()))
    monkeypatch.setattr(world.ledger, "active", lambda: pytest.fail("a query for each upload"))
    assert world.launched().outcome is Outcome.LAUNCHED
    assert world.ledger.newest(KEY) == Newest(world.record().sequencer, deleted=False)


def test_an_older_version_that_arrives_late_does_not_replace_a_newer_one(world: World) -> None:
    older, newer = world.upload(manifest(), "v1"), world.upload(manifest(), "v2")
    assert world.launch(newer).outcome is Outcome.LAUNCHED
    late = world.launch(older)
    assert late.outcome is Outcome.CANCELLED
    assert len(world.clusters.requests) == 1
    assert world.ledger.records[late.run_id or ""].reason == "SUPERSEDED"


def test_deleting_the_manifest_cancels_a_run_that_waits(world: World) -> None:
    world.configure(max_clusters="0")
    run = world.launched().run_id or ""
    world.delete(Deletion(KEY, None, world.sequencer()))
    assert (world.record().state, world.record().reason) == (RunState.CANCELLED, "MANIFEST_DELETED")
    world.configure()
    world.reconcile()
    assert not world.clusters.requests
    assert world.ledger.records[run].state is RunState.CANCELLED
    assert (world.status()["state"], world.status()["message"]) == ("CANCELLED", "The manifest was deleted.")


def test_a_deletion_heard_of_before_the_upload_cancels_it_too(world: World) -> None:
    upload = world.upload(manifest())
    world.delete(Deletion(KEY, None, world.sequencer()))
    assert world.launch(upload).outcome is Outcome.CANCELLED
    assert not world.clusters.requests
    assert world.record().reason == "MANIFEST_DELETED"


def test_a_deletion_that_arrives_late_does_not_touch_a_newer_upload(world: World) -> None:
    world.configure(max_clusters="0")
    deletion = Deletion(KEY, None, world.sequencer())
    world.launched()
    world.delete(deletion)
    assert world.record().state is RunState.QUEUED


def test_a_deletion_that_a_run_does_not_care_for_writes_nothing(world: World) -> None:
    world.launched(when_deleted="nothing")
    written: list[str] = []
    world.objects.before_write = written.append
    world.delete(Deletion(KEY, None, world.sequencer()))
    assert written == []


def test_a_run_is_withdrawn_also_where_its_status_cannot_be_written_and_says_why(world: World) -> None:
    world.configure(max_clusters="0")
    run = world.launched().run_id or ""
    closed_prefix(world, run)
    assert world.delete(Deletion(KEY, None, world.sequencer())) == Result(
        Outcome.DELETED, f"{KEY} was deleted"
    )
    setback = world.record().setback
    assert world.record().state is RunState.CANCELLED
    assert setback is not None
    assert "Access Denied" in setback.reason


def test_a_version_that_is_deleted_while_its_launch_is_in_doubt_is_not_launched(world: World) -> None:
    world.clusters.error = throttled()
    upload = world.upload(manifest())
    world.launch(upload)
    assert world.record().state is RunState.CLAIMED
    world.delete(Deletion(KEY, upload.version_id, world.sequencer()))
    world.clusters.error = None
    world.time += LEASE_SECONDS + 1
    world.reconcile()
    assert not world.clusters.clusters
    assert (world.record().state, world.record().reason) == (RunState.CANCELLED, "MANIFEST_DELETED")


def test_a_version_that_is_deleted_while_it_is_looked_at_is_not_launched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = world.upload(manifest())

    def deleted(_: RunRecord) -> None:
        world.delete(Deletion(KEY, upload.version_id, world.sequencer()))  # finds no run

    at_insertion(world, monkeypatch, before=deleted, after=lambda: erase(world, upload))
    result = world.launch(upload)
    assert (result.outcome, result.detail) == (
        Outcome.CANCELLED,
        f"{KEY} version v1 was deleted meanwhile",
    )
    world.reconcile()
    assert not world.clusters.requests
    assert (world.status()["state"], world.status()["reason"]) == ("CANCELLED", "MANIFEST_DELETED")


def test_a_deletion_that_did_not_see_the_run_yet_stops_it_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = world.launch(world.upload(manifest(), key="manifests/other.json")).run_id or ""
    world.time += 1
    replaced = world.launch(world.upload(manifest(when_deleted="stop"), "v1", "manifests/new.json")).run_id
    world.time += 1
    deleted = world.launched(when_deleted="stop").run_id
    world.launch(world.upload(manifest(), "v2", "manifests/new.json"))
    with monkeypatch.context() as unseen:
        unseen.setattr(world.ledger, "active", lambda: ())  # which may lack runs of the last second
        world.delete(Deletion(KEY, None, world.sequencer()))
        world.delete(Deletion("manifests/other.json", None, world.sequencer()))
    world.reconcile()
    assert world.clusters.terminated == ["j-0000000000002"]
    world.reconcile()
    records = world.ledger.records
    assert (records[deleted or ""].state, records[deleted or ""].reason) == (
        RunState.CANCELLED,
        "MANIFEST_DELETED",
    )
    assert {records[run or ""].state for run in (other, replaced)} == {RunState.LAUNCHED}


def test_a_run_whose_manifest_nobody_can_ask_about_goes_on_and_others_are_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    spared = world.launched(when_deleted="stop").run_id or ""
    world.time += 1
    stopped = world.launch(world.upload(manifest(when_deleted="stop"), key="manifests/other.json"))
    with monkeypatch.context() as unseen:
        unseen.setattr(world.ledger, "active", lambda: ())
        for key in (KEY, "manifests/other.json"):
            world.delete(Deletion(key, None, world.sequencer()))
    newest = world.ledger.newest

    def closed(key: str) -> Newest | None:
        if key == KEY:
            raise PermissionError("Access Denied")
        return newest(key)

    monkeypatch.setattr(world.ledger, "newest", closed)
    assert world.reconcile().skipped == {spared: "PermissionError: Access Denied"}
    assert world.ledger.records[spared].state is RunState.LAUNCHED
    assert world.ledger.records[stopped.run_id or ""].stopping is RunState.CANCELLED
    assert world.clusters.terminated == ["j-0000000000001"]


@pytest.mark.parametrize(("policy", "stopping"), [("nothing", None), ("stop", "CANCELLED")])
def test_a_version_that_was_deleted_early_and_launched_by_another_all_the_same_is_treated_as_ever(
    world: World, monkeypatch: pytest.MonkeyPatch, policy: str, stopping: str | None
) -> None:
    upload = world.upload(manifest(when_deleted=policy))

    def launched() -> None:
        world.reconcile()
        erase(world, upload)

    at_insertion(world, monkeypatch, after=launched)
    assert world.launch(upload).outcome is Outcome.QUEUED
    assert (world.record().state, world.record().stopping) == ("LAUNCHED", stopping)


def test_a_version_that_was_deleted_early_is_not_launched_also_where_that_cannot_be_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = world.upload(manifest())
    at_insertion(
        world,
        monkeypatch,
        before=lambda record: closed_prefix(world, record.run_id),
        after=lambda: erase(world, upload),
    )
    assert world.launch(upload).outcome is Outcome.CANCELLED
    setback = world.record().setback
    assert setback is not None
    assert "Access Denied" in setback.reason


@pytest.mark.parametrize(("policy", "state"), [("nothing", "LAUNCHED"), ("stop", "CANCELLED")])
def test_deleting_the_manifest_of_a_running_run_does_what_the_manifest_says(
    world: World, policy: str, state: str
) -> None:
    world.launched(when_deleted=policy)
    world.delete(Deletion(KEY, None, world.sequencer()))
    assert world.record().stopping == (RunState.CANCELLED if policy == "stop" else None)
    world.reconcile()
    world.reconcile()
    assert world.record().state == state
    if state == "CANCELLED":
        assert world.record().reason == "MANIFEST_DELETED"
