"""What of a RunJobFlow request makes the cluster a workbench: JupyterHub, and no end of its own. Pure.

Sources: EMR Release Guide, "JupyterHub" and "Apache Livy"; EMR Management Guide, "Submit work to a cluster".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lambdas.contract.layout import notebooks_of
from lambdas.contract.plan import ClusterSpec, WorkbenchPlan
from lambdas.contract.settings import LauncherSettings
from lambdas.contract.workbench import SETUP_STEP
from lambdas.runs.fleets import classified
from lambdas.runs.sizing import Executor, executor_for

DRIVER_MEMORY = "2g"
"""The driver holds one shard of the index and one matrix of 13 MB; the rest of the primary is Hadoop's."""
AS_IN_STEPS = {
    f"spark.executorEnv.{name}": value
    for name, value in {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }.items()
}
"""What steps tell their Python workers (``spark/steps/session.py``), so that TensorFlow computes the same."""
WORKBENCH_VOLUME_GIB = 60
"""Beside what a run of the reference engine needs: JupyterHub's container, and the notebooks. Assumed."""
_FETCH_AND_RUN = (
    'folder=$(mktemp -d) && aws s3 cp --region "$1" --recursive --only-show-errors "$0" "$folder" && '
    'exec bash "$folder/setup.sh" "$@"'
)
"""Where the set-up's files lie, then the arguments of setup.sh, of which the region is the first."""


@dataclass(frozen=True)
class Part:
    """What differs between the clusters of runs and of workbenches."""

    applications: tuple[str, ...]
    steps: Mapping[str, Sequence[str]]
    """Their arguments, by their names, in their order."""
    stays: bool
    """Whether the cluster goes on when no step is left."""
    root_volume_gib: int
    installs_all: bool
    """Whether nodes install the reference engine's packages, too."""
    spark_defaults: dict[str, str]
    configurations: Sequence[dict[str, Any]] = field(default_factory=list)


def session_defaults(executor: Executor, settings: LauncherSettings) -> dict[str, str]:
    """Spark's settings for driver and executors, however many of these there are."""
    return {
        "spark.pyspark.python": settings.node_python,
        "spark.pyspark.driver.python": settings.node_python,
        "spark.driver.memory": DRIVER_MEMORY,
        "spark.executor.cores": str(executor.cores),
        "spark.executor.memory": f"{executor.heap_mb}m",
        "spark.executor.memoryOverhead": f"{executor.overhead_mb}m",
    }


def workbench_part(plan: WorkbenchPlan, cluster: ClusterSpec, settings: LauncherSettings) -> Part:
    """A cluster on which the set-up step puts JupyterHub behind the workbench's own password.

    Its sessions share the machines: each grows and shrinks by EMR's dynamic allocation, and is ended by Livy
    when it was not used for as long as ends the workbench.
    """
    spec, keys = plan.workbench, plan.layout
    arguments = [
        *("bash", "-c", _FETCH_AND_RUN, f"{plan.root}/{settings.workbench_setup_prefix}"),
        settings.region,
        *(f"{plan.root}/{key}" for key in (keys.login, keys.activity, notebooks_of(plan.dataset))),
    ]
    return Part(
        applications=("Spark", "Livy", "JupyterHub"),
        steps={SETUP_STEP: arguments},
        stays=True,
        root_volume_gib=WORKBENCH_VOLUME_GIB,
        installs_all=True,
        spark_defaults={
            **session_defaults(executor_for(cluster.instance_types), settings),
            "spark.dynamicAllocation.enabled": "true",
            **AS_IN_STEPS,
            **_told_to_notebooks(plan, settings),
        },
        configurations=[classified("livy-conf", {"livy.server.session.timeout": f"{spec.idle_minutes}m"})],
    )


def _told_to_notebooks(plan: WorkbenchPlan, settings: LauncherSettings) -> dict[str, str]:
    """What notebooks ask ``spark.conf`` for, where it is known.

    They are kept from one workbench to the next, so what is this one's own must not stand in them. A property
    of Spark reaches every session, on whatever machine Livy has it run.
    """
    told = {
        "root": plan.root,
        "dataset": plan.workbench.opens_dataset,
        "run": plan.workbench.opens_run,
        "kept": f"{plan.root}/{plan.layout.run_all}",
        "code": f"{plan.root}/{settings.job_key}",
    }
    return {f"spark.workbench.{name}": value for name, value in told.items() if value}
