"""Transient clusters on Amazon EMR."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore import exceptions
from botocore.exceptions import ClientError

from lambdas.aws.clients import asked_once, client
from lambdas.aws.errors import error_code, is_temporary
from lambdas.contract.cost.estimate import InstanceUse
from lambdas.runs.cluster_port import (
    ClusterSnapshot,
    ClusterState,
    ClusterSummary,
    LaunchInDoubtError,
    LaunchRefusedError,
    StepSnapshot,
    StepState,
)

if TYPE_CHECKING:
    from mypy_boto3_emr import EMRClient
    from mypy_boto3_emr.type_defs import (
        ClusterSummaryTypeDef,
        ClusterTypeDef,
        InstanceTypeDef,
        StepSummaryTypeDef,
    )


logger = logging.getLogger(__name__)


def emr_clusters(session: boto3.Session, launch_call_seconds: int) -> EmrClusters:
    """The adapter with its clients: launches are asked for once, within that time; the rest is retried."""
    return EmrClusters(
        launching=asked_once(session, "emr", launch_call_seconds), reading=client(session, "emr")
    )


def _is_superseded(error: ClientError) -> bool:
    """Whether an upgrade of the stack replaced the security configuration in this very second.

    The launch after this one knows the new. Source of the words: EMR's answer, as its endpoint gives it.
    """
    message = error.response["Error"].get("Message", "")
    return "security configuration" in message.lower() and "does not exist" in message


class EmrClusters:
    """Implements :class:`lambdas.runs.cluster_port.Clusters`.

    ``launching`` must not retry by itself (``total_max_attempts`` 1): RunJobFlow has no idempotency token,
    so a retry after a lost answer would make a second cluster. ``reading`` may retry at will.
    """

    def __init__(self, *, launching: EMRClient, reading: EMRClient) -> None:
        self._launching = launching
        self._reading = reading
        self._offers: dict[str, frozenset[str]] = {}

    def launch(self, request: Mapping[str, Any]) -> str:
        try:
            return self._launching.run_job_flow(**request)["JobFlowId"]
        except ClientError as error:
            if is_temporary(error) or _is_superseded(error):
                raise LaunchInDoubtError(str(error)) from error
            raise LaunchRefusedError(error_code(error), error.response["Error"]["Message"]) from error
        except exceptions.ParamValidationError as error:  # never sent
            raise LaunchRefusedError("ParamValidation", str(error)) from error
        except exceptions.BotoCoreError as error:  # no or half an answer
            raise LaunchInDoubtError(str(error)) from error

    def list(self, created_after: float) -> tuple[ClusterSummary, ...]:
        after = datetime.fromtimestamp(created_after, UTC)
        pages = self._reading.get_paginator("list_clusters").paginate(CreatedAfter=after)
        return tuple(ClusterSummary(**_summary(cluster)) for page in pages for cluster in page["Clusters"])

    def describe(self, cluster_id: str) -> ClusterSnapshot:
        cluster = self._reading.describe_cluster(ClusterId=cluster_id)["Cluster"]
        pages = self._reading.get_paginator("list_steps").paginate(ClusterId=cluster_id)
        reason = cluster["Status"].get("StateChangeReason", {})
        ready = cluster["Status"]["Timeline"].get("ReadyDateTime")
        return ClusterSnapshot(
            **_summary(cluster),
            reason_code=reason.get("Code", ""),
            reason_message=reason.get("Message", ""),
            tags={tag["Key"]: tag["Value"] for tag in cluster.get("Tags", ())},
            steps=tuple(_step(step) for page in pages for step in page["Steps"]),
            ready_at=ready.timestamp() if ready else None,
        )

    def instance_types(self, release_label: str) -> frozenset[str] | None:
        """Asked once a release and process, and remembered: the offer changes by the month, if at all."""
        if release_label not in self._offers:
            try:
                offered = frozenset(self._offered(release_label))
            except (ClientError, exceptions.BotoCoreError) as error:
                logger.warning(
                    "EMR does not tell its instance types; those of the manifest are used: %s", error
                )
                return None
            self._offers[release_label] = offered
        return self._offers[release_label]

    def _offered(self, release_label: str) -> Iterator[str]:
        request: dict[str, str] = {"ReleaseLabel": release_label}
        while True:  # botocore has no paginator for it
            page = self._reading.list_supported_instance_types(**request)
            yield from (kind["Type"] for kind in page["SupportedInstanceTypes"])
            if not (marker := page.get("Marker")):
                return
            request["Marker"] = marker

    def instances(self, cluster_id: str, now: float) -> tuple[InstanceUse, ...]:
        pages = self._reading.get_paginator("list_instances").paginate(ClusterId=cluster_id)
        return tuple(_use(instance, now) for page in pages for instance in page["Instances"])

    def primary_address(self, cluster_id: str) -> str | None:
        found = self._reading.list_instances(
            ClusterId=cluster_id, InstanceFleetType="MASTER", InstanceStates=["RUNNING"]
        )
        return next((one["PrivateIpAddress"] for one in found["Instances"]), None)

    def terminate(self, cluster_id: str) -> None:
        self._reading.set_termination_protection(JobFlowIds=[cluster_id], TerminationProtected=False)
        self._reading.terminate_job_flows(JobFlowIds=[cluster_id])


def _use(instance: InstanceTypeDef, now: float) -> InstanceUse:
    timeline = instance["Status"]["Timeline"]
    ended = timeline["EndDateTime"].timestamp() if "EndDateTime" in timeline else now
    began = timeline["CreationDateTime"].timestamp()
    return InstanceUse(instance["InstanceType"], instance["Market"] == "SPOT", (ended - began) / 3600, began)


def _summary(cluster: ClusterSummaryTypeDef | ClusterTypeDef) -> dict[str, Any]:
    """The fields that ListClusters and DescribeCluster have in common."""
    timeline = cluster["Status"]["Timeline"]
    ended = timeline.get("EndDateTime")
    return {
        "cluster_id": cluster["Id"],
        "name": cluster["Name"],
        "state": ClusterState(cluster["Status"]["State"]),
        "created_at": timeline["CreationDateTime"].timestamp(),
        "ended_at": ended.timestamp() if ended else None,
    }


def _step(step: StepSummaryTypeDef) -> StepSnapshot:
    details = step["Status"].get("FailureDetails", {})
    texts = (details.get("Reason"), details.get("Message"))
    began = step["Status"].get("Timeline", {}).get("StartDateTime")
    return StepSnapshot(
        step["Name"],
        StepState(step["Status"]["State"]),
        " ".join(text for text in texts if text),
        began.timestamp() if began else None,
    )
