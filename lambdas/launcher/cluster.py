"""The RunJobFlow request: one transient cluster that runs the two steps and ends. Pure."""

from __future__ import annotations

from typing import Any

from lambdas.contract.layout import LOGS
from lambdas.contract.manifest import Cluster
from lambdas.contract.plan import Plan
from lambdas.contract.report import STEPS
from lambdas.contract.run import RUN_TAG, cluster_name
from lambdas.contract.settings import LauncherSettings

IDLE_TIMEOUT_SECONDS = 3600
"""Behind KeepJobFlowAliveWhenNoSteps=False, for a cluster that EMR somehow left without steps."""
SPOT_TIMEOUT_MINUTES = 10


def run_job_flow(plan: Plan, cluster: Cluster, settings: LauncherSettings) -> dict[str, Any]:
    """Parameters of EMR's RunJobFlow for this run."""
    return {
        "Name": cluster_name(plan.run_id),
        "ReleaseLabel": settings.release_label,
        "Applications": [{"Name": "Spark"}],
        "LogUri": f"{plan.root}/{LOGS}",
        "ServiceRole": settings.service_role_arn,
        "JobFlowRole": settings.instance_profile_arn,
        "Instances": _instances(cluster, settings),
        "AutoTerminationPolicy": {"IdleTimeout": IDLE_TIMEOUT_SECONDS},
        "BootstrapActions": _bootstrap_actions(plan.root, settings),
        "Configurations": _configurations(settings),
        "Steps": [_step(name, plan, settings) for name in STEPS],
        "Tags": [
            {"Key": RUN_TAG, "Value": plan.run_id},
            {"Key": "fruits:dataset", "Value": plan.dataset},
            # Without it, AmazonEMRServicePolicy_v2 does not let EMR touch the cluster's machines.
            {"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"},
        ],
    }


def _instances(cluster: Cluster, settings: LauncherSettings) -> dict[str, Any]:
    instances: dict[str, Any] = {
        "InstanceFleets": [_primary_fleet(cluster), _worker_fleet(cluster)],
        "KeepJobFlowAliveWhenNoSteps": False,
        "TerminationProtected": False,
    }
    if settings.subnet_ids:
        instances["Ec2SubnetIds"] = settings.subnet_ids.split(",")
    return instances


def _primary_fleet(cluster: Cluster) -> dict[str, Any]:
    # Never on spot: it runs the Spark driver, so losing it loses the run.
    return {
        "Name": "primary",
        "InstanceFleetType": "MASTER",
        "TargetOnDemandCapacity": 1,
        "InstanceTypeConfigs": _instance_types(cluster),
        "LaunchSpecifications": _ON_DEMAND,
    }


def _worker_fleet(cluster: Cluster) -> dict[str, Any]:
    fleet = {
        "Name": "workers",
        "InstanceFleetType": "CORE",
        "InstanceTypeConfigs": _instance_types(cluster),
    }
    if cluster.market == "on_demand":
        return {**fleet, "TargetOnDemandCapacity": cluster.workers, "LaunchSpecifications": _ON_DEMAND}
    return {**fleet, "TargetSpotCapacity": cluster.workers, "LaunchSpecifications": _SPOT}


_ON_DEMAND = {"OnDemandSpecification": {"AllocationStrategy": "lowest-price"}}
_SPOT = {
    "SpotSpecification": {
        "AllocationStrategy": "price-capacity-optimized",
        "TimeoutDurationMinutes": SPOT_TIMEOUT_MINUTES,
        "TimeoutAction": "SWITCH_TO_ON_DEMAND",
    }
}


def _instance_types(cluster: Cluster) -> list[dict[str, Any]]:
    # Weight 1: the manifest counts machines, whatever their size.
    return [{"InstanceType": name, "WeightedCapacity": 1} for name in cluster.instance_types]


def _configurations(settings: LauncherSettings) -> list[dict[str, Any]]:
    return [
        {
            "Classification": "spark-defaults",
            "Properties": {
                "spark.pyspark.python": settings.node_python,
                "spark.pyspark.driver.python": settings.node_python,
            },
        },
        {
            # The steps' own object-store client takes its region from the environment.
            "Classification": "spark-env",
            "Properties": {},
            "Configurations": [{"Classification": "export", "Properties": {"AWS_REGION": settings.region}}],
        },
    ]


def _bootstrap_actions(root: str, settings: LauncherSettings) -> list[dict[str, Any]]:
    if not settings.bootstrap_key:
        return []
    script = {
        "Path": f"{root}/{settings.bootstrap_key}",
        "Args": [f"{root}/{settings.wheelhouse_prefix}"],
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
