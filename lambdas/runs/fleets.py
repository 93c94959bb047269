"""The machines of a cluster, as instance fleets, and which of them Spot may take away. Pure.

The primary and the first worker are always bought on demand: they hold the Spark driver, HDFS and the
application master. Only the task fleet is bought on the manifest's market. So a lost Spot node costs the
tasks that ran on it: Spark runs them again elsewhere, and no finished shard is computed again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from lambdas.contract.cost.prices import CORE_NODES, INSTANCE_TYPES
from lambdas.contract.plan import ClusterSpec
from lambdas.runs.sizing import executor_for, usable_mb

SPOT_TIMEOUT_MINUTES = 10
MAX_INSTANCE_TYPES = 5
"""As many as a manifest may name."""


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
    """Types on which the same executors and packages run, for no more money."""
    given = [INSTANCE_TYPES[name] for name in instance_types]
    dearest, vcpus = max(kind.eur_per_hour(region) for kind in given), min(kind.vcpus for kind in given)
    memory = min(usable_mb(name) for name in instance_types)
    return sorted(
        name
        for name, kind in INSTANCE_TYPES.items()
        if kind.vcpus == vcpus
        and kind.architecture == given[0].architecture
        and usable_mb(name) >= memory
        and kind.eur_per_hour(region) <= dearest
        and name not in instance_types
    )


def instance_fleets(cluster: ClusterSpec) -> list[dict[str, Any]]:
    """The request's ``InstanceFleets``: primary, core, and task where there are more workers than core."""
    fleets = [_primary_fleet(cluster), _core_fleet(cluster)]
    if cluster.workers > CORE_NODES:
        fleets.append(_task_fleet(cluster))
    return fleets


def has_spot(cluster: ClusterSpec) -> bool:
    """Whether some of the machines are bought on Spot."""
    return cluster.market == "spot" and cluster.workers > CORE_NODES


# Without the label, the application master may be put on any node, so also on one that Spot takes away.
# Source: EMR Management Guide, "Understand node types"; since 6.x the labels are off by default.
MASTER_ON_CORE = {
    "Classification": "yarn-site",
    "Properties": {
        "yarn.node-labels.enabled": "true",
        "yarn.node-labels.am.default-node-label-expression": "CORE",
    },
}


def classified(classification: str, properties: dict[str, str]) -> dict[str, Any]:
    """One entry of EMR's ``Configurations``."""
    return {"Classification": classification, "Properties": properties}


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
    if has_spot(cluster):
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
                classified("yarn-site", {"yarn.nodemanager.resource.memory-mb": str(executor.yarn_mb(name))})
            ],
        }
        for name in instance_types
    ]
