"""One manifest version, one cluster: whatever is delivered twice, fails or crashes in between."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.manifest.json_reader import MAX_BYTES
from lambdas.contract.run import RunState, run_id
from lambdas.launcher.accept import LAUNCH_RESERVE_SECONDS, Upload
from lambdas.runs.dispatch import LEASE_SECONDS, Outcome
from lambdas.runs.run_service import CLOSING_SECONDS

from .fake_clusters import throttled
from .world import BUCKET, KEY, World, manifest


def test_a_good_manifest_launches_one_cluster_and_leaves_record_plan_and_status(world: World) -> None:
    result = world.launched()
    assert result.outcome is Outcome.LAUNCHED
    assert result.run_id == run_id("fruits", BUCKET, KEY, "v1")
    (request,) = world.clusters.requests
    assert request["Name"] == f"fruits-{result.run_id}"
    record = world.record()
    (cluster_id,) = world.clusters.clusters
    assert (record.state, record.cluster_id) == (RunState.LAUNCHED, cluster_id)
    plan = world.plan()
    assert (plan.images_listed, plan.submitted_at) == (3, "2026-01-02T03:04:05.678Z")
    status = world.status()
    assert (status["state"], status["cluster_id"]) == ("LAUNCHED", cluster_id)
    assert status["logs"] == f"s3://{BUCKET}/logs/{cluster_id}/"
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


def test_a_delivery_that_another_one_outruns_is_told_so_and_launches_nothing(world: World) -> None:
    upload = world.upload(manifest())

    def outrun(key: str) -> None:
        world.objects.before_write = lambda key: None
        assert world.launch(upload).outcome is Outcome.LAUNCHED

    world.objects.before_write = outrun
    result = world.launch(upload)
    assert (result.outcome, result.detail) == (
        Outcome.DUPLICATE,
        "another delivery accepted the run just now",
    )
    assert len(world.clusters.requests) == 1


def test_a_delivery_of_a_run_that_is_known_writes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = world.upload(manifest())
    world.launch(upload)
    world.objects.before_write = lambda key: pytest.fail(f"{key} is written once more")
    monkeypatch.setattr(world.ledger, "note", lambda *_: pytest.fail("a write for each delivery"))
    assert world.launch(upload).outcome is Outcome.DUPLICATE


def test_a_manifest_may_be_as_large_as_the_limit_and_of_a_larger_one_a_byte_more_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    read = world.objects.read

    def measured(key: str, *args: Any, **options: Any) -> bytes | None:
        body = read(key, *args, **options)
        sizes.extend([len(body)] if body and key == KEY else [])
        return body

    monkeypatch.setattr(world.objects, "read", measured)
    largest = json.dumps(manifest()).encode().ljust(MAX_BYTES)
    assert world.launch(world.upload(largest, "v1")).outcome is Outcome.LAUNCHED
    assert world.launch(world.upload(largest + b" " * 1000, "v2")).outcome is Outcome.REJECTED
    # The byte: before it launches, the launcher sees whether the version is there still.
    assert sizes == [MAX_BYTES, 1, MAX_BYTES + 1]


@pytest.mark.parametrize(("seconds_left", "counted"), [(0, 2000), (-1, 1000)])
def test_images_are_counted_as_long_as_there_is_time_to_launch(
    world: World, seconds_left: float, counted: int
) -> None:
    world.buckets.keys[BUCKET] = [f"images/apple/{number}.jpg" for number in range(2000)]
    upload = world.upload(manifest())
    world.acceptor.accept(upload, world.time + LAUNCH_RESERVE_SECONDS + seconds_left)
    assert world.plan().images_listed == counted


def test_a_second_version_of_the_manifest_is_a_second_run(world: World) -> None:
    first = world.launch(world.upload(manifest(), "v1"))
    second = world.launch(world.upload(manifest(), "v2"))
    assert second.outcome is Outcome.LAUNCHED
    assert first.run_id != second.run_id
    assert len(world.clusters.requests) == 2
    assert {record.state for record in world.ledger.records.values()} == {RunState.LAUNCHED}


def test_the_very_version_of_the_event_is_read_though_a_newer_one_is_there(world: World) -> None:
    upload = world.upload(manifest(dataset="first"), "v1")
    world.upload(manifest(dataset="second"), "v2")
    assert world.launch(upload).dataset == "first"


def test_a_version_deleted_since_launches_nothing(world: World) -> None:
    result = world.launch(Upload(KEY, "gone", "2026-01-02T03:04:05Z", "01"))
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


def test_the_rejection_goes_also_when_the_very_version_is_accepted_after_all(world: World) -> None:
    world.configure(max_eur_per_day="0.5")
    upload = world.upload(manifest())
    assert world.launch(upload).outcome is Outcome.REJECTED
    world.configure()
    assert world.launch(upload).outcome is Outcome.LAUNCHED
    assert "manifests-rejected/fruits.json" not in world.objects.names()


LONGEST = f"manifests/{'a' * 1009}.json"


def test_the_longest_name_that_s3_takes_is_rejected_or_launched_like_any_other(world: World) -> None:
    assert len(LONGEST) == 1024
    assert world.launch(world.upload(manifest(engin="fast"), key=LONGEST)).outcome is Outcome.REJECTED
    [rejection] = [name for name in world.objects.names() if name.startswith("manifests-rejected/")]
    assert len(rejection) <= 1024
    assert world.launch(world.upload(manifest(), "v2", key=LONGEST)).outcome is Outcome.LAUNCHED
    assert rejection not in world.objects.names()


def test_what_was_seen_beside_the_images_is_in_plan_and_status_and_in_a_rejection(world: World) -> None:
    world.buckets.keys[BUCKET] += ["images/apple/._0.jpg", "images/apple/9.webp"]
    notes = [
        "1 object was left out for the suffix (.webp 1); images.suffixes would take .webp.",
        "1 object was skipped as what file managers leave behind (__MACOSX/, ._*, .DS_Store, Thumbs.db, "
        "desktop.ini).",
    ]
    world.launched()
    assert (list(world.plan().notes), world.status()["notes"]) == (notes, notes)
    dear = manifest(cluster={"workers": 50}, limits={"max_cost_eur": 10_000, "max_runtime_minutes": 1440})
    world.configure(max_eur_per_day="1")
    assert world.launch(world.upload(dear, "v3")).outcome is Outcome.REJECTED
    assert world.rejection()["notes"] == notes


def test_a_manifest_in_a_folder_is_rejected_under_the_same_name(world: World) -> None:
    world.launch(world.upload(b"{", key="manifests/team/a b.json"))
    assert world.rejection("team/a b")["faults"]


def test_what_a_launch_takes_is_in_the_plan_and_the_manifest_is_not_read_again(world: World) -> None:
    world.configure(max_clusters="0")
    world.launched(cluster={"workers": 3, "instance_types": ["m5.2xlarge"]})
    world.configure()
    reads = world.objects.reads[KEY]
    world.objects.versions.pop((KEY, "v1"))  # erased, which nobody was told
    world.reconcile()
    (request,) = world.clusters.requests
    primary, core, task = request["Instances"]["InstanceFleets"]
    assert core["TargetOnDemandCapacity"] + task["TargetOnDemandCapacity"] == 3
    assert primary["InstanceTypeConfigs"][0]["InstanceType"] == "m5.2xlarge"
    assert world.objects.reads[KEY] == reads


def queued(world: World) -> str:
    """A run that waits; the next pass of the reconciler may launch it."""
    world.configure(max_clusters="0")
    run = world.launched(notify=True).run_id or ""
    world.configure()
    return run


def test_a_run_whose_plan_was_erased_is_cancelled_and_the_next_one_starts(world: World) -> None:
    run = queued(world)
    world.objects.delete(world.keys().plan)
    world.time += 1
    next_run = world.launch(world.upload(manifest(), key="manifests/next.json"))
    assert (next_run.outcome, next_run.others) == (Outcome.LAUNCHED, {run: Outcome.CANCELLED})
    assert [record.state for record in world.ledger.records.values()] == ["CANCELLED", "LAUNCHED"]
    status = world.status_of(run)
    assert (status["reason"], status["kind"]) == ("PLAN_ERASED", "user")
    assert "plan was erased" in status["message"]
    assert "Upload the manifest again" in status["remedy"]


def test_a_run_whose_plan_is_of_before_an_upgrade_and_whose_manifest_is_erased_fails_with_a_remedy(
    world: World,
) -> None:
    run = queued(world)
    key = world.keys().plan
    fields = json.loads(world.objects.text(key))
    del fields["cluster"]
    world.objects.write(key, json.dumps(fields))
    world.objects.versions.pop((KEY, "v1"))
    world.time += 1
    next_run = world.launch(world.upload(manifest(), key="manifests/next.json"))
    assert (next_run.outcome, next_run.others) == (Outcome.LAUNCHED, {run: Outcome.REFUSED})
    status = world.status_of(run)
    assert (status["state"], status["reason"], status["kind"]) == ("FAILED", "PLAN_OUTDATED", "ours")
    assert status["message"].endswith("its manifest, which did, was erased.")
    assert status["remedy"].startswith("Upload the manifest again")
    world.time += CLOSING_SECONDS + 1
    world.reconcile()
    assert [subject for subject, _ in world.topic.messages] == [f"FAILED: {run}"]
    assert run not in world.ledger.shared.slots


def test_a_run_that_the_daily_budget_could_never_admit_is_rejected(world: World) -> None:
    world.configure(max_eur_per_day="0.5")
    assert world.launched().outcome is Outcome.REJECTED
    (fault,) = world.rejection()["faults"]
    assert "0.50 EUR a day" in fault["problem"]


@given(st.lists(st.sampled_from(["ok", "throttled", "created", "crash", "crash_created"]), max_size=6))
def test_any_history_of_failures_ends_with_exactly_one_cluster(history: list[str]) -> None:
    world = World()
    upload = world.upload(manifest())
    errors: dict[str, Any] = {"throttled": throttled(), "created": throttled()}
    for event in [*history, "ok", "ok"]:
        world.clusters.error = None if event == "ok" else errors.get(event, KeyboardInterrupt())
        world.clusters.creates_despite_error = "created" in event
        with contextlib.suppress(KeyboardInterrupt):
            world.launch(upload)
        with contextlib.suppress(KeyboardInterrupt):
            world.reconcile()
        world.time += LEASE_SECONDS + 1
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
