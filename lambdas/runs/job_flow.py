"""The RunJobFlow request: a transient cluster, which runs two steps and ends, or is a workbench. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from lambdas.contract.cost.measured import architecture_of
from lambdas.contract.layout import LOGS
from lambdas.contract.plan import ClusterSpec, Engine, Plan, RunPlan, WorkbenchPlan
from lambdas.contract.report import STEPS
from lambdas.contract.run import EMR_TAG, LEDGER_TAG, RUN_TAG, cluster_name
from lambdas.contract.settings import LauncherSettings
from lambdas.runs.fleets import MASTER_ON_CORE, classified, has_spot, instance_fleets
from lambdas.runs.resilience import resilience
from lambdas.runs.sizing import executor_for
from lambdas.runs.workbench_job_flow import Part, session_defaults, workbench_part

ROOT_VOLUME_GIB = 30
"""The operating system, the reference engine's wheels (0.8 GB) and what they unpack to (2.4 GB); the default
one's are a quarter of that. EMR allows 15 to 100."""
WITHOUT_SECOND_COMPILER = "-XX:TieredStopAtLevel=1"
"""To JVMs that hand numbers of shards to Python and add up counts the compiler for code that runs long costs
more than it ever gives: 2 s of CPU at the start of each (10,000 photos on two cores: 25.4 s with it, 23.8
without; AMD EPYC). Source: JDK 17, "The java Command"."""


def run_job_flow(
    plan: Plan | WorkbenchPlan, cluster: ClusterSpec, settings: LauncherSettings, attempt: int = 1
) -> dict[str, Any]:
    """Parameters of EMR's RunJobFlow for this attempt at the run.

    Without a managed scaling or an auto-termination policy: both live on metrics that the nodes send to a
    public endpoint, to which the private subnets have no way. A cluster ends with its last step; one that
    does not is stopped by the reconciler, as every workbench is.
    """
    own = (
        workbench_part(plan, cluster, settings)
        if isinstance(plan, WorkbenchPlan)
        else _run_part(plan, cluster, settings)
    )
    return {
        "Name": cluster_name(plan.run_id, attempt),
        "ReleaseLabel": settings.release_label,
        "Applications": [{"Name": name} for name in own.applications],
        "LogUri": f"{plan.root}/{LOGS}",
        "LogEncryptionKmsKeyId": settings.data_key_arn,
        "SecurityConfiguration": settings.security_configuration,
        "ServiceRole": settings.service_role_arn,
        "JobFlowRole": settings.instance_profile_arn,
        "Instances": {**_instances(cluster, settings), "KeepJobFlowAliveWhenNoSteps": own.stays},
        "EbsRootVolumeSize": own.root_volume_gib,
        "BootstrapActions": _bootstrap_actions(plan, cluster, settings, everything=own.installs_all),
        "Configurations": [
            classified("spark-defaults", own.spark_defaults),
            *_configurations(cluster, settings),
            *own.configurations,
        ],
        "Steps": [_step(name, arguments) for name, arguments in own.steps.items()],
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
        "TerminationProtected": False,
        "Ec2SubnetIds": settings.subnet_ids.split(","),
        "EmrManagedMasterSecurityGroup": settings.node_security_group,
        "EmrManagedSlaveSecurityGroup": settings.node_security_group,
        "ServiceAccessSecurityGroup": settings.service_security_group,
    }


def _configurations(cluster: ClusterSpec, settings: LauncherSettings) -> list[dict[str, Any]]:
    return [
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


def _run_part(plan: Plan, cluster: ClusterSpec, settings: LauncherSettings) -> Part:
    return Part(
        applications=("Spark",),
        steps={step: _arguments(step, plan, settings) for step in STEPS},
        stays=False,
        root_volume_gib=ROOT_VOLUME_GIB,
        installs_all=plan.engine == "reference",
        spark_defaults=_spark_defaults(plan, cluster, settings),
    )


def _spark_defaults(plan: Plan, cluster: ClusterSpec, settings: LauncherSettings) -> dict[str, str]:
    executor = executor_for(cluster.instance_types)
    executors = cluster.workers * max(executor.count(name) for name in cluster.instance_types)
    return {
        **session_defaults(executor, settings),
        # EMR turns dynamic allocation on. The machines are paid for to the end, so executors stay as long.
        "spark.dynamicAllocation.enabled": "false",
        "spark.executor.instances": str(executors),
        **resilience(executors),
        **jvm_options(plan.engine),
    }


def jvm_options(engine: Engine) -> dict[str, str]:
    """Spark properties with the options of the JVMs. EMR's own are in ``defaultJavaOptions``, and stay.

    The reference engine computes in them (MLlib, Parquet), and has all compilers.
    """
    if engine == "reference":
        return {}
    return {f"spark.{each}.extraJavaOptions": WITHOUT_SECOND_COMPILER for each in ("driver", "executor")}


def _bootstrap_actions(
    plan: RunPlan, cluster: ClusterSpec, settings: LauncherSettings, *, everything: bool
) -> list[dict[str, Any]]:
    """``everything``: also what only the reference engine needs."""
    if not settings.bootstrap_key:
        return []
    everywhere, reference = settings.wheelhouses(architecture_of(cluster.instance_types[0]))
    further = [reference] if everything else []
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


def _arguments(step: str, plan: Plan, settings: LauncherSettings) -> list[str]:
    return [
        "spark-submit",
        *("--deploy-mode", "client"),
        *("--py-files", f"{plan.root}/{settings.job_key}"),
        f"{plan.root}/{settings.step_key}",
        step,
        *("--plan", f"{plan.root}/{plan.layout.plan}"),
    ]


def _step(name: str, arguments: Sequence[str]) -> dict[str, Any]:
    return {
        "Name": name,
        "ActionOnFailure": "TERMINATE_CLUSTER",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": list(arguments)},
    }
