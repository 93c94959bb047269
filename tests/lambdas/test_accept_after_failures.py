"""Whatever fails on the way from a manifest to its cluster, there is one in the end, or a reason why not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdas.contract.report import STEPS
from lambdas.contract.run import RunRecord, RunState, ordered
from lambdas.launcher.accept import Upload
from lambdas.runs.admission import Admissions, Pause
from lambdas.runs.cluster_port import LaunchRefusedError
from lambdas.runs.dispatch import DOUBT_SECONDS, LAUNCH_CALL_SECONDS, LEASE_SECONDS, Outcome
from lambdas.runs.ports import Newest
from lambdas.runs.run_service import CLOSING_SECONDS

from .fake_clusters import throttled
from .world import KEY, World, manifest


def crash_while_launching(world: World, upload: Upload, *, created: bool) -> None:
    """Kill the Lambda in the middle of RunJobFlow."""
    world.clusters.error = KeyboardInterrupt()  # type: ignore[assignment]  # kills the process, no handler runs
    world.clusters.creates_despite_error = created
    with pytest.raises(KeyboardInterrupt):
        world.launch(upload)
    world.clusters.error = None


def test_while_a_claim_may_be_alive_nobody_touches_its_run(world: World) -> None:
    upload = world.upload(manifest())
    crash_while_launching(world, upload, created=False)
    world.time += LEASE_SECONDS - 1
    assert world.launch(upload).outcome is Outcome.DUPLICATE
    world.reconcile()
    assert world.record().state is RunState.CLAIMED
    assert not world.clusters.requests


@pytest.mark.parametrize("created", [False, True])
def test_after_a_crash_between_claim_and_record_there_is_exactly_one_cluster(
    world: World, created: bool
) -> None:
    crash_while_launching(world, world.upload(manifest()), created=created)
    world.time += LEASE_SECONDS + 1
    for _ in range(3):
        world.reconcile()
    (cluster_id,) = world.clusters.clusters
    assert (world.record().state, world.record().cluster_id) == (RunState.LAUNCHED, cluster_id)
    assert world.status()["state"] == "LAUNCHED"


def test_many_reconcilers_at_once_after_a_crash_launch_one_cluster(world: World) -> None:
    crash_while_launching(world, world.upload(manifest()), created=False)
    world.time += LEASE_SECONDS + 1
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: world.reconcile(), range(5)))
    assert len(world.clusters.requests) == 1


def test_throttled_but_created_is_adopted_at_once(world: World) -> None:
    world.clusters.error = throttled()
    world.clusters.creates_despite_error = True
    assert world.launched().outcome is Outcome.LAUNCHED
    assert [world.record().cluster_id] == list(world.clusters.clusters)


def test_a_throttled_run_is_launched_by_the_reconciler_after_a_second_look(world: World) -> None:
    world.clusters.error = throttled()
    assert world.launched().outcome is Outcome.QUEUED
    world.clusters.error = None
    world.reconcile()
    assert not world.clusters.requests
    world.time += DOUBT_SECONDS + 1
    world.reconcile()
    assert len(world.clusters.requests) == 1
    assert world.record().state is RunState.LAUNCHED


def test_a_cluster_that_emr_lists_late_is_adopted(world: World) -> None:
    world.clusters.error = throttled()
    world.launched()
    cluster_id = world.clusters.create_unseen()
    world.time += DOUBT_SECONDS + 1
    world.reconcile()
    assert world.record().cluster_id == cluster_id
    assert len(world.clusters.clusters) == 1


def test_a_cluster_that_emr_lists_late_is_adopted_also_by_the_next_upload(world: World) -> None:
    world.clusters.error = throttled()
    first = world.launched().run_id or ""
    world.ledger.pause(Pause())
    world.time += DOUBT_SECONDS + 1
    world.reconcile()  # back in the queue
    world.ledger.resume()
    cluster_id = world.clusters.create_unseen()
    next_one = world.launch(world.upload(manifest(), key="manifests/next.json"))
    assert next_one.others == {first: Outcome.ADOPTED}
    record = world.ledger.records[first]
    assert (record.state, record.cluster_id) == (RunState.LAUNCHED, cluster_id)
    assert (len(world.clusters.requests), world.status_of(first)["state"]) == (2, "LAUNCHED")


@pytest.mark.parametrize("error", [None, throttled()], ids=["launched", "adopted"])
def test_a_launch_reads_plan_and_reports_once(world: World, error: Exception | None) -> None:
    world.configure(max_clusters="0")
    world.launched()
    world.configure()
    world.clusters.error, world.clusters.creates_despite_error = error, True
    world.objects.reads.clear()
    world.reconcile()
    keys = world.keys()
    assert world.status()["state"] == "LAUNCHED"
    assert world.objects.reads == dict.fromkeys([keys.plan, *map(keys.step_report, STEPS)], 1)


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [
        (LEASE_SECONDS - LAUNCH_CALL_SECONDS, Outcome.LAUNCHED),
        (LEASE_SECONDS - LAUNCH_CALL_SECONDS + 1, Outcome.IN_DOUBT),
    ],
)
def test_no_cluster_is_asked_for_that_may_come_after_the_claims_lease(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: float, outcome: Outcome
) -> None:
    world.configure(max_clusters="0")
    run = world.launched().run_id
    world.configure()
    swap = world.ledger.swap

    def slow(seen: RunRecord, after: RunRecord) -> RunRecord | None:
        world.time += seconds if after.state is RunState.CLAIMED else 0
        return swap(seen, after)

    monkeypatch.setattr(world.ledger, "swap", slow)
    assert world.reconcile().dispatched == {run: outcome}
    assert len(world.clusters.requests) == (outcome is Outcome.LAUNCHED)


def test_a_failure_of_another_service_before_the_run_is_known_asks_for_redelivery(world: World) -> None:
    def fail(key: str) -> None:
        raise OSError("S3 is away")

    world.objects.before_write = fail
    upload = world.upload(manifest())
    with pytest.raises(OSError, match="S3 is away"):
        world.launch(upload)
    world.objects.before_write = lambda key: None
    assert world.launch(upload).outcome is Outcome.LAUNCHED


def test_a_refusal_by_emr_fails_the_run_for_good(world: World) -> None:
    world.clusters.error = LaunchRefusedError("ValidationException", "Invalid InstanceProfile: nodes.")
    upload = world.upload(manifest())
    assert world.launch(upload).outcome is Outcome.REFUSED
    status = world.status()
    assert (status["state"], status["reason"], status["kind"]) == ("FAILED", "ValidationException", "config")
    assert "Invalid InstanceProfile" in status["message"]
    assert status["remedy"]
    assert world.launch(upload).outcome is Outcome.DUPLICATE
    assert not world.clusters.requests


def test_a_run_that_ends_before_it_has_a_cluster_frees_its_place_at_once(world: World) -> None:
    world.configure(max_clusters="1")
    world.clusters.error = LaunchRefusedError("ValidationException", "Invalid InstanceProfile: nodes.")
    assert world.launch(world.upload(manifest())).outcome is Outcome.REFUSED
    assert not world.ledger.shared.slots
    assert world.ledger.shared.committed_eur == 0
    world.clusters.error = None
    assert world.launch(world.upload(manifest(), key="manifests/next.json")).outcome is Outcome.LAUNCHED


def test_a_place_that_could_not_be_freed_at_once_is_noted_on_its_run_and_freed_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.clusters.error = LaunchRefusedError("ValidationException", "Invalid InstanceProfile: nodes.")
    swap = world.ledger.swap_admissions

    def no_release(seen: Admissions, after: Admissions) -> bool:
        if len(after.slots) < len(seen.slots):
            raise TimeoutError("throttled")
        return swap(seen, after)

    monkeypatch.setattr(world.ledger, "swap_admissions", no_release)
    assert world.launched().outcome is Outcome.REFUSED
    setback = world.record().setback
    assert setback is not None
    assert setback.reason == "TimeoutError: throttled"
    monkeypatch.undo()
    world.time += CLOSING_SECONDS + 1
    world.reconcile()
    assert (world.record().state, world.ledger.shared.slots) == (RunState.FAILED, {})


def test_a_queued_run_that_a_lowered_daily_budget_can_never_admit_ends_and_the_next_one_starts(
    world: World,
) -> None:
    world.configure(max_clusters="0")
    dear = world.launched(cluster={"workers": 4}).run_id or ""
    world.launch(world.upload(manifest(), key="manifests/cheap.json"))
    world.configure(max_eur_per_day="2")
    assert [*world.reconcile().dispatched.values()] == [Outcome.REFUSED, Outcome.LAUNCHED]
    status = world.status_of(dear)
    assert (status["state"], status["reason"]) == ("FAILED", "OVER_BUDGET")
    assert "at most 2.00 EUR a day" in status["message"]


def test_a_delivery_that_died_before_it_replaced_older_versions_is_made_up_for_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(max_clusters="0")
    first, second = world.upload(manifest(), "v1"), world.upload(manifest(), "v2")
    note = world.ledger.note

    def fails(key: str, newest: Newest) -> bool:
        raise TimeoutError("throttled")

    for upload in (first, second):
        monkeypatch.setattr(world.ledger, "note", fails)
        with pytest.raises(TimeoutError):
            world.launch(upload)
        monkeypatch.setattr(world.ledger, "note", note)
        assert world.launch(upload).outcome is Outcome.DUPLICATE
        assert world.ledger.newest(KEY) == Newest(ordered(upload.sequencer), deleted=False)
    states = {record.manifest_version_id: record.state for record in world.ledger.records.values()}
    assert states == {"v1": RunState.CANCELLED, "v2": RunState.QUEUED}
