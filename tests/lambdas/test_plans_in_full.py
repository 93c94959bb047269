"""What becomes of a manifest: the plan field by field, the machines that are sought, and what is too dear."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.contract.cost.prices import INSTANCE_TYPES
from lambdas.runs.cluster_port import ClusterState
from lambdas.runs.dispatch import Outcome
from lambdas.runs.planning import shard_images

from .test_planning import planned
from .world import World, manifest


def types_of(request: Any) -> list[str]:
    return [kind["InstanceType"] for kind in request["Instances"]["InstanceFleets"][0]["InstanceTypeConfigs"]]


@pytest.mark.parametrize(
    ("given", "sought"),
    [
        # As many vCPUs, as much memory, no dearer than the dearest: 0.278, 0.251 and 0.251 USD an hour.
        (["m5.xlarge"], ["m5.xlarge", "m5a.xlarge", "m6a.xlarge", "m6i.xlarge"]),
        # In Ireland an m6a is dearer by a hair: 0.207 x 0.94 + 0.044 to 0.208 x 0.94 + 0.043.
        (["m5a.xlarge"], ["m5a.xlarge"]),
        (["m6a.xlarge"], ["m6a.xlarge", "m5a.xlarge"]),
        (["c6i.xlarge"], ["c6i.xlarge", "c5.xlarge"]),
        (["c5.4xlarge"], ["c5.4xlarge"]),
        # The smallest memory and vCPUs and the highest price of those that are named; five at most.
        (["r5.xlarge", "c5.xlarge"], ["r5.xlarge", "c5.xlarge", "c6i.xlarge", "m5.xlarge", "m5a.xlarge"]),
        (["m5.2xlarge", "m5.xlarge"], ["m5.2xlarge", "m5.xlarge", "m5a.xlarge", "m6a.xlarge", "m6i.xlarge"]),
    ],
)
def test_a_second_attempt_seeks_machines_that_do_as_well_for_no_more_money(
    world: World, given: list[str], sought: list[str]
) -> None:
    cluster_id = world.launched_cluster(cluster={"instance_types": given, "workers": 2})
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    world.tracker.track(cluster_id)
    world.reconcile()
    first, second = world.clusters.requests
    assert types_of(first) == given
    assert types_of(second) == sought
    assert second["Name"] == f"{first['Name']}-2"


def test_a_second_attempt_is_never_on_spot(world: World) -> None:
    cluster_id = world.launched_cluster(cluster={"market": "spot", "workers": 3})
    world.clusters.change(cluster_id, ClusterState.TERMINATED_WITH_ERRORS, "INSTANCE_FLEET_TIMEOUT")
    world.tracker.track(cluster_id)
    world.reconcile()
    fleets = [request["Instances"]["InstanceFleets"][2] for request in world.clusters.requests]
    assert [fleet.get("TargetSpotCapacity") for fleet in fleets] == [2, None]
    assert fleets[1]["TargetOnDemandCapacity"] == 2


def test_a_plan_holds_all_that_its_manifest_says() -> None:
    plan = planned(
        images={"keys": ["s3://one/1.jpg"]},
        label={"regex": "/(a+)"},
        model={"image_size": 96},
        pca={"variance": 0.9, "standardize": True},
        engine="reference",
        outputs={"csv": False},
        notify=True,
        cluster={"workers": 1},
        limits={"max_runtime_minutes": 30, "max_cost_eur": 4, "max_quarantined_fraction": 0.25},
    )
    fields = json.loads(plan.to_json())
    fields.pop("cluster", None)
    # 1,000 images of 96 pixels at 6.5 a second on 4 vCPUs: ten minutes and a few seconds.
    expected = fields.pop("estimate")
    assert (expected["region"], expected["minutes"], expected["prices_as_of"]) == (
        "eu-west-1",
        10.2,
        "2025-06",
    )
    assert fields == {
        "version": 1,
        "run_id": "fruits-0123456789ab",
        "dataset": "fruits",
        "manifest": {"bucket": "data-bucket", "key": "manifests/fruits.json", "version_id": "v1"},
        "submitted_at": "2026-01-02T03:04:05Z",
        "root": "s3://data-bucket",
        "sources": [{"uri": "s3://one/", "keys": ["1.jpg"]}],
        "suffixes": [".jpg", ".jpeg", ".png"],
        "label": {"kind": "regex", "pattern": "/(a+)"},
        "images_listed": 1000,
        "shard_images": 63,  # 1,000 in four shards for each of four slots
        "engine": "reference",
        "image_size": 96,
        "model": {
            "name": "mobilenet_v2",
            "uri": "s3://data-bucket/artifacts/mobilenet_v2-1.tflite",
            "sha256": "a" * 64,
            "weights": "imagenet",
            "weights_uri": "s3://data-bucket/artifacts/weights-1.h5",
            "weights_sha256": "b" * 64,
        },
        "pca": {"components": None, "variance": 0.9, "standardize": True, "model": None},
        "csv": False,
        "notify": True,
        "max_runtime_minutes": 30,
        "max_quarantined_fraction": 0.25,
        "notes": [],
    }


@pytest.mark.parametrize(
    ("images", "slots", "size"),
    [
        (0, 8, 16),
        (512, 8, 16),
        (513, 8, 17),
        # Four shards a slot up to 1,024 images each, then as many more as it takes.
        (32_768, 8, 1024),
        (32_769, 8, 820),
        (40_960, 8, 1024),
        (40_961, 8, 854),
        (999_999, 8, 1017),
        # Here counting ends, and it may be ten times as many.
        (1_000_000, 8, 4033),
    ],
)
def test_a_shard_holds_as_many_images_as_divide_evenly(images: int, slots: int, size: int) -> None:
    assert shard_images(images, slots) == size


def test_spot_workers_are_estimated_at_their_price(world: World) -> None:
    world.launched(cluster={"market": "spot", "workers": 4})
    known = world.plan().estimate
    on_demand, spot = (0.230 * 0.94 + 0.048) * 0.95, (0.230 * 0.94 * 0.6 + 0.048) * 0.95
    assert known
    assert known.eur == round((2 * on_demand + 3 * spot) * 10 / 60, 2)
    assert known.worst_case_eur == round(5 * on_demand * 126 / 60, 2)


def test_a_run_that_is_too_dear_is_told_three_ways_out_and_no_more(world: World) -> None:
    world.buckets.keys["data-bucket"] = [f"images/{number}.jpg" for number in range(120_000)]
    world.launched(engine="reference", limits={"max_runtime_minutes": 20, "max_cost_eur": 0.5})
    (fault,) = world.rejection()["faults"]
    first, *others = fault["remedy"].split("; or ")
    assert first.startswith("Either set limits.max_cost_eur to ")
    assert [way.split(" (")[0] for way in others] == [
        "set engine to fast",
        "set model.image_size to 128 and set limits.max_runtime_minutes to 31",
    ]
    assert fault["remedy"].endswith(" EUR).")


def test_a_run_that_is_too_dear_is_told_so_with_every_figure(world: World) -> None:
    world.buckets.keys["data-bucket"] = [f"images/{number}.jpg" for number in range(40_000)]
    limits = {"max_runtime_minutes": 12, "max_cost_eur": 0.25}
    world.launched(engine="reference", limits=limits)
    # 40,000 images at 6.5 a second on 8 vCPUs are 12.8 minutes; three machines are 0.752 EUR an hour.
    assert world.rejection()["faults"] == [
        {
            "path": "$.limits.max_cost_eur",
            "problem": "is 0.25, but 40,000 images are estimated to take 23 minutes and 0.29 EUR, and may "
            "cost 0.23 EUR in limits.max_runtime_minutes = 12: estimates by list prices of 2025-06 in "
            "eu-west-1, 6.5 images/s a vCPU (assumed on x86_64), 10.0 minutes to start and finish (assumed)",
            # A quarter longer, and 29 + 6 minutes of three machines by the table's own prices.
            "remedy": "Set limits.max_cost_eur to 0.47 and set limits.max_runtime_minutes to 29 "
            "(about 0.29 EUR).",
            "nearest": None,
        }
    ]


def test_machines_that_emr_does_not_offer_are_answered_with_those_that_it_does(world: World) -> None:
    world.clusters.offered = frozenset({"r5.xlarge", "m5.xlarge", "p5.48xlarge"})
    world.launched(cluster={"instance_types": ["m6a.xlarge", "m6i.xlarge"]})
    assert world.rejection()["faults"] == [
        {
            "path": "$.cluster.instance_types",
            "problem": "is m6a.xlarge, m6i.xlarge, and EMR offers none of that in eu-west-1 with emr-7.12.0",
            "remedy": "Name some of these: m5.xlarge, r5.xlarge.",
            "nearest": "m5.xlarge",
        }
    ]
    world.clusters.offered = frozenset({"p5.48xlarge"})
    world.launch(world.upload(manifest()))
    (fault,) = world.rejection()["faults"]
    assert fault["remedy"] == "Deploy the stack with another release or region."


@pytest.mark.parametrize("offered", [None, frozenset(), frozenset(INSTANCE_TYPES)])
def test_an_offer_that_is_not_known_or_has_the_machine_is_no_fault(
    world: World, offered: frozenset[str] | None
) -> None:
    world.clusters.offered = offered
    world.launched()
    assert types_of(world.clusters.requests[0]) == ["m5.xlarge"]


@pytest.mark.parametrize(
    ("offered", "nearest"),
    [
        (None, "m6a.2xlarge"),
        (frozenset(), "m6a.2xlarge"),
        (frozenset({"m5.2xlarge", "m7g.2xlarge", "c5.xlarge", "p5.48xlarge"}), "m5.2xlarge"),
    ],
)
def test_graviton_types_that_a_stack_has_no_packages_for_are_refused_with_the_nearest_that_it_has(
    world: World, offered: frozenset[str] | None, nearest: str
) -> None:
    world.clusters.offered = offered
    world.configure(node_architectures="x86_64")
    world.launched(cluster={"instance_types": ["m7g.2xlarge", "c7g.xlarge"]})
    assert world.rejection()["faults"] == [
        {
            "path": "$.cluster.instance_types",
            "problem": "names m7g.2xlarge, c7g.xlarge (arm64), and this stack was packaged for x86_64 alone",
            "remedy": "Name types of those, or run `make package` and deploy the stack again.",
            "nearest": nearest,
        }
    ]
    assert not world.clusters.requests


def test_images_that_the_reference_engine_could_not_leave_out_are_told_with_what_can(world: World) -> None:
    world.buckets.keys["data-bucket"] += ["images/kiwi/9.jpg", "images/kiwi/1.webp"]
    world.buckets.archived["images/kiwi/9.jpg"] = "GLACIER"
    world.launched(engine="reference")
    assert world.rejection()["faults"] == [
        {
            "path": "$.engine",
            "problem": "is reference, which cannot leave out single images. 1 object was left out for the "
            "suffix (.webp 1); images.suffixes would take .webp. 1 image is quarantined unless restored "
            "meanwhile: archived in GLACIER (1), for example 's3://data-bucket/images/kiwi/9.jpg'. To have "
            "features of such an image, restore it (`aws s3api restore-object`) or copy it to another class, "
            "then start a new run.",
            "remedy": "Use the engine fast, which quarantines them, or make them readable first.",
            "nearest": None,
        }
    ]
    assert world.launch(world.upload(manifest(engine="fast"), "v2")).outcome is Outcome.LAUNCHED
    del world.buckets.archived["images/kiwi/9.jpg"]
    assert world.launch(world.upload(manifest(engine="reference"), "v3")).outcome is Outcome.LAUNCHED
