"""The RunJobFlow request: one transient cluster that runs the two steps and ends. Pure."""

from __future__ import annotations

from typing import Any

from lambdas.contract.layout import LOGS
from lambdas.contract.manifest import Cluster
from lambdas.contract.plan import Plan
from lambdas.contract.prices import INSTANCE_TYPES
from lambdas.contract.report import STEPS
from lambdas.contract.run import EMR_TAG, LEDGER_TAG, RUN_TAG, cluster_name
from lambdas.contract.settings import LauncherSettings

IDLE_TIMEOUT_SECONDS = 3600
"""Behind KeepJobFlowAliveWhenNoSteps=False, for a cluster that EMR somehow left without steps."""
SPOT_TIMEOUT_MINUTES = 10
MAX_INSTANCE_TYPES = 5
"""As many as a manifest may name."""


def run_job_flow(
    plan: Plan, cluster: Cluster, settings: LauncherSettings, attempt: int = 1
) -> dict[str, Any]:
    """Parameters of EMR's RunJobFlow for this attempt at the run."""
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
        "AutoTerminationPolicy": {"IdleTimeout": IDLE_TIMEOUT_SECONDS},
        "BootstrapActions": _bootstrap_actions(plan.root, settings),
        "Configurations": _configurations(settings),
        "Steps": [_step(name, plan, settings) for name in STEPS],
        "Tags": [
            {"Key": RUN_TAG, "Value": plan.run_id},
            {"Key": LEDGER_TAG, "Value": settings.ledger_table},
            {"Key": "fruits:dataset", "Value": plan.dataset},
            {"Key": EMR_TAG, "Value": "true"},
        ],
    }


def cluster_for(cluster: Cluster, attempt: int, region: str) -> Cluster:
    """The cluster of an attempt: the first is as the manifest says.

    Later ones are on-demand, and may also use other types with as many virtual CPUs that cost no more, so
    that the worst case stays what it was.
    """
    if attempt == 1:
        return cluster
    given = [INSTANCE_TYPES[name] for name in cluster.instance_types]
    dearest, vcpus = max(kind.eur_per_hour(region) for kind in given), min(kind.vcpus for kind in given)
    others = sorted(
        name
        for name, kind in INSTANCE_TYPES.items()
        if kind.vcpus == vcpus and kind.eur_per_hour(region) <= dearest and name not in cluster.instance_types
    )
    types = (*cluster.instance_types, *others)[:MAX_INSTANCE_TYPES]
    return cluster.model_copy(update={"instance_types": types, "market": "on_demand"})


def _instances(cluster: Cluster, settings: LauncherSettings) -> dict[str, Any]:
    return {
        "InstanceFleets": [_primary_fleet(cluster), _worker_fleet(cluster)],
        "KeepJobFlowAliveWhenNoSteps": False,
        "TerminationProtected": False,
        "Ec2SubnetIds": settings.subnet_ids.split(","),
        "EmrManagedMasterSecurityGroup": settings.node_security_group,
        "EmrManagedSlaveSecurityGroup": settings.node_security_group,
        "ServiceAccessSecurityGroup": settings.service_security_group,
    }


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
