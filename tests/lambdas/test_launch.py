"""One manifest version, one cluster: whatever is delivered twice, fails or crashes in between."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.run import RunState, run_id
from lambdas.launcher.launch import LEASE_SECONDS, LaunchDelayedError, Outcome, Upload
from lambdas.ports import LaunchRefusedError

from .fakes import throttled
from .world import BUCKET, KEY, World, manifest


def test_a_good_manifest_launches_one_cluster_and_leaves_record_plan_and_status(world: World) -> None:
    result = world.launched()
    assert result.outcome is Outcome.LAUNCHED
    assert result.run_id == run_id("fruits", BUCKET, KEY, "v1")
    (request,) = world.clusters.requests
    assert request["Name"] == f"fruits-{result.run_id}"
    record = world.record()
    assert (record.state, record.cluster_id) == (RunState.LAUNCHED, result.cluster_id)
    plan = world.plan()
    assert (plan.images_listed, plan.submitted_at) == (3, "2026-01-02T03:04:05.678Z")
    status = world.status()
    assert (status["state"], status["cluster_id"]) == ("LAUNCHED", result.cluster_id)
    assert status["logs"] == f"s3://{BUCKET}/logs/{result.cluster_id}/"
    assert status["images_in"] is None


def test_five_deliveries_one_after_the_other_launch_one_cluster(world: World) -> None:
    upload = world.upload(manifest())
    outcomes = [world.launch(upload).outcome for _ in range(5)]
    assert outcomes == [Outcome.LAUNCHED, *[Outcome.DUPLICATE] * 4]
    assert len(world.clusters.requests) == 1


def test_five_deliveries_at_once_launch_one_cluster(world: World) -> None:
    upload = world.upload(manifest())
    with ThreadPoolExecutor(5) as pool:
        results = list(pool.map(world.launch, [upload] * 5))
    assert [result.outcome for result in results].count(Outcome.LAUNCHED) == 1
    assert len(world.clusters.requests) == 1


def test_a_second_version_of_the_manifest_is_a_second_run(world: World) -> None:
    first = world.launch(world.upload(manifest(), "v1"))
    second = world.launch(world.upload(manifest(), "v2"))
    assert second.outcome is Outcome.LAUNCHED
    assert first.run_id != second.run_id
    assert len(world.clusters.requests) == 2


def test_the_very_version_of_the_event_is_read_though_a_newer_one_is_there(world: World) -> None:
    upload = world.upload(manifest(dataset="first"), "v1")
    world.upload(manifest(dataset="second"), "v2")
    assert world.launch(upload).dataset == "first"


def test_a_version_deleted_since_launches_nothing(world: World) -> None:
    result = world.launch(Upload(KEY, "gone", "2026-01-02T03:04:05Z"))
    assert result.outcome is Outcome.IGNORED
    assert not world.objects.names()


def test_a_bad_manifest_leaves_every_fault_and_launches_nothing(world: World) -> None:
    result = world.launched(engine="fst", dataset=7)
    assert result.outcome is Outcome.REJECTED
    rejection = world.rejection()
    assert rejection["manifest"] == {"bucket": BUCKET, "key": KEY, "version_id": "v1"}
    assert {fault["path"] for fault in rejection["faults"]} == {"$.dataset", "$.engine"}
    assert set(rejection["faults"][0]) == {"path", "problem", "remedy", "nearest"}
    assert rejection["rejected_at"] == "1970-01-12T13:46:40+00:00"
    assert not world.ledger.records
    assert not world.clusters.requests


def test_the_rejection_goes_when_the_corrected_manifest_is_accepted(world: World) -> None:
    world.launch(world.upload(b"{", "v1"))
    world.launch(world.upload(manifest(), "v2"))
    assert "manifests-rejected/fruits.json" not in world.objects.names()


def test_a_manifest_in_a_folder_is_rejected_under_the_same_name(world: World) -> None:
    world.launch(world.upload(b"{", key="manifests/team/a b.json"))
    assert world.rejection("team/a b")["faults"]


def test_a_delivery_during_the_lease_of_another_stands_back(world: World) -> None:
    upload = world.upload(manifest())
    world.clusters.error = KeyboardInterrupt()  # type: ignore[assignment]  # kills the process, no handler runs
    with pytest.raises(KeyboardInterrupt):
        world.launch(upload)
    world.clusters.error = None
    world.time += LEASE_SECONDS - 1
    assert world.launch(upload).outcome is Outcome.STOOD_BACK
    assert not world.clusters.requests


@pytest.mark.parametrize("created", [False, True])
def test_after_a_crash_between_claim_and_record_the_redelivery_ends_with_exactly_one_cluster(
    world: World, created: bool
) -> None:
    upload = world.upload(manifest())
    world.clusters.error = KeyboardInterrupt()  # type: ignore[assignment]  # as above
    world.clusters.creates_despite_error = created
    with pytest.raises(KeyboardInterrupt):
        world.launch(upload)
    world.clusters.error = None
    world.time += LEASE_SECONDS
    result = world.launch(upload)
    assert result.outcome is (Outcome.ADOPTED if created else Outcome.LAUNCHED)
    assert len(world.clusters.requests) == 1
    assert world.record().cluster_id == result.cluster_id
    assert world.status()["state"] == "LAUNCHED"


def test_many_redeliveries_at_once_after_a_crash_launch_one_cluster(world: World) -> None:
    upload = world.upload(manifest())
    world.clusters.error = KeyboardInterrupt()  # type: ignore[assignment]  # as above
    with pytest.raises(KeyboardInterrupt):
        world.launch(upload)
    world.clusters.error = None
    world.time += LEASE_SECONDS
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(world.launch, [upload] * 5))
    assert len(world.clusters.requests) == 1


def test_throttled_but_created_is_adopted_at_once(world: World) -> None:
    world.clusters.error = throttled()
    world.clusters.creates_despite_error = True
    result = world.launched()
    assert result.outcome is Outcome.ADOPTED
    assert world.record().cluster_id == result.cluster_id


def test_throttled_frees_the_claim_and_asks_for_redelivery(world: World) -> None:
    world.clusters.error = throttled()
    upload = world.upload(manifest())
    with pytest.raises(LaunchDelayedError, match="Rate exceeded"):
        world.launch(upload)
    world.clusters.error = None
    assert world.launch(upload).outcome is Outcome.LAUNCHED
    assert len(world.clusters.requests) == 1


def test_a_failure_of_another_service_frees_the_claim_too(world: World) -> None:
    def fail(key: str) -> None:
        raise OSError("S3 is away")

    world.objects.before_write = fail
    upload = world.upload(manifest())
    with pytest.raises(OSError, match="S3 is away"):
        world.launch(upload)
    world.objects.before_write = lambda key: None
    assert world.launch(upload).outcome is Outcome.LAUNCHED


def test_a_claim_that_took_too_long_launches_nothing_because_another_may_take_over(world: World) -> None:
    def dawdle(key: str) -> None:
        world.time += LEASE_SECONDS

    world.objects.before_write = dawdle
    with pytest.raises(LaunchDelayedError, match="too old"):
        world.launched()
    assert not world.clusters.requests


def test_a_refusal_by_emr_fails_the_run_for_good(world: World) -> None:
    world.clusters.error = LaunchRefusedError("ValidationException", "Invalid InstanceProfile: nodes.")
    upload = world.upload(manifest())
    assert world.launch(upload).outcome is Outcome.REFUSED
    status = world.status()
    assert (status["state"], status["reason"], status["kind"]) == ("FAILED", "ValidationException", "ours")
    assert "Invalid InstanceProfile" in status["message"]
    assert status["remedy"]
    assert world.launch(upload).outcome is Outcome.DUPLICATE
    assert not world.clusters.requests


def test_a_status_that_the_tracker_wrote_first_is_kept(world: World) -> None:
    upload = world.upload(manifest())
    identity = run_id("fruits", BUCKET, KEY, "v1")
    world.objects.write(f"runs/{identity}/status.json", '{"state": "COMPLETED"}')
    world.launch(upload)
    assert world.status() == {"state": "COMPLETED"}


def test_images_that_went_away_before_a_takeover_fail_the_run_and_say_so(world: World) -> None:
    world.clusters.error = throttled()
    upload = world.upload(manifest())
    with pytest.raises(LaunchDelayedError):
        world.launch(upload)
    world.buckets.keys[BUCKET] = []
    assert world.launch(upload).outcome is Outcome.REJECTED
    assert world.record().state is RunState.FAILED
    assert world.rejection()["faults"]


@given(st.lists(st.sampled_from(["ok", "throttled", "created", "crash", "crash_created"]), max_size=6))
def test_any_history_of_failures_ends_with_at_most_one_cluster(history: list[str]) -> None:
    world = World()
    upload = world.upload(manifest())
    errors: dict[str, Any] = {"throttled": throttled(), "created": throttled()}
    for event in [*history, "ok"]:
        world.clusters.error = None if event == "ok" else errors.get(event, KeyboardInterrupt())
        world.clusters.creates_despite_error = "created" in event
        try:
            world.launch(upload)
        except (LaunchDelayedError, KeyboardInterrupt):
            world.time += LEASE_SECONDS
    assert len(world.clusters.requests) == 1
    assert world.record().state is RunState.LAUNCHED


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_a_run_id_is_a_pure_function_of_the_object_version(bucket: str, key: str, version: str) -> None:
    identity = run_id("d", bucket, key, version)
    assert identity == run_id("d", bucket, key, version)
    assert identity != run_id("d", bucket, key, version + "x")


def test_the_plan_is_the_same_bytes_whenever_it_is_made(world: World) -> None:
    world.launched()
    other = World()
    other.time += 12_345
    other.launched()
    assert world.plan().to_json() == other.plan().to_json()
    assert json.loads(world.plan().to_json())["root"] == f"s3://{BUCKET}"
