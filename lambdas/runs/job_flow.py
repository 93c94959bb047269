"""The RunJobFlow request: one transient cluster that runs the two steps and ends. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from lambdas.contract.cost.prices import CORE_NODES, INSTANCE_TYPES
from lambdas.contract.layout import LOGS
from lambdas.contract.plan import ClusterSpec, Plan
from lambdas.contract.report import STEPS
from lambdas.contract.run import EMR_TAG, LEDGER_TAG, RUN_TAG, cluster_name
from lambdas.contract.settings import LauncherSettings
from lambdas.runs.sizing import Executor, executor_for, usable_mb

SPOT_TIMEOUT_MINUTES = 10
ROOT_VOLUME_GIB = 30
"""The operating system, the wheels (0.8 GB) and what they unpack to (2.4 GB). EMR allows 15 to 100."""
DRIVER_MEMORY = "2g"
"""The driver holds one shard of the index and one matrix of 13 MB; the rest of the primary is Hadoop's."""
MAX_INSTANCE_TYPES = 5
"""As many as a manifest may name."""


def run_job_flow(
    plan: Plan, cluster: ClusterSpec, settings: LauncherSettings, attempt: int = 1
) -> dict[str, Any]:
    """Parameters of EMR's RunJobFlow for this attempt at the run.

    Without a managed scaling or an auto-termination policy: both live on metrics that the nodes send to a
    public endpoint, to which the private subnets have no way. A cluster ends with its last step; one that
    does not is stopped by the reconciler.
    """
    return {
        "Name": cluster_name(plan.run_id, attempt),
        "ReleaseLabel": settings.release_label,
        "Applications": [{"Name": "Spark"}],
        "LogUri": f"{plan.root}/{LOGS}",
        "LogEncryptionKmsKeyId": settings.data_key_arn,
        "SecurityConfiguration": settings.security_configuration,
        "ServiceRole": settings.service_role_arn,
        "JobFlowRole": settings.instance_profile_arn,
        "Instances": _instances(cluster, settings),
        "EbsRootVolumeSize": ROOT_VOLUME_GIB,
        "BootstrapActions": _bootstrap_actions(plan.root, settings),
        "Configurations": _configurations(cluster, settings),
        "Steps": [_step(name, plan, settings) for name in STEPS],
        "Tags": [
            {"Key": RUN_TAG, "Value": plan.run_id},
            {"Key": LEDGER_TAG, "Value": settings.ledger_table},
            {"Key": "fruits:dataset", "Value": plan.dataset},
            {"Key": EMR_TAG, "Value": "true"},
            # As on everything else in the stack; EMR hands them on to machines and disks.
            {"Key": "project", "Value": settings.project},
            {"Key": "stack", "Value": settings.stack},
        ],
    }


def cluster_for(
    cluster: ClusterSpec, attempt: int, region: str, offered: frozenset[str] | None
) -> ClusterSpec:
    """The cluster of an attempt: the first as the manifest says, later ones on demand.

    Spot and later attempts go where capacity is, so they may also use other types of as many vCPUs, at least
    as much memory and no higher price: the worst case, and the size of executors, stay what they were.

    ``offered``: the types that EMR has in this region, to which the choice is limited, since a single other
    one makes EMR refuse the whole request. None, where that is not known, and where none is offered: the
    manifest's own types, and EMR may judge.
    """
    own = cluster.instance_types
    goes_further = attempt > 1 or cluster.market == "spot"
    sought = (*own, *_alternatives(own, region)) if goes_further else own
    had = [name for name in sought if name in offered] if offered else []
    return dataclasses.replace(
        cluster,
        instance_types=tuple(had[:MAX_INSTANCE_TYPES]) or own,
        market=cluster.market if attempt == 1 else "on_demand",
    )


def _alternatives(instance_types: Sequence[str], region: str) -> list[str]:
    """Types on which the same executors run, for no more money."""
    given = [INSTANCE_TYPES[name] for name in instance_types]
    dearest, vcpus = max(kind.eur_per_hour(region) for kind in given), min(kind.vcpus for kind in given)
    memory = min(usable_mb(name) for name in instance_types)
    return sorted(
        name
        for name, kind in INSTANCE_TYPES.items()
        if kind.vcpus == vcpus
        and usable_mb(name) >= memory
        and kind.eur_per_hour(region) <= dearest
        and name not in instance_types
    )


def _instances(cluster: ClusterSpec, settings: LauncherSettings) -> dict[str, Any]:
    fleets = [_primary_fleet(cluster), _core_fleet(cluster)]
    if cluster.workers > CORE_NODES:
        fleets.append(_task_fleet(cluster))
    return {
        "InstanceFleets": fleets,
        "KeepJobFlowAliveWhenNoSteps": False,
        "TerminationProtected": False,
        "Ec2SubnetIds": settings.subnet_ids.split(","),
        "EmrManagedMasterSecurityGroup": settings.node_security_group,
        "EmrManagedSlaveSecurityGroup": settings.node_security_group,
        "ServiceAccessSecurityGroup": settings.service_security_group,
    }


def _primary_fleet(cluster: ClusterSpec) -> dict[str, Any]:
    # Never on spot: it runs the Spark driver, so losing it loses the run.
    return {
        "Name": "primary",
        "InstanceFleetType": "MASTER",
        "TargetOnDemandCapacity": 1,
        "InstanceTypeConfigs": [
            {"InstanceType": name, "WeightedCapacity": 1} for name in cluster.instance_types
        ],
        "LaunchSpecifications": _ON_DEMAND,
    }


def _core_fleet(cluster: ClusterSpec) -> dict[str, Any]:
    # Never on spot either: it holds HDFS and the application master.
    return {
        "Name": "core",
        "InstanceFleetType": "CORE",
        "TargetOnDemandCapacity": CORE_NODES,
        "InstanceTypeConfigs": _worker_types(cluster.instance_types),
        "LaunchSpecifications": _ON_DEMAND,
    }


def _task_fleet(cluster: ClusterSpec) -> dict[str, Any]:
    fleet = {
        "Name": "task",
        "InstanceFleetType": "TASK",
        "InstanceTypeConfigs": _worker_types(cluster.instance_types),
    }
    capacity = cluster.workers - CORE_NODES
    if _has_spot(cluster):
        return {**fleet, "TargetSpotCapacity": capacity, "LaunchSpecifications": _SPOT}
    return {**fleet, "TargetOnDemandCapacity": capacity, "LaunchSpecifications": _ON_DEMAND}


_ON_DEMAND = {"OnDemandSpecification": {"AllocationStrategy": "lowest-price"}}
_SPOT = {
    "SpotSpecification": {
        "AllocationStrategy": "price-capacity-optimized",
        "TimeoutDurationMinutes": SPOT_TIMEOUT_MINUTES,
        "TimeoutAction": "SWITCH_TO_ON_DEMAND",
    }
}


def _worker_types(instance_types: Sequence[str]) -> list[dict[str, Any]]:
    executor = executor_for(instance_types)
    return [
        {
            "InstanceType": name,
            # The manifest counts machines, whatever their size.
            "WeightedCapacity": 1,
            # YARN counts memory only, so the memory must end where the vCPUs do.
            "Configurations": [
                _classified("yarn-site", {"yarn.nodemanager.resource.memory-mb": str(executor.yarn_mb(name))})
            ],
        }
        for name in instance_types
    ]


def _configurations(cluster: ClusterSpec, settings: LauncherSettings) -> list[dict[str, Any]]:
    executor = executor_for(cluster.instance_types)
    return [
        _classified("spark-defaults", _spark_defaults(cluster, executor, settings)),
        # s3:// is S3A from EMR 7.10 on. Without a region it asks us-east-2 where a bucket is (HADOOP-18908),
        # which the network's S3 endpoint never answers.
        _classified("core-site", {"fs.s3a.endpoint.region": settings.region}),
        # The steps' own object-store client takes its region from the environment.
        {
            **_classified("spark-env", {}),
            "Configurations": [_classified("export", {"AWS_REGION": settings.region})],
        },
        *([_MASTER_ON_CORE] if _has_spot(cluster) else []),
    ]


# Without the label, the application master may be put on any node, so also on one that Spot takes away.
# Source: EMR Management Guide, "Understand node types"; since 6.x the labels are off by default.
_MASTER_ON_CORE = {
    "Classification": "yarn-site",
    "Properties": {
        "yarn.node-labels.enabled": "true",
        "yarn.node-labels.am.default-node-label-expression": "CORE",
    },
}


def _spark_defaults(cluster: ClusterSpec, executor: Executor, settings: LauncherSettings) -> dict[str, str]:
    executors = cluster.workers * max(executor.count(name) for name in cluster.instance_types)
    return {
        "spark.pyspark.python": settings.node_python,
        "spark.pyspark.driver.python": settings.node_python,
        "spark.driver.memory": DRIVER_MEMORY,
        "spark.executor.cores": str(executor.cores),
        "spark.executor.memory": f"{executor.heap_mb}m",
        "spark.executor.memoryOverhead": f"{executor.overhead_mb}m",
        # EMR turns dynamic allocation on. The machines are paid for to the end, so executors stay as long.
        "spark.dynamicAllocation.enabled": "false",
        "spark.executor.instances": str(executors),
    }


def _has_spot(cluster: ClusterSpec) -> bool:
    return cluster.market == "spot" and cluster.workers > CORE_NODES


def _classified(classification: str, properties: dict[str, str]) -> dict[str, Any]:
    return {"Classification": classification, "Properties": properties}


def _bootstrap_actions(root: str, settings: LauncherSettings) -> list[dict[str, Any]]:
    if not settings.bootstrap_key:
        return []
    script = {
        "Path": f"{root}/{settings.bootstrap_key}",
        "Args": [
            f"{root}/{settings.wheelhouse_prefix}",
            str(PurePosixPath(settings.node_python).parents[1]),
            settings.region,
        ],
    }
    return [{"Name": "install wheels", "ScriptBootstrapAction": script}]


def _step(name: str, plan: Plan, settings: LauncherSettings) -> dict[str, Any]:
    arguments = [
        "spark-submit",
        *("--deploy-mode", "client"),
        *("--py-files", f"{plan.root}/{settings.job_key}"),
        f"{plan.root}/{settings.step_key}",
        name,
        *("--plan", f"{plan.root}/{plan.layout.plan}"),
    ]
    return {
        "Name": name,
        "ActionOnFailure": "TERMINATE_CLUSTER",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": arguments},
    }
