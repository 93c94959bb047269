"""Pure parts of the launcher: manifest to plan, plan to EMR request."""

from __future__ import annotations

import dataclasses
import json
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.cost.estimate import estimate
from lambdas.contract.listing_summary import ListingSummary
from lambdas.contract.manifest.schema import Manifest, parse_manifest
from lambdas.contract.plan import ClusterSpec, LabelRule, ManifestRef, PcaSpec, Plan, Source
from lambdas.contract.settings import LauncherSettings
from lambdas.runs.cluster_choice import Choice, budget_of, job_of
from lambdas.runs.job_flow import run_job_flow
from lambdas.runs.planning import (
    MAX_SHARD_IMAGES,
    MIN_SHARD_IMAGES,
    make_plan,
    offer_fault,
    shard_images,
    slots,
)
from lambdas.runs.preflight import COUNT_LIMIT

from .world import BUCKET, KEY, SETTINGS, manifest


def parsed(**changes: Any) -> Manifest:
    return parse_manifest(json.dumps(manifest(**changes)).encode())


def planned(**changes: Any) -> Plan:
    asked = parsed(**changes)
    job = job_of(asked, 1000, SETTINGS.region)
    return make_plan(
        asked,
        run_id="fruits-0123456789ab",
        source=ManifestRef(BUCKET, KEY, "v1"),
        submitted_at="2026-01-02T03:04:05Z",
        listing=ListingSummary(images=1000),
        choice=Choice(job),
        expected=estimate(job, budget_of(asked)),
        settings=SETTINGS,
    )


def requested(settings: LauncherSettings = SETTINGS, **changes: Any) -> dict[str, Any]:
    plan = planned(**changes)
    assert plan.cluster
    return run_job_flow(plan, plan.cluster, settings)


def test_a_plan_survives_its_way_through_json() -> None:
    plan = planned(label={"regex": "/(a+)"}, pca={"variance": 0.9})
    assert Plan.from_json(plan.to_json()) == plan


def test_the_cluster_that_the_manifest_asks_for_is_in_the_plan() -> None:
    plan = planned(cluster={"workers": 3, "instance_types": ["m5.xlarge", "m6i.xlarge"], "market": "spot"})
    assert plan.cluster == ClusterSpec(3, ("m5.xlarge", "m6i.xlarge"), "spot")


def test_a_plan_of_before_plans_held_the_cluster_can_be_read() -> None:
    fields = json.loads(planned().to_json())
    del fields["cluster"]
    assert Plan.from_json(json.dumps(fields)) == dataclasses.replace(planned(), cluster=None)


def test_prefixes_become_sources_as_they_are() -> None:
    plan = planned(images={"prefixes": ["s3://bkt/b/", "s3://bkt/a/"], "suffixes": [".JPG"]})
    assert plan.sources == (Source("s3://bkt/b/"), Source("s3://bkt/a/"))
    assert plan.suffixes == (".jpg",)


def test_explicit_keys_are_grouped_by_bucket() -> None:
    plan = planned(images={"keys": ["s3://one/a/1.jpg", "s3://two/2.jpg", "s3://one/3.jpg"]})
    assert plan.sources == (Source("s3://one/", ("a/1.jpg", "3.jpg")), Source("s3://two/", ("2.jpg",)))


@pytest.mark.parametrize(
    ("label", "rule"),
    [
        ("parent_folder", LabelRule("parent_folder")),
        ("none", LabelRule("none")),
        ({"regex": "/(a+)"}, LabelRule("regex", "/(a+)")),
    ],
)
def test_labels_become_rules(label: Any, rule: LabelRule) -> None:
    assert planned(label=label).label == rule


@pytest.mark.parametrize(
    ("pca", "spec"),
    [
        ({}, PcaSpec(50, None, False)),
        ({"components": 10, "standardize": True}, PcaSpec(10, None, True)),
        ({"variance": 0.9}, PcaSpec(None, 0.9, False)),
        ({"model": "s3://data/models/pca/d/r/"}, PcaSpec(None, None, False, "s3://data/models/pca/d/r/")),
    ],
)
def test_pca_keeps_exactly_one_of_components_and_variance(pca: Any, spec: PcaSpec) -> None:
    assert planned(pca=pca).pca == spec


def test_slots_are_counted_with_the_smallest_type_that_may_be_bought() -> None:
    assert slots(ClusterSpec(3, ("m5.2xlarge", "m5.xlarge"), "on_demand")) == 12


@pytest.mark.parametrize(("images", "expected"), [(1, 16), (1000, 32), (10**6 - 1, 1017), (10**6, 4033)])
def test_shards_are_neither_tiny_nor_huge(images: int, expected: int) -> None:
    assert shard_images(images, slots=8) == expected


PART_BYTES = 4556
"""Of an image in a part, as measured on 8,550 photos of Fruits-360: compressed floats, and its path."""


@pytest.mark.parametrize(
    ("images", "workers", "parts", "megabytes"),
    [
        (90_483, 3, 96, 4.3),
        (90_483, 10, 160, 2.6),
        # Whoever takes so many machines is in a hurry: every slot gets its four shards.
        (90_483, 50, 794, 0.5),
        (999_999, 3, 984, 4.6),
        (1_000_000, 3, 252, 18.1),
        (1_000_000, 10, 280, 16.3),
        (1_000_000, 50, 800, 5.7),
        (10_000_000, 3, 2520, 18.1),
        (10_000_000, 10, 2800, 16.3),
        (10_000_000, 50, 8000, 5.7),
    ],
)
def test_parts_are_neither_so_many_nor_so_small_that_a_query_would_do_nothing_but_open_them(
    images: int, workers: int, parts: int, megabytes: float
) -> None:
    counted = min(images, COUNT_LIMIT)
    size = shard_images(counted, slots(ClusterSpec(workers, ("m5.xlarge",), "on_demand")))
    assert (ceil(images / size), round(size * PART_BYTES / 1e6, 1)) == (parts, megabytes)


@given(st.integers(1, 10**6), st.integers(1, 16))
def test_no_slot_waits_for_another_that_has_a_shard_more(images: int, slots: int) -> None:
    size = shard_images(images, slots)
    most_shards = ceil(ceil(images / size) / slots)
    assert most_shards * size - images / slots <= max(most_shards, 2 * MIN_SHARD_IMAGES)


@given(st.integers(0, 10**8), st.integers(1, 3200))
def test_shard_size_stays_within_its_limits(images: int, slots: int) -> None:
    assert MIN_SHARD_IMAGES <= shard_images(images, slots) <= MAX_SHARD_IMAGES


def test_the_cluster_is_private_and_locked_as_the_stack_says() -> None:
    request = requested()
    instances = request["Instances"]
    assert instances["Ec2SubnetIds"] == ["subnet-1", "subnet-2"]
    assert instances["EmrManagedMasterSecurityGroup"] == "sg-nodes"
    assert instances["EmrManagedSlaveSecurityGroup"] == "sg-nodes"
    assert instances["ServiceAccessSecurityGroup"] == "sg-service"
    assert request["SecurityConfiguration"] == "fruits-eu-1"
    assert request["LogEncryptionKmsKeyId"] == SETTINGS.data_key_arn


def test_the_cluster_ends_with_its_last_step() -> None:
    request = requested()
    assert request["Instances"]["KeepJobFlowAliveWhenNoSteps"] is False
    assert request["Instances"]["TerminationProtected"] is False


def test_steps_are_the_agreed_spark_submit_commands() -> None:
    featurize, pca = requested()["Steps"]
    assert (featurize["Name"], pca["Name"]) == ("featurize", "pca")
    assert featurize["ActionOnFailure"] == "TERMINATE_CLUSTER"
    assert featurize["HadoopJarStep"] == {
        "Jar": "command-runner.jar",
        "Args": [
            "spark-submit",
            "--deploy-mode",
            "client",
            "--py-files",
            f"s3://{BUCKET}/artifacts/job-1.zip",
            f"s3://{BUCKET}/artifacts/step-1.py",
            "featurize",
            "--plan",
            f"s3://{BUCKET}/runs/fruits-0123456789ab/plan.json",
        ],
    }


def test_nodes_that_come_with_everything_install_nothing() -> None:
    assert requested()["BootstrapActions"] == []


def test_nodes_install_the_reference_engines_packages_only_for_its_runs() -> None:
    settings = dataclasses.replace(
        SETTINGS,
        bootstrap_key="artifacts/bootstrap-1.sh",
        wheelhouse_prefix="artifacts/wheelhouse-1/",
        reference_wheelhouse_prefix="artifacts/wheelhouse-2/",
    )
    (action,) = requested(settings)["BootstrapActions"]
    assert action["ScriptBootstrapAction"] == {
        "Path": f"s3://{BUCKET}/artifacts/bootstrap-1.sh",
        "Args": [f"s3://{BUCKET}/artifacts/wheelhouse-1/", "/opt/fruits/venv", SETTINGS.region],
    }
    (action,) = requested(settings, engine="reference")["BootstrapActions"]
    assert action["ScriptBootstrapAction"]["Args"] == [
        f"s3://{BUCKET}/artifacts/wheelhouse-1/",
        "/opt/fruits/venv",
        SETTINGS.region,
        f"s3://{BUCKET}/artifacts/wheelhouse-2/",
    ]


def test_where_one_wheelhouse_holds_both_engines_packages_no_second_is_named() -> None:
    settings = dataclasses.replace(
        SETTINGS, bootstrap_key="artifacts/bootstrap-1.sh", wheelhouse_prefix="artifacts/wheelhouse-1/"
    )
    reference, default = (
        requested(settings, engine=engine)["BootstrapActions"] for engine in ("reference", "fast")
    )
    assert reference == default


def test_the_cluster_can_be_found_and_managed_by_its_tags() -> None:
    tags = {tag["Key"]: tag["Value"] for tag in requested()["Tags"]}
    assert tags == {
        "fruits:run_id": "fruits-0123456789ab",
        "fruits:ledger": "runs",
        "fruits:dataset": "fruits",
        "for-use-with-amazon-emr-managed-policies": "true",
        "project": "fruits",
        "stack": "eu",
    }


@pytest.mark.parametrize(
    ("asked", "offered", "nearest"),
    [
        # Its size goes before its family, that before its architecture, and that before its price.
        ("m6g.xlarge", ("m6g.2xlarge", "c7g.xlarge"), "c7g.xlarge"),
        ("m6g.xlarge", ("c7g.xlarge", "m5.xlarge"), "m5.xlarge"),
        ("m6g.xlarge", ("m5a.xlarge", "m7g.xlarge"), "m7g.xlarge"),
        ("m5.xlarge", ("m5a.xlarge", "m6a.xlarge"), "m5a.xlarge"),
        ("m5a.xlarge", ("m6i.xlarge", "m6a.xlarge"), "m6a.xlarge"),
        ("m5a.xlarge", ("u-6tb1.metal",), None),
    ],
)
def test_the_nearest_type_to_one_that_is_not_offered_is_most_like_it(
    asked: str, offered: tuple[str, ...], nearest: str | None
) -> None:
    fault = offer_fault(ClusterSpec(2, (asked,), "on_demand"), frozenset(offered), SETTINGS)
    assert fault is not None
    assert fault.nearest == nearest
