"""An upgrade while runs wait and compute loses none: what the older release left, this one finishes."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lambdas.aws.run_items import record_of
from lambdas.contract.run import RunRecord, RunState, cluster_name
from lambdas.runs.admission import Slot
from lambdas.runs.cluster_port import ClusterState
from lambdas.runs.older_plans import cluster_of

from .fake_clusters import snapshot_of
from .runs import DONE
from .world import BUCKET, KEY, World, manifest

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"
RUN = "fruits-0123456789ab"
PLANS = sorted(path.stem for path in GOLDEN.glob("plan-*.json"))
RECORDS = ["record-2-queue", "record-3-listed"]
REPORTS = sorted(path.stem for path in GOLDEN.glob("report-*.json"))


def left_behind(world: World, record: str, plan: str, **changes: Any) -> RunRecord:
    """A run that an older release accepted, and what it left in ledger and bucket."""
    item = json.loads((GOLDEN / f"{record}.json").read_text(), parse_float=Decimal, parse_int=Decimal)
    left = dataclasses.replace(record_of(item), **changes)
    world.ledger.records[RUN] = left
    world.ledger.shared = dataclasses.replace(world.ledger.shared, slots={RUN: Slot(1.5, "1970-01-12")})
    document = manifest(
        cluster={"workers": 3, "instance_types": ["m5.xlarge", "m6i.xlarge"], "market": "spot"}
    )
    world.objects.upload(KEY, json.dumps(document).encode(), "v1")
    world.objects.write(f"runs/{RUN}/plan.json", (GOLDEN / f"{plan}.json").read_text())
    return left


def queued(world: World, record: str, plan: str) -> None:
    left_behind(world, record, plan, state=RunState.QUEUED, attempt=1, cluster_id=None, history=())


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("plan", PLANS)
def test_a_run_that_waited_gets_the_cluster_that_its_manifest_asked_for(
    world: World, record: str, plan: str
) -> None:
    queued(world, record, plan)
    world.reconcile()
    assert world.record().state is RunState.LAUNCHED
    (request,) = world.clusters.requests
    core, task = (
        fleet for fleet in request["Instances"]["InstanceFleets"] if fleet["InstanceFleetType"] != "MASTER"
    )
    assert core["TargetOnDemandCapacity"] + task["TargetSpotCapacity"] == 3
    types = {option["InstanceType"] for option in core["InstanceTypeConfigs"]}
    assert {"m5.xlarge", "m6i.xlarge"} <= types


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("plan", PLANS)
def test_a_run_that_computed_is_followed_to_its_end(world: World, plan: str, report: str) -> None:
    left = left_behind(world, "record-3-listed", plan)
    featurized = json.loads((GOLDEN / f"{report}.json").read_text())
    for step in ("featurize", "pca"):
        world.objects.write(left.layout.step_report(step), json.dumps({**featurized, "step": step}))
    tags = [{"Key": "fruits:run_id", "Value": RUN}, {"Key": "fruits:ledger", "Value": "runs"}]
    steps = [{"Name": "featurize"}, {"Name": "pca"}]
    request = {"Name": cluster_name(RUN, left.attempt), "Tags": tags, "Steps": steps}
    assert left.cluster_id is not None
    world.clusters.clusters[left.cluster_id] = snapshot_of(left.cluster_id, request, world.time)
    world.clusters.change(left.cluster_id, ClusterState.TERMINATED, "ALL_STEPS_COMPLETED", DONE)
    world.reconcile()
    record = world.record()
    assert (record.state, record.active, world.ledger.shared.slots) == (RunState.COMPLETED, False, {})
    assert world.status()["outputs"] == [f"s3://{BUCKET}/Results/fruits/{RUN}/"] * 2
    assert [subject for subject, _ in world.topic.messages] == [f"COMPLETED: {RUN}"]


def test_a_run_that_had_ended_is_closed_and_told_if_the_older_release_had_not(world: World) -> None:
    left_behind(world, "record-3-listed", "plan-4-cluster", state=RunState.FAILED, reason="LOST")
    world.time += 1000
    world.reconcile()
    assert (world.record().active, len(world.topic.messages)) == (False, 1)


def test_a_run_that_the_older_release_had_closed_is_told_no_second_time(world: World) -> None:
    left_behind(world, "record-3-listed", "plan-4-cluster", state=RunState.FAILED, closed=True)
    world.time += 1000
    assert not [repair for repair in world.reconcile().repairs if type(repair).__name__ != "Release"]
    assert (world.topic.messages, world.ledger.shared.slots) == ([], {})


@pytest.mark.parametrize(
    ("cluster", "wanted"),
    [
        ({}, (2, ("m5.xlarge",), "on_demand")),
        ({"workers": 5}, (5, ("m5.xlarge",), "on_demand")),
        ({"market": "spot", "instance_types": ["c5.xlarge"]}, (2, ("c5.xlarge",), "spot")),
    ],
)
def test_what_a_manifest_left_out_is_what_it_was_then(cluster: dict[str, Any], wanted: Any) -> None:
    assert dataclasses.astuple(cluster_of(json.dumps(manifest(cluster=cluster)).encode())) == wanted
    assert dataclasses.astuple(cluster_of(json.dumps(manifest()).encode()))[0] == 2


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"cluster": 3}', b'{"cluster": {"workers": "two"}}'])
def test_a_manifest_that_is_none_any_more_sets_back_its_run_alone(world: World, body: bytes) -> None:
    queued(world, "record-3-listed", "plan-1")
    world.objects.upload(KEY, body, "v1")
    other = world.launch(world.upload(manifest(), key="manifests/other.json")).run_id or ""
    world.reconcile()
    assert world.ledger.records[other].state is RunState.LAUNCHED
    setback = world.ledger.records[RUN].setback
    assert setback is not None
    assert setback.lasting
    assert setback.reason.startswith(("the manifest cannot be read again: ", "ClusterSpec.workers cannot be"))
