"""Clusters and steps in the words of the EMR API's answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.utils import parse_timestamp

from infra.local.emr.lifecycle import Cluster, Step

LOOPBACK = "127.0.0.1"
"""The address of every machine."""


def unix_seconds(timestamp: Any, *, default: float) -> float:
    """A timestamp of a request (Unix seconds, or text) as Unix seconds."""
    return default if timestamp is None else parse_timestamp(timestamp).timestamp()


def cluster_summary(cluster: Cluster, arn: str) -> dict[str, Any]:
    """A member of ListClusters' answer."""
    reason = cluster.reason
    return {
        "Id": cluster.id,
        "Name": cluster.name,
        "Status": {
            "State": cluster.state,
            "StateChangeReason": {"Code": reason.code, "Message": reason.message} if reason else {},
            "Timeline": {
                "CreationDateTime": moment(cluster.created_at),
                "ReadyDateTime": moment(cluster.ready_at),
                "EndDateTime": moment(cluster.ended_at),
            },
        },
        "NormalizedInstanceHours": 0,
        "ClusterArn": arn,
    }


def cluster_detail(
    cluster: Cluster, request: Mapping[str, Any], tags: Mapping[str, str], arn: str
) -> dict[str, Any]:
    """DescribeCluster's answer: the state now, and what RunJobFlow was asked for."""
    instances = request["Instances"]
    fleets = "InstanceFleets" in instances
    return cluster_summary(cluster, arn) | {
        "Ec2InstanceAttributes": {
            "Ec2SubnetId": instances.get("Ec2SubnetId"),
            "RequestedEc2SubnetIds": instances.get("Ec2SubnetIds"),
            "IamInstanceProfile": request.get("JobFlowRole"),
        },
        "InstanceCollectionType": "INSTANCE_FLEET" if fleets else "INSTANCE_GROUP",
        "LogUri": request.get("LogUri"),
        "ReleaseLabel": request.get("ReleaseLabel"),
        "AutoTerminate": not cluster.keep_alive,
        "TerminationProtected": cluster.termination_protected,
        "VisibleToAllUsers": request.get("VisibleToAllUsers", True),
        "Applications": request.get("Applications", []),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        "ServiceRole": request.get("ServiceRole"),
        "Configurations": request.get("Configurations", []),
        "SecurityConfiguration": request.get("SecurityConfiguration"),
        "StepConcurrencyLevel": request.get("StepConcurrencyLevel", 1),
    }


def step_summary(step: Step, program: Mapping[str, Any]) -> dict[str, Any]:
    """A step of ListSteps' and DescribeStep's answers; ``program`` is its HadoopJarStep as requested."""
    failure = step.failure
    return {
        "Id": step.id,
        "Name": step.name,
        "Config": {
            "Jar": program["Jar"],
            "Args": program.get("Args", []),
            "MainClass": program.get("MainClass"),
            "Properties": {item["Key"]: item["Value"] for item in program.get("Properties", [])},
        },
        "ActionOnFailure": step.action_on_failure,
        "Status": {
            "State": step.state,
            "StateChangeReason": {},
            "FailureDetails": failure
            and {"Reason": failure.reason, "Message": failure.message, "LogFile": failure.log_file},
            "Timeline": {
                "CreationDateTime": moment(step.created_at),
                "StartDateTime": moment(step.started_at),
                "EndDateTime": moment(step.ended_at),
            },
        },
    }


def instances(
    cluster: Cluster, request: Mapping[str, Any], fleet_type: str | None = None
) -> list[dict[str, Any]]:
    """ListInstances' answer: the machines that were asked for, of each fleet's first type, once they are
    there. Pretended, since all of them are this machine; clusters without fleets show none. ``fleet_type``:
    of such fleets alone."""
    if cluster.provisioned_at is None:
        return []
    status = {
        "State": "TERMINATED" if cluster.ended_at else "RUNNING",
        "Timeline": {
            "CreationDateTime": moment(cluster.provisioned_at),
            "ReadyDateTime": moment(cluster.ready_at),
            "EndDateTime": moment(cluster.ended_at),
        },
    }
    return [
        {
            "Id": f"ci-{cluster.id}-{fleet['InstanceFleetType']}-{market}-{number}",
            "InstanceType": fleet["InstanceTypeConfigs"][0]["InstanceType"],
            "Market": market,
            "PrivateIpAddress": LOOPBACK,
            "Status": status,
        }
        for fleet in request["Instances"].get("InstanceFleets", [])
        if fleet_type in (None, fleet["InstanceFleetType"])
        for market, capacity in (("ON_DEMAND", "TargetOnDemandCapacity"), ("SPOT", "TargetSpotCapacity"))
        for number in range(fleet.get(capacity, 0))
    ]


def bootstrap_action(requested: Mapping[str, Any]) -> dict[str, Any]:
    """A member of ListBootstrapActions' answer."""
    script = requested["ScriptBootstrapAction"]
    return {"Name": requested["Name"], "ScriptPath": script["Path"], "Args": script.get("Args", [])}


def moment(seconds: float | None) -> datetime | None:
    """Unix seconds as answers have them; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
