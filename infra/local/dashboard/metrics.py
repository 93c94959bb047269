"""What CloudWatch measures by itself on AWS, and MiniStack does not."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from infra.local.cloud import LocalCloud
from lambdas.contract.metrics import NAMESPACE, RUNS

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient

LOGGED_TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.2
Datum = tuple[str, dict[str, Any]]
"""A namespace, and an entry of ``MetricData`` in PutMetricData."""
_REPORT = re.compile(r"REPORT RequestId: \S+\s+Duration: ([\d.]+) ms")
DATA_A_REQUEST = 1000
"""Source: API reference of PutMetricData."""


def collect(cloud: LocalCloud, runs: int) -> None:
    """Record everything that the Lambdas have logged, and the failure queue's length now.

    Waits a little for the ends of ``runs`` to be logged: a run's status says of its end a moment earlier.
    To be called once in the life of a cloud: a second call would count everything twice.
    """
    functions, logs = cloud.client("lambda"), cloud.client("logs")
    cloudwatch = cloud.client("cloudwatch")
    deadline = time.monotonic() + LOGGED_TIMEOUT_SECONDS
    while _ends(logged := [*_logged(functions, logs)]) < runs and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    by_namespace: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for namespace, datum in (*logged, _waiting(cloud)):
        by_namespace[namespace].append(datum)
    for namespace, data in by_namespace.items():
        for begin in range(0, len(data), DATA_A_REQUEST):
            batch = data[begin : begin + DATA_A_REQUEST]
            cloudwatch.put_metric_data(Namespace=namespace, MetricData=batch)


def embedded(text: str) -> Iterator[Datum]:
    """Namespace and datum of each value in a log line, which has none unless it is of CloudWatch's EMF.

    Source: "Specification: Embedded metric format", Amazon CloudWatch User Guide.
    """
    if not text.startswith("{"):
        return
    try:
        line = json.loads(text)
    except ValueError:
        return
    about = line.get("_aws", {})
    for directive in about.get("CloudWatchMetrics", ()):
        for names in directive["Dimensions"]:
            dimensions = [{"Name": name, "Value": line[name]} for name in names]
            for metric in directive["Metrics"]:
                values = line[metric["Name"]]
                yield (
                    directive["Namespace"],
                    {
                        "MetricName": metric["Name"],
                        "Dimensions": dimensions,
                        "Timestamp": about["Timestamp"] / 1000,
                        "Unit": metric["Unit"],
                        "Values": values if isinstance(values, list) else [values],
                    },
                )


def duration(text: str, function: str, timestamp: float) -> Iterator[Datum]:
    """How long an invocation took, if the line reports it: MiniStack measures direct invocations only."""
    if report := _REPORT.match(text):
        yield (
            "AWS/Lambda",
            {
                "MetricName": "Duration",
                "Dimensions": [{"Name": "FunctionName", "Value": function}],
                "Timestamp": timestamp,
                "Unit": "Milliseconds",
                "Value": float(report[1]),
            },
        )


def _ends(logged: Iterable[Datum]) -> int:
    return sum((namespace, datum["MetricName"]) == (NAMESPACE, RUNS.name) for namespace, datum in logged)


def _logged(functions: LambdaClient, logs: CloudWatchLogsClient) -> Iterator[Datum]:
    listed = functions.get_paginator("list_functions").paginate()
    for function in (function for page in listed for function in page["Functions"]):
        name, group = function["FunctionName"], function["LoggingConfig"]["LogGroup"]
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        for event in (event for page in pages for event in page["events"]):
            yield from embedded(event["message"])
            yield from duration(event["message"], name, event["timestamp"] / 1000)


def _waiting(cloud: LocalCloud) -> Datum:
    url = cloud.outputs["failure_queue"]
    answer = cloud.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return (
        "AWS/SQS",
        {
            "MetricName": "ApproximateNumberOfMessagesVisible",
            "Dimensions": [{"Name": "QueueName", "Value": url.rsplit("/", 1)[1]}],
            "Unit": "Count",
            "Value": float(answer["Attributes"]["ApproximateNumberOfMessages"]),
        },
    )
