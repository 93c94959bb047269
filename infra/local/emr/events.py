"""State events as EMR sends them to EventBridge, delivered to the Lambda targets of matching rules.

Shapes and messages: "Monitoring Amazon EMR events with CloudWatch" in the Amazon EMR Management
Guide. The local EventBridge refuses ``source: aws.emr`` from outside, as AWS does, so targets are
looked up and invoked from here.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.local.emr.injected_failures import EventFailure
from infra.local.emr.lifecycle import Cluster, ClusterState, Fleet, ReasonCode, Step, StepState

logger = logging.getLogger(__name__)

_RULES_SECONDS = 0.5
"""How long rules and targets are taken for unchanged: many events come together."""

_CLUSTER_MESSAGES = {
    ClusterState.STARTING: "Amazon EMR cluster {it} was requested at {at} and is being created.",
    ClusterState.RUNNING: "Amazon EMR cluster {it} began running steps at {at}.",
    ClusterState.WAITING: "Amazon EMR cluster {it} finished running all pending steps at {at}.",
    ClusterState.TERMINATED: "Amazon EMR Cluster {it} has terminated at {at} with a reason of {reason}.",
    ClusterState.TERMINATED_WITH_ERRORS: (
        "Amazon EMR Cluster {it} has terminated with errors at {at} with a reason of {reason}."
    ),
}
_STEP_MESSAGES = {
    StepState.PENDING: (
        "INFO",
        "Step {it} was added to Amazon EMR cluster {cluster} at {at} and is pending execution.",
    ),
    StepState.RUNNING: ("INFO", "Step {it} in Amazon EMR cluster {cluster} started running at {at}."),
    StepState.COMPLETED: ("INFO", "Step {it} in Amazon EMR cluster {cluster} completed execution at {at}."),
    StepState.FAILED: ("ERROR", "Step {it} in Amazon EMR cluster {cluster} failed at {at}."),
    StepState.CANCELLED: (
        "WARN",
        "Cancellation request has succeeded for cluster step {it} in Amazon EMR cluster {cluster} at {at}.",
    ),
}


@dataclass(frozen=True)
class StateEvent:
    """An event without its envelope."""

    detail_type: str
    time: float
    detail: dict[str, str]


def state_events(before: Cluster | None, after: Cluster, now: float) -> Iterator[StateEvent]:
    """What EMR tells of the way from ``before`` (None: it did not exist) to ``after``; steps first.

    EMR has no events for BOOTSTRAPPING, TERMINATING and INTERRUPTED; when a cluster leaves STARTING, its
    fleets tell whether they got their machines.
    """
    if before is None:
        yield from _cluster_event(after, now)
    elif before.state is ClusterState.STARTING and before.state is not after.state:
        yield from _fleet_events(after, now)
    known = {step.id: step.state for step in before.steps} if before else {}
    for step in after.steps:
        if known.get(step.id) is not step.state:
            yield from _step_event(after, step, now)
    if before is not None and before.state is not after.state:
        yield from _cluster_event(after, now)


def _cluster_event(cluster: Cluster, now: float) -> Iterator[StateEvent]:
    if cluster.state not in _CLUSTER_MESSAGES:
        return
    code = cluster.reason.code if cluster.reason else ""
    reason = {"code": code, "message": cluster.reason.message} if cluster.reason else {"code": ""}
    with_errors = cluster.state is ClusterState.TERMINATED_WITH_ERRORS
    yield StateEvent(
        "EMR Cluster State Change",
        now,
        {
            "severity": "CRITICAL" if with_errors else "INFO",
            "stateChangeReason": json.dumps(reason),
            "name": cluster.name,
            "clusterId": cluster.id,
            "state": cluster.state,
            "message": _CLUSTER_MESSAGES[cluster.state].format(
                it=f"{cluster.id} ({cluster.name})", at=_minute(now), reason=code
            ),
        },
    )


def _fleet_events(cluster: Cluster, now: float) -> Iterator[StateEvent]:
    if cluster.state is ClusterState.BOOTSTRAPPING:
        yield from (_provisioned_event(cluster, fleet, now) for fleet in cluster.fleets)
    elif cluster.reason and cluster.reason.code is ReasonCode.INSTANCE_FLEET_TIMEOUT:
        yield from (_capacity_event(cluster, fleet, now) for fleet in cluster.fleets)


def _provisioned_event(cluster: Cluster, fleet: Fleet, now: float) -> StateEvent:
    minutes = int((now - cluster.created_at) / 60)
    capacity = f"On-Demand capacity of {fleet.on_demand} and Spot capacity of {fleet.spot}"
    return StateEvent(
        "EMR Instance Fleet State Change",
        now,
        {
            "severity": "INFO",
            "state": "WAITING",
            "clusterId": cluster.id,
            "instanceFleetId": fleet.id,
            "instanceFleetType": fleet.type,
            "targetOnDemandCapacity": str(fleet.on_demand),
            "provisionedOnDemandCapacity": str(fleet.on_demand),
            "targetSpotCapacity": str(fleet.spot),
            "provisionedSpotCapacity": str(fleet.spot),
            "message": f"Provisioning for instance fleet {fleet.id} in Amazon EMR cluster {cluster.id} "
            f"({cluster.name}) is complete. Provisioning started at {_minute(cluster.created_at)} and took "
            f"{minutes} minutes. The instance fleet now has {capacity}.",
        },
    )


def _capacity_event(cluster: Cluster, fleet: Fleet, now: float) -> StateEvent:
    return StateEvent(
        "EMR Instance Fleet Provisioning",
        now,
        {
            "severity": "WARN",
            "state": "PROVISIONING",
            "eventCode": "EC2 provisioning - Insufficient Instance Capacity",
            "clusterId": cluster.id,
            "instanceFleetId": fleet.id,
            "instanceFleetType": fleet.type,
            "message": f"We are not able to create your Amazon EMR cluster {cluster.id} ({cluster.name}) for "
            f"instance fleet {fleet.id}: Amazon EC2 has insufficient Spot and On-Demand capacity.",
        },
    )


def _step_event(cluster: Cluster, step: Step, now: float) -> Iterator[StateEvent]:
    if step.state not in _STEP_MESSAGES:
        return
    severity, message = _STEP_MESSAGES[step.state]
    yield StateEvent(
        "EMR Step Status Change",
        now,
        {
            "severity": severity,
            "actionOnFailure": step.action_on_failure,
            "stepId": step.id,
            "name": step.name,
            "clusterId": cluster.id,
            "state": step.state,
            "message": message.format(
                it=f"{step.id} ({step.name})", cluster=f"{cluster.id} ({cluster.name})", at=_minute(now)
            ),
        },
    )


def _minute(now: float) -> str:
    return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC"


class EventDelivery:
    """Delivers events one after another on its own thread, so that no cluster waits for a target.

    ``client`` makes a boto3 client of the service it is given. ``next_failure`` is asked once an event;
    ``befell`` is told of the failures that took effect.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        *,
        account: str,
        region: str,
        next_failure: Callable[[], EventFailure | None],
        befell: Callable[[EventFailure], None],
    ) -> None:
        self._events = client("events")
        self._lambda = client("lambda")
        self._account = account
        self._region = region
        self._next_failure = next_failure
        self._befell = befell
        self._known_rules: list[tuple[str, list[str]]] = []
        self._rules_until = 0.0
        self._queue: queue.SimpleQueue[StateEvent | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._deliver_all, name="emr-events", daemon=True)
        self._thread.start()

    def send(self, event: StateEvent) -> None:
        """Hand over an event; returns at once."""
        self._queue.put(event)

    def stop(self, timeout_seconds: float) -> None:
        """Deliver what was handed over before, then end."""
        self._queue.put(None)
        self._thread.join(timeout_seconds)

    def _deliver_all(self) -> None:
        while (event := self._queue.get()) is not None:
            if (failure := self._next_failure()) is not None:
                self._befell(failure)
            copies = {EventFailure.LOST: 0, EventFailure.DUPLICATED: 2, None: 1}[failure]
            for _ in range(copies):
                try:
                    self._deliver(event)
                except Exception:
                    # Best effort, as EMR's: whoever needs the news must not depend on this alone.
                    logger.exception("an event of cluster %s was not delivered", event.detail["clusterId"])

    def _deliver(self, event: StateEvent) -> None:
        envelope = json.dumps(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": event.detail_type,
                "source": "aws.emr",
                "account": self._account,
                "time": f"{datetime.fromtimestamp(event.time, UTC):%Y-%m-%dT%H:%M:%SZ}",
                "region": self._region,
                "resources": [],
                "detail": event.detail,
            }
        )
        for pattern, functions in self._rules():
            if self._events.test_event_pattern(EventPattern=pattern, Event=envelope)["Result"]:
                for function in functions:
                    self._lambda.invoke(FunctionName=function, InvocationType="Event", Payload=envelope)

    def _rules(self) -> list[tuple[str, list[str]]]:
        """The pattern and the Lambda targets of each rule, as they were a moment ago."""
        if time.monotonic() > self._rules_until:
            self._known_rules = [
                (rule["EventPattern"], self._functions(rule["Name"]))
                for rule in self._events.get_paginator("list_rules").paginate().search("Rules[]")
                if rule["State"] == "ENABLED" and "EventPattern" in rule
            ]
            self._rules_until = time.monotonic() + _RULES_SECONDS
        return self._known_rules

    def _functions(self, rule: str) -> list[str]:
        targets = self._events.list_targets_by_rule(Rule=rule)["Targets"]
        return [target["Arn"] for target in targets if ":lambda:" in target["Arn"]]
