"""The cluster that was chosen is in the plan, and is what is launched."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.cost.measured import Measured, MeasuredStart
from lambdas.contract.plan import ClusterSpec, Plan
from lambdas.contract.run import RunRecord, RunState
from lambdas.runs import examination
from lambdas.runs.dispatch import Outcome
from lambdas.runs.endings import PACKAGES_MISSING
from lambdas.runs.examination import NOT_ALL_COUNTED

from .world import World, manifest


def test_a_type_that_emr_lacks_beside_others_is_left_out_and_that_is_said(world: World) -> None:
    world.emr_offers("m5.xlarge")
    world.launched(cluster={"instance_types": ["m6a.xlarge", "m5.xlarge", "m6i.xlarge"]})
    assert "m6a.xlarge, m6i.xlarge: left out, EMR has none in eu-west-1." in world.status()["notes"]


def test_the_chosen_cluster_is_in_the_plan_and_is_what_is_launched(world: World) -> None:
    world.launched(cluster={"finish_within_minutes": 30})
    plan = world.plan()
    assert plan.cluster == ClusterSpec(1, ("m6a.xlarge",), "on_demand")
    assert plan.notes[0].startswith("The cluster was chosen for cluster.finish_within_minutes = 30: 1 worker")
    (request,) = world.clusters.requests
    fleets = request["Instances"]["InstanceFleets"]
    assert [fleet["InstanceTypeConfigs"][0]["InstanceType"] for fleet in fleets] == ["m6a.xlarge"] * 2


@pytest.mark.parametrize(
    ("limit", "cluster", "says_so"),
    [
        (3, {"finish_within_minutes": 30}, True),
        (4, {"finish_within_minutes": 30}, False),
        (3, {"workers": 2}, False),
    ],
)
def test_a_choice_for_more_images_than_are_counted_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: int, cluster: dict[str, int], says_so: bool
) -> None:
    monkeypatch.setattr(examination, "COUNT_LIMIT", limit)
    world.launched(cluster=cluster)
    assert (NOT_ALL_COUNTED in world.plan().notes) is says_so


def test_a_delivery_that_comes_again_keeps_the_plan_that_is_there(world: World) -> None:
    upload = world.upload(manifest(cluster={"finish_within_minutes": 30}))

    def die(record: RunRecord) -> bool:
        raise KeyboardInterrupt

    insert, world.ledger.insert = world.ledger.insert, die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        world.launch(upload)
    world.ledger.insert = insert  # type: ignore[method-assign]
    dear = Measured(starts=(MeasuredStart("a", 20.0, 1.0),))
    world.ledger.known = dear
    assert world.launch(upload).outcome is Outcome.LAUNCHED
    plan = world.plan()
    assert plan.estimate
    assert plan.estimate.minutes == 10.0
    assert world.record().worst_case_eur == plan.estimate.worst_case_eur


@pytest.mark.parametrize("lacks", ["everything", "cluster", "estimate"])
def test_a_plan_that_cannot_be_read_or_is_of_before_an_upgrade_is_written_anew(
    world: World, lacks: str
) -> None:
    world.launched(cluster={"finish_within_minutes": 30})
    key, written = world.keys().plan, world.plan()
    left = "no plan" if lacks == "everything" else dataclasses.replace(written, **{lacks: None}).to_json()
    world.objects.write(key, left)
    world.ledger.records.clear()
    assert world.launched(cluster={"finish_within_minutes": 30}).outcome is Outcome.LAUNCHED
    assert Plan.from_json(world.objects.text(key)) == written


def test_a_plan_that_is_erased_as_it_is_looked_for_is_written_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.objects, "create", lambda key, text: False)
    assert world.launched().outcome is Outcome.LAUNCHED
    assert world.plan().cluster is not None


def test_minutes_that_no_cluster_meets_launch_nothing(world: World) -> None:
    world.launched(cluster={"finish_within_minutes": 5})
    assert not world.clusters.requests
    (fault,) = world.rejection()["faults"]
    assert (fault["path"], fault["nearest"]) == ("$.cluster.finish_within_minutes", "13")


@pytest.mark.parametrize("offered", [frozenset({"m5.2xlarge"}), frozenset({"c5.xlarge"})])
def test_of_what_emr_offers_one_is_chosen_or_the_offer_is_told(world: World, offered: frozenset[str]) -> None:
    world.clusters.offered = offered
    world.launched(cluster={"finish_within_minutes": 30})
    if world.clusters.requests:
        assert world.plan().cluster == ClusterSpec(1, ("m5.2xlarge",), "on_demand")
    else:
        (fault,) = world.rejection()["faults"]
        assert (fault["path"], fault["remedy"]) == (
            "$.cluster.instance_types", "Name some of these: c5.xlarge.",
        )  # fmt: skip


def test_what_emr_offers_with_the_stacks_release_is_what_can_be_launched(world: World) -> None:
    world.emr_offers("m5a.xlarge")
    assert world.launched(cluster={"instance_types": ["m5a.xlarge"]}).outcome is Outcome.LAUNCHED


def test_a_graviton_run_is_estimated_by_the_speed_that_the_stack_assumes(world: World) -> None:
    world.configure(graviton_speed="1.25")
    world.launched(cluster={"instance_types": ["m7g.xlarge"]})
    estimate = world.plan().estimate
    assert estimate
    assert estimate.basis.startswith("50 images/s a vCPU (assumed on arm64), ")


def test_a_graviton_run_that_waited_until_the_stack_lost_its_packages_fails_with_what_to_do(
    world: World,
) -> None:
    world.configure(max_clusters="0")
    run = world.launched(cluster={"instance_types": ["m7g.xlarge"]}).run_id
    world.configure(node_architectures="x86_64")
    assert world.reconcile().dispatched == {run: Outcome.REFUSED}
    record = world.record()
    assert record.state is RunState.FAILED
    ending = (record.reason, record.message, record.remedy, record.kind)
    assert ending == dataclasses.astuple(PACKAGES_MISSING)
    assert "make package" in world.status()["remedy"]
    assert not world.clusters.requests


def test_a_run_that_waited_asks_for_what_emr_offers_with_the_stacks_release_by_then(world: World) -> None:
    world.configure(max_clusters="0")
    world.launched(cluster={"instance_types": ["m5.xlarge", "m5a.xlarge"]})
    world.configure()
    world.emr_offers("m5a.xlarge")
    world.reconcile()
    (request,) = world.clusters.requests
    for fleet in request["Instances"]["InstanceFleets"]:
        assert [kind["InstanceType"] for kind in fleet["InstanceTypeConfigs"]] == ["m5a.xlarge"]
