"""The RunJobFlow request: one transient cluster that runs the two steps and ends. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from lambdas.contract.cost.measured import architecture_of
from lambdas.contract.layout import LOGS
from lambdas.contract.plan import ClusterSpec, Plan
from lambdas.contract.report import STEPS
from lambdas.contract.run import EMR_TAG, LEDGER_TAG, RUN_TAG, cluster_name
from lambdas.contract.settings import LauncherSettings
from lambdas.runs.fleets import MASTER_ON_CORE, classified, has_spot, instance_fleets
from lambdas.runs.resilience import resilience
from lambdas.runs.sizing import Executor, executor_for

ROOT_VOLUME_GIB = 30
"""The operating system, the reference engine's wheels (0.8 GB) and what they unpack to (2.4 GB); the default
one's are a quarter of that. EMR allows 15 to 100."""
DRIVER_MEMORY = "2g"
"""The driver holds one shard of the index and one matrix of 13 MB; the rest of the primary is Hadoop's."""


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
        "BootstrapActions": _bootstrap_actions(plan, cluster, settings),
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


def _instances(cluster: ClusterSpec, settings: LauncherSettings) -> dict[str, Any]:
    return {
        "InstanceFleets": instance_fleets(cluster),
        "KeepJobFlowAliveWhenNoSteps": False,
        "TerminationProtected": False,
        "Ec2SubnetIds": settings.subnet_ids.split(","),
        "EmrManagedMasterSecurityGroup": settings.node_security_group,
        "EmrManagedSlaveSecurityGroup": settings.node_security_group,
        "ServiceAccessSecurityGroup": settings.service_security_group,
    }


def _configurations(cluster: ClusterSpec, settings: LauncherSettings) -> list[dict[str, Any]]:
    executor = executor_for(cluster.instance_types)
    return [
        classified("spark-defaults", _spark_defaults(cluster, executor, settings)),
        # s3:// is S3A from EMR 7.10 on. Without a region it asks us-east-2 where a bucket is (HADOOP-18908),
        # which the network's S3 endpoint never answers.
        classified("core-site", {"fs.s3a.endpoint.region": settings.region}),
        # The steps' own object-store client takes its region from the environment.
        {
            **classified("spark-env", {}),
            "Configurations": [classified("export", {"AWS_REGION": settings.region})],
        },
        *([MASTER_ON_CORE] if has_spot(cluster) else []),
    ]


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
        **resilience(executors),
    }


def _bootstrap_actions(plan: Plan, cluster: ClusterSpec, settings: LauncherSettings) -> list[dict[str, Any]]:
    if not settings.bootstrap_key:
        return []
    everywhere, reference = settings.wheelhouses(architecture_of(cluster.instance_types[0]))
    further = [reference] if plan.engine == "reference" else []
    script = {
        "Path": f"{plan.root}/{settings.bootstrap_key}",
        "Args": [
            f"{plan.root}/{everywhere}",
            str(PurePosixPath(settings.node_python).parents[1]),
            settings.region,
            *(f"{plan.root}/{prefix}" for prefix in further if prefix),
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
