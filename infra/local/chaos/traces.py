"""What a load test left behind, as EMR, the ledger and the bucket have it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from infra.local.chaos.invariants import Cluster, Run
from infra.local.chaos.queueing import Moment
from infra.local.cloud import LocalCloud
from infra.local.emr.injected_failures import ClusterFailure, EventFailure, Failure, LaunchFailure
from lambdas.aws.ledger import ACTIVE_INDEX
from lambdas.contract.layout import REJECTIONS
from lambdas.contract.run import ON_CLUSTER, RUN_TAG, RunState, is_terminal
from lambdas.runs.setbacks import LASTING_LIMIT

_ADMISSIONS = "#admissions"
"""The ledger's item that says who holds a slot."""
_FAILURES: dict[Failure, str] = {
    LaunchFailure.THROTTLED: "launch throttled",
    LaunchFailure.THROTTLED_BUT_CREATED: "launch throttled, cluster made all the same",
    LaunchFailure.ANSWER_LOST: "cluster made, answer lost",
    LaunchFailure.CALLER_KILLED_BEFORE: "Lambda killed between claim and launch",
    LaunchFailure.CALLER_KILLED_AFTER: "Lambda killed between launch and record",
    ClusterFailure.SLOW_START: "slow start of a cluster",
    ClusterFailure.SPOT_TIMEOUT: "Spot time-out",
    ClusterFailure.BOOTSTRAP_FAILURE: "bootstrap failure",
    ClusterFailure.STEP_FAILURE: "step failure",
    ClusterFailure.HUNG_STEP: "step hung beyond max_runtime_minutes",
    EventFailure.LOST: "state event lost",
    EventFailure.DUPLICATED: "state event duplicated",
}


def runs(cloud: LocalCloud) -> Iterator[Run]:
    """Every run in the ledger."""
    for values in _items(cloud):
        if "history" in values:
            changes = [(RunState(change["state"]), float(change["at"])) for change in values["history"]]
            launched = (at for state, at in changes if state is RunState.LAUNCHED)
            yield Run(
                values["run_id"],
                tuple(state for state, _ in changes),
                int(values["attempt"]),
                values["closed"],
                next(launched, changes[-1][1]) - float(values["accepted_at"]),
                tuple(at for _, at in changes),
                untold=bool(values.get("untold")),
                not_told=values["closed"] and "setback" in values,
            )


def left_by_older(cloud: LocalCloud) -> dict[str, RunState]:
    """The states of the runs that have not ended, and whose records carry no version: the release before
    versions changed them last."""
    found = {
        values["run_id"]: RunState(values["state"])
        for values in _items(cloud)
        if "history" in values and "version" not in values
    }
    return {run_id: state for run_id, state in found.items() if not is_terminal(state)}


@dataclass(frozen=True)
class Unclosed:
    """A run whose place is not free yet, in its state ``since`` then (Unix seconds). ``cluster_id``: of one
    that has a cluster which nobody is stopping."""

    run_id: str
    cluster_id: str | None
    state: RunState
    since: float


def unclosed(cloud: LocalCloud) -> Iterator[Unclosed]:
    """The runs that wait, are under way, or are being closed."""
    for values in _items(cloud):
        if "history" in values and not values["closed"]:
            state, since = RunState(values["state"]), float(values["history"][-1]["at"])
            goes_on = state in ON_CLUSTER and "stopping" not in values
            yield Unclosed(values["run_id"], values["cluster_id"] if goes_on else None, state, since)


def reasons(cloud: LocalCloud, prefix: str) -> Counter[str]:
    """How many runs whose ids begin so ended for which reason."""
    return Counter(
        values["reason"]
        for values in _items(cloud)
        if values["run_id"].startswith(prefix) and "reason" in values
    )


def is_cancelled(cloud: LocalCloud, run_id: str) -> bool:
    """Whether the run has ended so, or will when its cluster has stopped."""
    record = next(values for values in _items(cloud) if values["run_id"] == run_id)
    return RunState.CANCELLED in (record["state"], record.get("stopping"))


def set_version(cloud: LocalCloud, run_id: str, version: int) -> None:
    """Let the run's record be of that version, as if another release had written it."""
    cloud.client("dynamodb").update_item(
        TableName=cloud.outputs["ledger_table"],
        Key={"run_id": {"S": run_id}},
        UpdateExpression="SET version = :version",
        ConditionExpression="attribute_exists(run_id)",
        ExpressionAttributeValues={":version": {"N": str(version)}},
    )


def slots(cloud: LocalCloud) -> tuple[str, ...]:
    """The runs that hold a place among the clusters."""
    return tuple(
        run_id for values in _items(cloud) if values["run_id"] == _ADMISSIONS for run_id in values["slots"]
    )


def moment(cloud: LocalCloud) -> Moment:
    """What the ledger says now of those who wait, and of what they wait for."""
    read, dynamodb = TypeDeserializer().deserialize, cloud.client("dynamodb")
    table, at = cloud.outputs["ledger_table"], time.time()
    queue = dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName=ACTIVE_INDEX,
        KeyConditionExpression="active = :queued",
        ExpressionAttributeValues={":queued": {"S": RunState.QUEUED}},
    )
    key = {"run_id": {"S": _ADMISSIONS}}
    shared = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {})
    setbacks = {
        item["run_id"]["S"]: read(item["setback"])
        for page in queue
        for item in page["Items"]
        if "setback" in item
    }
    return Moment(
        at,
        slots=frozenset(shared.get("slots", {}).get("M", {})),
        committed_eur=float(shared.get("committed_eur", {}).get("N", 0)),
        left_alone=frozenset(
            run_id
            for run_id, setback in setbacks.items()
            if setback["not_before"] > at or setback["count"] >= LASTING_LIMIT
        ),
    )


def clusters(cloud: LocalCloud) -> Iterator[Cluster]:
    """Every cluster that EMR had, as it was and not as our ledger has it."""
    emr = cloud.client("emr")
    for lifetime in cloud.recorder.lifetimes:
        cluster = lifetime.cluster
        tags = emr.describe_cluster(ClusterId=cluster.id)["Cluster"]["Tags"]
        identity = next((tag["Value"] for tag in tags if tag["Key"] == RUN_TAG), "")
        billed_seconds = (cluster.ended_at or time.time()) - cluster.created_at
        yield Cluster(cluster.name, identity, lifetime.began_at, lifetime.ended_at, billed_seconds)


def rejections(cloud: LocalCloud) -> set[str]:
    """The keys of the rejection files."""
    listed = cloud.client("s3").get_paginator("list_objects_v2")
    pages = listed.paginate(Bucket=cloud.bucket, Prefix=REJECTIONS)
    return {entry["Key"] for page in pages for entry in page.get("Contents", ())}


def failures(cloud: LocalCloud) -> dict[str, int]:
    """How often each failure on EMR's side took effect."""
    befell = cloud.recorder.failures
    return {text: befell[failure] for failure, text in _FAILURES.items()}


def _items(cloud: LocalCloud) -> Iterator[dict[str, Any]]:
    read = TypeDeserializer().deserialize
    scan = cloud.client("dynamodb").get_paginator("scan")
    for page in scan.paginate(TableName=cloud.outputs["ledger_table"]):
        for item in page["Items"]:
            yield {name: read(value) for name, value in item.items()}
