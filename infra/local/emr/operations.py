"""What each operation of the EMR API means here.

Source of shapes, defaults, page sizes and limits: the Amazon EMR API reference.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from infra.local.emr import views
from infra.local.emr.account import AccountSettings
from infra.local.emr.cluster import ClusterRunner
from infra.local.emr.injected_failures import LaunchFailure
from infra.local.emr.launch import Launch
from infra.local.emr.lifecycle import Cluster, Reason, ReasonCode, Step
from infra.local.emr.offer import Offer
from infra.local.emr.protocol import EmrError, Request, invalid_request, validation_error

PAGE_SIZE = 50
MAX_STEP_IDS = 10

Result = Mapping[str, Any]


NewRunner = Callable[[Launch], ClusterRunner]
"""Makes the runner of a new cluster, not started yet. Raises EmrError where it cannot."""


@dataclass
class ClusterRecord:
    """A cluster, the RunJobFlow request that made it, and its tags now."""

    runner: ClusterRunner
    request: Mapping[str, Any]
    tags: dict[str, str] = field(default_factory=dict)


class AnswerLost(Exception):  # noqa: N818  # an order to the endpoint, not an error
    """The connection is to break instead of an answer."""


class CallerKilled(AnswerLost):
    """The process at the other end is to be killed, as ``failure`` says."""

    def __init__(self, failure: LaunchFailure) -> None:
        super().__init__(failure)
        self.failure = failure


class Operations:
    """The operations over the clusters that were launched here, newest last."""

    def __init__(
        self,
        new_runner: NewRunner,
        *,
        arn_prefix: str,
        offer: Offer,
        next_launch_failure: Callable[[], LaunchFailure | None],
        befell: Callable[[LaunchFailure], None],
    ) -> None:
        """``arn_prefix`` is all of a cluster's ARN before its id; ``befell`` is told of each failure."""
        self._new_runner = new_runner
        self._arn_prefix = arn_prefix
        self._offer = offer
        self._next_launch_failure = next_launch_failure
        self._befell = befell
        self._records: dict[str, ClusterRecord] = {}
        self._lock = threading.Lock()
        self._account = AccountSettings()
        self._handlers: dict[str, Callable[[Mapping[str, Any]], Result]] = {
            "RunJobFlow": self._run_job_flow,
            "DescribeCluster": self._describe_cluster,
            "ListClusters": self._list_clusters,
            "ListInstances": self._list_instances,
            "ListSteps": self._list_steps,
            "DescribeStep": self._describe_step,
            "ListBootstrapActions": self._list_bootstrap_actions,
            "ListSupportedInstanceTypes": offer.list_supported_instance_types,
            "TerminateJobFlows": self._terminate_job_flows,
            "SetTerminationProtection": self._set_termination_protection,
            "AddTags": self._add_tags,
            "RemoveTags": self._remove_tags,
            "CreateSecurityConfiguration": self._account.create_security_configuration,
            "DescribeSecurityConfiguration": self._account.describe_security_configuration,
            "ListSecurityConfigurations": self._account.list_security_configurations,
            "DeleteSecurityConfiguration": self._account.delete_security_configuration,
            "GetBlockPublicAccessConfiguration": self._account.get_block_public_access,
            "PutBlockPublicAccessConfiguration": self._account.put_block_public_access,
        }

    def perform(self, request: Request) -> Result:
        """Carry out a request that fits its model.

        Raises:
            EmrError: it cannot be done, or the operation is none of ours.
        """
        handler = self._handlers.get(request.operation)
        if handler is None:
            known = ", ".join(sorted(self._handlers))
            raise EmrError(
                "UnknownOperationException",
                f"{request.operation} is not served by the local EMR endpoint, which has: {known}",
            )
        return handler(request.parameters)

    def runners(self) -> list[ClusterRunner]:
        """Every cluster's runner."""
        with self._lock:
            return [record.runner for record in self._records.values()]

    def _run_job_flow(self, request: Mapping[str, Any]) -> Result:
        with self._lock:
            failure = self._next_launch_failure()
        if failure in (LaunchFailure.THROTTLED, LaunchFailure.CALLER_KILLED_BEFORE):
            raise self._failed(failure)
        self._offer.require(request)
        self._account.require_security_configuration(request.get("SecurityConfiguration"))
        launch = Launch.from_request(request, time.time())
        runner = self._new_runner(launch)
        tags = {tag.get("Key", ""): tag.get("Value", "") for tag in request.get("Tags", [])}
        cluster = launch.cluster
        with self._lock:
            self._records[cluster.id] = ClusterRecord(runner, request, tags)
        runner.start()
        if failure is not None:
            raise self._failed(failure)
        return {"JobFlowId": cluster.id, "ClusterArn": f"{self._arn_prefix}{cluster.id}"}

    def _failed(self, failure: LaunchFailure) -> Exception:
        """How the caller of RunJobFlow finds out. Whether it was killed is known to who kills it."""
        if failure in (LaunchFailure.CALLER_KILLED_BEFORE, LaunchFailure.CALLER_KILLED_AFTER):
            return CallerKilled(failure)
        self._befell(failure)
        lost = failure is LaunchFailure.ANSWER_LOST
        return AnswerLost() if lost else EmrError("ThrottlingException", "Rate exceeded")

    def _describe_cluster(self, request: Mapping[str, Any]) -> Result:
        record = self._record(request["ClusterId"])
        arn = f"{self._arn_prefix}{record.runner.cluster.id}"
        return {"Cluster": views.cluster_detail(record.runner.cluster, record.request, record.tags, arn)}

    def _list_clusters(self, request: Mapping[str, Any]) -> Result:
        with self._lock:
            newest_first = [record.runner.cluster for record in reversed(self._records.values())]
        states = request.get("ClusterStates") or None
        after = views.unix_seconds(request.get("CreatedAfter"), default=float("-inf"))
        before = views.unix_seconds(request.get("CreatedBefore"), default=float("inf"))
        wanted = [
            cluster
            for cluster in newest_first
            if (states is None or cluster.state in states) and after <= cluster.created_at <= before
        ]
        page, marker = _page(wanted, newest_first, request.get("Marker"))
        summaries = [views.cluster_summary(cluster, f"{self._arn_prefix}{cluster.id}") for cluster in page]
        return {"Clusters": summaries, "Marker": marker}

    def _list_steps(self, request: Mapping[str, Any]) -> Result:
        record = self._record(request["ClusterId"])
        states, ids = request.get("StepStates") or None, request.get("StepIds") or None
        if ids is not None and len(ids) > MAX_STEP_IDS:
            raise validation_error(f"At most {MAX_STEP_IDS} step ids may be given; {len(ids)} were")
        newest_first = record.runner.cluster.steps[::-1]
        wanted = [
            step
            for step in newest_first
            if (states is None or step.state in states) and (ids is None or step.id in ids)
        ]
        page, marker = _page(wanted, newest_first, request.get("Marker"))
        programs = self._programs(record)
        return {"Steps": [views.step_summary(step, programs[step.id]) for step in page], "Marker": marker}

    def _describe_step(self, request: Mapping[str, Any]) -> Result:
        record = self._record(request["ClusterId"])
        step_id = request["StepId"]
        for step in record.runner.cluster.steps:
            if step.id == step_id:
                return {"Step": views.step_summary(step, self._programs(record)[step_id])}
        raise invalid_request(f"Step id '{step_id}' is not valid.")

    def _list_bootstrap_actions(self, request: Mapping[str, Any]) -> Result:
        actions = self._record(request["ClusterId"]).request.get("BootstrapActions", [])
        return {"BootstrapActions": [views.bootstrap_action(action) for action in actions]}

    def _list_instances(self, request: Mapping[str, Any]) -> Result:
        record = self._record(request["ClusterId"])
        found = views.instances(record.runner.cluster, record.request, request.get("InstanceFleetType"))
        states = request.get("InstanceStates") or None
        return {"Instances": [one for one in found if states is None or one["Status"]["State"] in states]}

    def _terminate_job_flows(self, request: Mapping[str, Any]) -> Result:
        runners = self._runners(request["JobFlowIds"])
        if any(runner.cluster.termination_protected for runner in runners):
            raise validation_error(
                "Could not shut down one or more job flows since they are termination protected."
            )
        for runner in runners:
            runner.terminate(Reason(ReasonCode.USER_REQUEST, "Terminated by user request"))
        return {}

    def _set_termination_protection(self, request: Mapping[str, Any]) -> Result:
        for runner in self._runners(request["JobFlowIds"]):
            runner.set_termination_protected(protected=request["TerminationProtected"])
        return {}

    def _add_tags(self, request: Mapping[str, Any]) -> Result:
        record = self._record(request["ResourceId"])
        with self._lock:
            record.tags.update((tag["Key"], tag.get("Value", "")) for tag in request["Tags"])
        return {}

    def _remove_tags(self, request: Mapping[str, Any]) -> Result:
        record = self._record(request["ResourceId"])
        with self._lock:
            for key in request["TagKeys"]:
                record.tags.pop(key, None)
        return {}

    def _record(self, cluster_id: str) -> ClusterRecord:
        with self._lock:
            record = self._records.get(cluster_id)
        if record is None:
            raise invalid_request(f"Cluster id '{cluster_id}' is not valid.")
        return record

    def _runners(self, cluster_ids: Sequence[str]) -> list[ClusterRunner]:
        with self._lock:
            missing = [cluster_id for cluster_id in cluster_ids if cluster_id not in self._records]
            if missing:
                raise validation_error("Specified job flow ID does not exist.")
            return [self._records[cluster_id].runner for cluster_id in cluster_ids]

    def _programs(self, record: ClusterRecord) -> dict[str, Mapping[str, Any]]:
        steps = zip(record.runner.cluster.steps, record.request.get("Steps", []), strict=True)
        return {step.id: requested["HadoopJarStep"] for step, requested in steps}


_ListedT = TypeVar("_ListedT", Cluster, Step)


def _page(
    wanted: Sequence[_ListedT], everything: Sequence[_ListedT], marker: str | None
) -> tuple[list[_ListedT], str | None]:
    """The page after ``marker`` and the marker of the next one.

    A marker is the id that ended the last page. Its place is sought among ``everything``, because it may
    no longer be among the ``wanted``: states change between two pages.
    """
    if marker is not None:
        ids = [item.id for item in everything]
        if marker not in ids:
            raise invalid_request(f"Marker '{marker}' is not valid.")
        remaining = set(ids[ids.index(marker) + 1 :])
        wanted = [item for item in wanted if item.id in remaining]
    page = list(wanted[:PAGE_SIZE])
    return page, page[-1].id if len(wanted) > PAGE_SIZE else None
