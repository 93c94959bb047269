"""The cluster that a plan asks for: bought as the manifest says, divided into one task slot per vCPU."""

from __future__ import annotations

import dataclasses
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.cost.prices import INSTANCE_TYPES, eur_per_hour
from lambdas.contract.plan import ClusterSpec
from lambdas.contract.regions import EU_REGIONS
from lambdas.runs.fleets import cluster_for
from lambdas.runs.job_flow import run_job_flow
from lambdas.runs.sizing import MASTER_MB, executor_for, usable_mb

from .test_planning import planned
from .world import SETTINGS

WHEELHOUSE = dataclasses.replace(
    SETTINGS,
    bootstrap_key="artifacts/bootstrap-1.sh",
    wheelhouse_prefix="artifacts/wheelhouse-1/",
    reference_wheelhouse_prefix="artifacts/wheelhouse-2/",
    arm_wheelhouse_prefix="artifacts/wheelhouse-3/",
    arm_reference_wheelhouse_prefix="artifacts/wheelhouse-4/",
)
EVERY_TYPE = frozenset(INSTANCE_TYPES)
MEASURED_WORKER_MB = 512
"""Peak resident memory of a Python worker on ordinary photos, see docs/performance.md."""

BY_ARCHITECTURE = [
    sorted(name for name, kind in INSTANCE_TYPES.items() if kind.architecture == one)
    for one in ("x86_64", "arm64")
]
types = st.sampled_from(BY_ARCHITECTURE).flatmap(
    lambda names: st.lists(st.sampled_from(names), min_size=1, max_size=5, unique=True).map(tuple)
)
clusters = st.builds(
    ClusterSpec,
    workers=st.integers(1, 50),
    instance_types=types,
    market=st.sampled_from(["on_demand", "spot"]),
)


def spec(**changes: Any) -> ClusterSpec:
    return ClusterSpec(**{"workers": 2, "instance_types": ("m5.xlarge",), "market": "on_demand"} | changes)


def requested(**changes: Any) -> dict[str, Any]:
    return run_job_flow(planned(), spec(**changes), SETTINGS)


def fleets(request: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {fleet["InstanceFleetType"]: fleet for fleet in request["Instances"]["InstanceFleets"]}


def properties(request: dict[str, Any], classification: str) -> dict[str, str]:
    (found,) = [c for c in request["Configurations"] if c["Classification"] == classification]
    assert isinstance(found["Properties"], dict)
    return found["Properties"]


@given(clusters, st.integers(1, 3), st.sampled_from([SETTINGS, WHEELHOUSE]))
def test_whatever_cluster_is_asked_for_the_request_fits_the_service_model(
    cluster: ClusterSpec, attempt: int, settings: Any
) -> None:
    sought = cluster_for(cluster, attempt, settings.region, EVERY_TYPE)
    request = run_job_flow(planned(), sought, settings, attempt)
    model = botocore.session.get_session().get_service_model("emr").operation_model("RunJobFlow")
    assert ParamValidator().validate(request, model.input_shape).generate_report() == ""


@given(clusters)
def test_as_many_workers_are_bought_as_the_manifest_says(cluster: ClusterSpec) -> None:
    request = run_job_flow(planned(), cluster, SETTINGS)
    capacity = [
        fleet.get("TargetOnDemandCapacity", 0) + fleet.get("TargetSpotCapacity", 0)
        for kind, fleet in fleets(request).items()
        if kind != "MASTER"
    ]
    assert sum(capacity) == cluster.workers
    assert all(capacity)


@given(clusters, st.integers(1, 3))
def test_no_cluster_mixes_architectures_wherever_capacity_is_sought(
    cluster: ClusterSpec, attempt: int
) -> None:
    sought = cluster_for(cluster, attempt, "eu-west-1", EVERY_TYPE).instance_types
    assert len({INSTANCE_TYPES[name].architecture for name in (*sought, *cluster.instance_types)}) == 1


@pytest.mark.parametrize(
    ("name", "engine", "numbers"),
    [
        ("m5.xlarge", "fast", [1]),
        ("m5.xlarge", "reference", [1, 2]),
        ("m7g.xlarge", "fast", [3]),
        ("m7g.xlarge", "reference", [3, 4]),
    ],
)
def test_nodes_install_the_wheels_of_their_architecture_and_engine_and_no_others(
    name: str, engine: Any, numbers: list[int]
) -> None:
    plan = planned(engine=engine, limits={"max_cost_eur": 100})
    (action,) = run_job_flow(plan, spec(instance_types=(name,)), WHEELHOUSE)["BootstrapActions"]
    first, _, _, *further = action["ScriptBootstrapAction"]["Args"]
    assert [first, *further] == [f"s3://data-bucket/artifacts/wheelhouse-{number}/" for number in numbers]


def test_nothing_is_asked_for_that_works_by_metrics_sent_to_a_public_endpoint() -> None:
    assert not requested().keys() & {"ManagedScalingPolicy", "AutoTerminationPolicy", "AutoScalingRole"}


@given(clusters)
def test_only_the_task_fleet_is_ever_on_spot(cluster: ClusterSpec) -> None:
    found = fleets(run_job_flow(planned(), cluster, SETTINGS))
    for kind in ("MASTER", "CORE"):
        assert found[kind]["TargetOnDemandCapacity"] == 1
        assert "TargetSpotCapacity" not in found[kind]
        assert "SpotSpecification" not in found[kind]["LaunchSpecifications"]
    on_spot = "TargetSpotCapacity" in found.get("TASK", {})
    assert on_spot == (cluster.market == "spot" and cluster.workers > 1)


def test_spot_workers_are_bought_where_they_last_and_fall_back_to_on_demand() -> None:
    task = fleets(requested(market="spot", workers=5))["TASK"]
    assert task["TargetSpotCapacity"] == 4
    assert task["LaunchSpecifications"]["SpotSpecification"] == {
        "AllocationStrategy": "price-capacity-optimized",
        "TimeoutDurationMinutes": 10,
        "TimeoutAction": "SWITCH_TO_ON_DEMAND",
    }


def test_every_fleet_may_choose_among_the_types_of_the_manifest() -> None:
    names = ["m5.xlarge", "m6i.xlarge", "m6a.2xlarge"]
    for fleet in (
        fleets(requested(instance_types=tuple(names)))["MASTER"],
        fleets(requested(instance_types=tuple(names), workers=3))["TASK"],
    ):
        assert [kind["InstanceType"] for kind in fleet["InstanceTypeConfigs"]] == names


@given(clusters, st.integers(1, 3), st.sampled_from(sorted(EU_REGIONS)))
def test_where_capacity_is_sought_further_no_machine_is_smaller_or_dearer(
    cluster: ClusterSpec, attempt: int, region: str
) -> None:
    sought = cluster_for(cluster, attempt, region, EVERY_TYPE)
    assert set(cluster.instance_types) <= set(sought.instance_types)
    assert executor_for(sought.instance_types) == executor_for(cluster.instance_types)
    hourly = [eur_per_hour(c.instance_types, c.workers, region) for c in (sought, cluster)]
    assert hourly[0] == hourly[1]
    assert attempt == 1 or sought.market == "on_demand"


def test_a_first_attempt_on_demand_uses_the_types_of_the_manifest_and_spot_looks_further() -> None:
    on_demand, spot = (spec(market=market) for market in ("on_demand", "spot"))
    assert cluster_for(on_demand, 1, "eu-west-1", EVERY_TYPE) == on_demand
    sought = cluster_for(spot, 1, "eu-west-1", EVERY_TYPE)
    assert sought.instance_types == ("m5.xlarge", "m5a.xlarge", "m6a.xlarge", "m6i.xlarge")
    assert sought.market == "spot"


@given(clusters, st.integers(1, 3), st.sets(st.sampled_from(sorted(INSTANCE_TYPES))).map(frozenset))
def test_no_type_is_asked_for_that_emr_does_not_offer_while_it_offers_one_that_would_do(
    cluster: ClusterSpec, attempt: int, offered: frozenset[str]
) -> None:
    had = set(cluster_for(cluster, attempt, "eu-west-1", EVERY_TYPE).instance_types) & offered
    sought = cluster_for(cluster, attempt, "eu-west-1", offered)
    if had:
        assert had <= set(sought.instance_types) <= offered
    assert sought.workers == cluster.workers


def test_another_type_takes_the_place_of_one_that_is_not_offered() -> None:
    offered = EVERY_TYPE - {"m5.xlarge", "m5a.xlarge"}
    sought = cluster_for(spec(market="spot"), 1, "eu-west-1", offered)
    assert sought.instance_types == ("m6a.xlarge", "m6i.xlarge")


@given(clusters, st.integers(1, 3))
def test_where_the_offer_is_not_known_the_types_of_the_manifest_are_asked_for_and_no_others(
    cluster: ClusterSpec, attempt: int
) -> None:
    assert cluster_for(cluster, attempt, "eu-west-1", None).instance_types == cluster.instance_types


def test_the_application_master_stays_off_spot() -> None:
    labels = properties(requested(market="spot"), "yarn-site")
    assert labels == {
        "yarn.node-labels.enabled": "true",
        "yarn.node-labels.am.default-node-label-expression": "CORE",
    }


@pytest.mark.parametrize("fields", [{"market": "on_demand"}, {"market": "spot", "workers": 1}])
def test_where_nothing_is_on_spot_every_node_takes_anything(fields: dict[str, Any]) -> None:
    classifications = [c["Classification"] for c in requested(**fields)["Configurations"]]
    assert "yarn-site" not in classifications


def test_the_root_volume_has_room_for_the_wheels_and_what_they_unpack_to() -> None:
    assert 15 <= requested()["EbsRootVolumeSize"] <= 100


@given(types)
def test_a_machine_runs_exactly_one_task_a_virtual_cpu_in_the_memory_that_it_has(
    instance_types: tuple[str, ...],
) -> None:
    executor = executor_for(instance_types)
    for name in instance_types:
        count, yarn_mb = executor.count(name), executor.yarn_mb(name)
        assert count * executor.cores == INSTANCE_TYPES[name].vcpus
        assert count * executor.container_mb + MASTER_MB <= yarn_mb <= usable_mb(name)
        assert (count + 1) * executor.container_mb > yarn_mb, "one executor too many fits"


@given(types)
def test_every_task_slot_has_twice_the_memory_that_a_worker_was_measured_to_take(
    instance_types: tuple[str, ...],
) -> None:
    executor = executor_for(instance_types)
    assert executor.overhead_mb >= executor.cores * 2 * MEASURED_WORKER_MB
    assert executor.heap_mb >= 1024


@pytest.mark.parametrize(
    ("instance_type", "usable"),
    [("c5.xlarge", 6144), ("m5.xlarge", 12288), ("m5.2xlarge", 24576), ("m5.4xlarge", 57344)],
)
def test_the_system_keeps_what_emr_itself_would_leave_it(instance_type: str, usable: int) -> None:
    assert usable_mb(instance_type) == usable


def test_spark_gets_the_size_of_the_executors_and_as_many_as_the_machines_hold() -> None:
    request = requested(workers=3, instance_types=("m5.xlarge", "r5.2xlarge"))
    spark = properties(request, "spark-defaults")
    assert spark["spark.executor.cores"] == "4"
    assert spark["spark.executor.memory"] == "5248m"
    assert spark["spark.executor.memoryOverhead"] == "6144m"
    assert spark["spark.executor.instances"] == "6"
    assert spark["spark.dynamicAllocation.enabled"] == "false"
    memory = {
        kind["InstanceType"]: kind["Configurations"][0]["Properties"]["yarn.nodemanager.resource.memory-mb"]
        for kind in fleets(request)["TASK"]["InstanceTypeConfigs"]
    }
    assert memory == {"m5.xlarge": "12288", "r5.2xlarge": "23680"}


def test_driver_and_workers_run_on_the_interpreter_that_the_bootstrap_action_makes() -> None:
    spark = properties(requested(), "spark-defaults")
    interpreters = [spark["spark.pyspark.python"], spark["spark.pyspark.driver.python"]]
    assert interpreters == [SETTINGS.node_python] * 2


def test_jvms_that_only_hand_out_shards_do_without_the_compiler_for_code_that_runs_long() -> None:
    spark = properties(requested(), "spark-defaults")
    assert spark["spark.driver.extraJavaOptions"] == "-XX:TieredStopAtLevel=1"
    assert spark["spark.executor.extraJavaOptions"] == "-XX:TieredStopAtLevel=1"


def test_the_jvms_of_the_reference_engine_which_computes_in_them_have_all_compilers() -> None:
    reference = dataclasses.replace(planned(), engine="reference")
    spark = properties(run_job_flow(reference, spec(), SETTINGS), "spark-defaults")
    assert not [name for name in spark if name.endswith("JavaOptions")]


def test_the_steps_are_told_their_region_which_emr_does_not_do() -> None:
    (environment,) = (c for c in requested()["Configurations"] if c["Classification"] == "spark-env")
    (export,) = environment["Configurations"]
    assert export == {"Classification": "export", "Properties": {"AWS_REGION": SETTINGS.region}}


def test_s3a_asks_the_region_of_the_stack_and_no_other() -> None:
    assert properties(requested(), "core-site") == {"fs.s3a.endpoint.region": SETTINGS.region}
