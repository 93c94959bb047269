"""From a RunJobFlow request to a cluster that can start, and what it has to run."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.emr.lifecycle import ActionOnFailure, Cluster, Fleet, Step
from infra.local.emr.logs import S3Uri
from infra.local.emr.node import spark_defaults
from infra.local.emr.protocol import validation_error
from infra.local.emr.spark_cluster import WorkerNodes

MAX_STEPS = 256
DEFAULT_INSTANCE_PROFILE = "EMR_EC2_DefaultRole"
HUB = "JupyterHub"
_YARN_MEMORY = "yarn.nodemanager.resource.memory-mb"
_ID_CHARACTERS = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class Program:
    """What a step (``path`` is its jar) or a bootstrap action (its script) runs."""

    path: str
    arguments: tuple[str, ...]

    @classmethod
    def from_request(cls, path: str, arguments: list[str] | None) -> Program:
        return cls(path, tuple(arguments or ()))


@dataclass(frozen=True)
class Launch:
    """A cluster as it was asked for. ``steps`` is in the order of the cluster's steps.

    ``has_hub``: JupyterHub is among its applications. ``log_uri`` is None where it keeps no logs, ``workers``
    where it is a primary alone. ``encrypted``: a security configuration was named.
    """

    cluster: Cluster
    instance_profile: str
    bootstrap_actions: tuple[Program, ...]
    steps: tuple[Program, ...]
    spark_defaults: Mapping[str, str]
    has_hub: bool = False
    log_uri: S3Uri | None = None
    workers: WorkerNodes | None = None
    encrypted: bool = False

    @classmethod
    def from_request(cls, request: Mapping[str, Any], now: float) -> Launch:
        """Read a RunJobFlow request that fits its model; ``now`` is Unix seconds.

        Raises:
            EmrError: ValidationException, for what the model does not rule out and EMR refuses.
        """
        steps = request.get("Steps", [])
        if len(steps) > MAX_STEPS:
            raise validation_error(f"A maximum of {MAX_STEPS} steps are allowed; {len(steps)} were given")
        return cls(
            cluster=Cluster(
                id=_new_id("j"),
                name=request["Name"],
                created_at=now,
                steps=tuple(_new_step(step, now) for step in steps),
                fleets=tuple(_new_fleet(fleet) for fleet in request["Instances"].get("InstanceFleets", [])),
                keep_alive=request["Instances"].get("KeepJobFlowAliveWhenNoSteps", False),
                termination_protected=request["Instances"].get("TerminationProtected", False),
            ),
            instance_profile=request.get("JobFlowRole", DEFAULT_INSTANCE_PROFILE),
            bootstrap_actions=tuple(
                Program.from_request(
                    action["ScriptBootstrapAction"]["Path"], action["ScriptBootstrapAction"].get("Args")
                )
                for action in request.get("BootstrapActions", [])
            ),
            steps=tuple(
                Program.from_request(step["HadoopJarStep"]["Jar"], step["HadoopJarStep"].get("Args"))
                for step in steps
            ),
            spark_defaults=spark_defaults(request.get("Configurations", [])),
            has_hub=any(one["Name"] == HUB for one in request.get("Applications", [])),
            log_uri=_log_uri(request.get("LogUri")),
            workers=_workers(request),
            encrypted="SecurityConfiguration" in request,
        )


def _new_id(prefix: str) -> str:
    return f"{prefix}-{''.join(secrets.choice(_ID_CHARACTERS) for _ in range(13))}"


def _new_step(step: Mapping[str, Any], now: float) -> Step:
    action = step.get("ActionOnFailure", ActionOnFailure.TERMINATE_CLUSTER)
    return Step(_new_id("s"), step["Name"], ActionOnFailure(action), created_at=now)


def _new_fleet(fleet: Mapping[str, Any]) -> Fleet:
    on_demand, spot = fleet.get("TargetOnDemandCapacity", 0), fleet.get("TargetSpotCapacity", 0)
    return Fleet(_new_id("if"), fleet["InstanceFleetType"], on_demand, spot)


def _workers(request: Mapping[str, Any]) -> WorkerNodes | None:
    """The nodes of the core and task fleets, with the slots of an executor, and the memory that YARN may hand
    out on the first of their types; None where there are none, or the request does not divide them."""
    fleets = [f for f in request["Instances"].get("InstanceFleets", []) if f["InstanceFleetType"] != "MASTER"]
    executors = spark_defaults(request.get("Configurations", []))
    of_first = fleets[0]["InstanceTypeConfigs"][0].get("Configurations", []) if fleets else []
    (memory,) = [
        configuration["Properties"][_YARN_MEMORY]
        for configuration in of_first
        if _YARN_MEMORY in configuration.get("Properties", {})
    ] or [None]
    if memory is None or "spark.executor.cores" not in executors:
        return None
    count = sum(f.get("TargetOnDemandCapacity", 0) + f.get("TargetSpotCapacity", 0) for f in fleets)
    return WorkerNodes(count, int(executors["spark.executor.cores"]), int(memory))


def _log_uri(uri: str | None) -> S3Uri | None:
    try:
        return None if uri is None else S3Uri.parse(uri)
    except ValueError as error:
        raise validation_error(f"Invalid log URI: {error}") from error
