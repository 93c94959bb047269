"""The stack's CloudWatch dashboard: what runs, how fast, at what cost, and whether anything is wrong.

Metrics of runs and clusters are looked up by SEARCH: which datasets and clusters there will be is not known
when the stack is deployed. The form: CloudWatch API reference, "Dashboard Body Structure and Syntax".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.naming import Naming
from lambdas.contract import metrics
from lambdas.contract.metrics import NAMESPACE, STACK, Metric, Service
from lambdas.contract.report import PHASES, QuarantineReason
from lambdas.contract.run import FailureKind

COLUMNS = 24
HEIGHT = 6
PERIOD_SECONDS = 300
GREEN, RED, GREY, BLUE, ORANGE = "#2a9d5c", "#d1383d", "#8a8f98", "#3b76d6", "#e08a1e"
EACH_RUN = "${PROP('Dim.dataset')} ${PROP('Dim.engine')}"
"""The label of each series that a search over runs finds."""
EACH_CLUSTER = "${PROP('Dim.JobFlowId')}"

Widget = dict[str, Any]
Row = list[Any]
"""One entry of a widget's ``metrics``: a metric or an expression, and how it is drawn."""


@dataclass(frozen=True)
class Watched:
    """What is shown. ``stack``: its prefix; ``functions``: names by short ones; ``alarms``: ARNs."""

    stack: str
    region: str
    queue: str
    functions: Mapping[str, str]
    alarms: Sequence[str]


def body(watched: Watched) -> dict[str, Any]:
    """The whole dashboard: the last 24 hours, three widgets abreast."""
    rows = [
        [_alarms(watched)],
        [_now(watched)],
        _runs(watched),
        _waiting(watched),
        _images(watched),
        _work(watched),
        _functions(watched),
        _clusters(),
    ]
    return {"start": "-PT24H", "widgets": list(_placed(rows, watched.region))}


def _placed(rows: Sequence[Sequence[Widget]], region: str) -> Iterator[Widget]:
    y = 0
    for row in rows:
        width = COLUMNS // len(row)
        for column, widget in enumerate(row):
            place = {"x": column * width, "y": y, "width": width}
            regional = {"region": region} if widget["type"] == "metric" else {}
            yield {**place, **widget, "properties": {**widget["properties"], **regional}}
        y += max(widget["height"] for widget in row)


def _alarms(watched: Watched) -> Widget:
    properties = {"title": "Alarms", "alarms": list(watched.alarms)}
    return {"type": "alarm", "height": 4, "properties": properties}


def _now(watched: Watched) -> Widget:
    properties = {
        "title": "Now",
        "view": "singleValue",
        "stat": "Maximum",
        "period": PERIOD_SECONDS,
        "metrics": [
            _of_stack(watched, metrics.LAUNCHING_PAUSED, "launching paused (1: yes)"),
            _of_stack(watched, metrics.QUEUED_RUNS, "queued runs"),
            _of_stack(watched, metrics.RUNNING_RUNS, "running runs"),
            _of_stack(watched, metrics.OLDEST_RUN_SECONDS, "age of the oldest run (seconds)"),
            _failed_events(watched),
            _of_stack(watched, metrics.SKIPPED_RUNS, "skipped runs"),
            _of_stack(watched, metrics.ORPHAN_CLUSTERS, "orphan clusters"),
            _of_stack(watched, metrics.OVERDUE_CLUSTERS, "overdue clusters"),
        ],
    }
    return {"type": "metric", "height": 4, "properties": properties}


def _graph(
    title: str, unit: str, rows: list[Row], *, stat: str = "Sum", right: str = "", stacked: bool = False
) -> Widget:
    """A graph over time. ``unit`` labels the left axis, ``right`` the other one if a row is drawn on it."""
    axes = {"left": _axis(unit)} | ({"right": _axis(right)} if right else {})
    properties = {
        "title": title,
        "view": "timeSeries",
        "stacked": stacked,
        "stat": stat,
        "period": PERIOD_SECONDS,
        "yAxis": axes,
        "metrics": rows,
    }
    return {"type": "metric", "height": HEIGHT, "properties": properties}


def _axis(label: str) -> dict[str, Any]:
    return {"label": label, "min": 0, "showUnits": False}


def _runs(watched: Watched) -> list[Widget]:
    states = {"COMPLETED": GREEN, "FAILED": RED, "CANCELLED": GREY}
    ended = [
        _total(watched, metrics.RUNS, state, color=color, state=state) for state, color in states.items()
    ]
    failed = [_total(watched, metrics.FAILURES, kind, kind=kind) for kind in FailureKind]
    outcomes = ("launched", "queued", "rejected", "duplicate", "refused", "cancelled", "ignored", "deleted")
    uploads = [_total(watched, metrics.UPLOADS, outcome, outcome=outcome) for outcome in outcomes]
    return [
        _graph("Runs that ended, by state", "runs", ended, stacked=True),
        _graph("Failures, by whose move it is", "runs", failed, stacked=True),
        _graph("Uploaded manifests, by outcome", "manifests", uploads, stacked=True),
    ]


def _waiting(watched: Watched) -> list[Widget]:
    queue = [
        _of_stack(watched, metrics.QUEUED_RUNS, "queued", color=ORANGE),
        _of_stack(watched, metrics.RUNNING_RUNS, "running", color=GREEN),
        _of_stack(watched, metrics.OLDEST_RUN_SECONDS, "age of the oldest", color=GREY, yAxis="right"),
    ]
    return [
        _graph("Queue", "runs", queue, stat="Maximum", right="seconds"),
        _graph(
            "Time to cluster", "seconds", [_each(watched, metrics.TIME_TO_CLUSTER, "Average")], stat="Average"
        ),
        _graph("Failed events that wait", "events", [_failed_events(watched, color=RED)], stat="Maximum"),
    ]


def _images(watched: Watched) -> list[Widget]:
    reasons = [
        _total(watched, metrics.IMAGES_QUARANTINED, reason, reason=reason) for reason in QuarantineReason
    ]
    speed = _each(watched, metrics.IMAGES_PER_SECOND, "Average")
    return [
        _graph("Speed of featurizing", "images/s", [speed], stat="Average"),
        _graph(
            "Images featurized", "images", [_each(watched, metrics.IMAGES_FEATURIZED, "Sum")], stacked=True
        ),
        _graph("Images in quarantine, by reason", "images", reasons, stacked=True),
    ]


def _work(watched: Watched) -> list[Widget]:
    times = [_total(watched, metrics.PHASE_SECONDS, phase, phase=phase) for phase in PHASES]
    costs = [
        _total(watched, metrics.ESTIMATED_EUR, "estimated before the launch", color=GREY),
        _total(watched, metrics.ACTUAL_EUR, "used, by list prices", color=BLUE),
    ]
    return [
        _graph("Where the time goes (busy time of all threads)", "seconds", times, stacked=True),
        _graph("Reads tried again", "reads", [_each(watched, metrics.STORE_RETRIES, "Sum")], stacked=True),
        _graph("Cost of ended runs: estimate and actual", "EUR", costs),
    ]


def _functions(watched: Watched) -> list[Widget]:
    def of_each(metric: str, what: str = "", **drawn: str) -> list[Row]:
        return [
            ["AWS/Lambda", metric, "FunctionName", name, {"label": f"{short} {what}".strip(), **drawn}]
            for short, name in watched.functions.items()
        ]

    trouble = [*of_each("Errors", "errors"), *of_each("Throttles", "throttles")]
    events = [
        *of_each("AsyncEventsDropped", "dropped"),
        *of_each("AsyncEventAge", "event age", stat="Maximum", yAxis="right"),
    ]
    return [
        _graph("Lambda: errors and throttles", "invocations", trouble),
        _graph("Lambda: duration", "milliseconds", of_each("Duration"), stat="Maximum"),
        _graph("Lambda: events", "events lost", events, right="milliseconds of waiting"),
    ]


def _clusters() -> list[Widget]:
    """EMR's own, of every cluster in the account: they have no dimension but the cluster's id."""

    def of_each(metric: str) -> list[Row]:
        return [[_search("AWS/ElasticMapReduce", ("JobFlowId",), metric, "Average", EACH_CLUSTER)]]

    return [
        _graph(
            "EMR (whole account): memory available",
            "%",
            of_each("YARNMemoryAvailablePercentage"),
            stat="Average",
        ),
        _graph(
            "EMR (whole account): work without a place",
            "containers",
            of_each("ContainerPending"),
            stat="Average",
        ),
        _graph("EMR (whole account): nodes at work", "nodes", of_each("MRActiveNodes"), stat="Average"),
    ]


def _of_stack(watched: Watched, metric: Metric, label: str, **drawn: str) -> Row:
    dimensions = (STACK, watched.stack, "service", Service.RECONCILER.value)
    return [NAMESPACE, metric.name, *dimensions, {"label": label, **drawn}]


def _failed_events(watched: Watched, **drawn: str) -> Row:
    name = "ApproximateNumberOfMessagesVisible"
    return ["AWS/SQS", name, "QueueName", watched.queue, {"label": "failed events", **drawn}]


def _each(watched: Watched, metric: Metric, stat: str) -> Row:
    """A series for each dataset and engine."""
    return [_search(NAMESPACE, metric.schema, metric.name, stat, EACH_RUN, **{STACK: watched.stack})]


def _total(watched: Watched, metric: Metric, label: str, color: str = "", **where: str) -> Row:
    """One series, over all datasets and engines."""
    where[STACK] = watched.stack
    search = _search(NAMESPACE, metric.schema, metric.name, "Sum", label, **where)
    drawn = {"color": color} if color else {}
    return [{**search, "expression": f"SUM({search['expression']})", **drawn}]


def _search(
    namespace: str, dimensions: Sequence[str], metric: str, stat: str, label: str, **where: str
) -> dict[str, str]:
    schema = ",".join((namespace, *dimensions))
    terms = " ".join(f'{name}="{value}"' for name, value in {"MetricName": metric, **where}.items())
    return {"expression": f"SEARCH('{{{schema}}} {terms}', '{stat}')", "label": label}


@dataclass(frozen=True)
class DashboardArgs:
    """``functions`` by short names."""

    queue: aws.sqs.Queue
    functions: Mapping[str, aws.lambda_.Function]
    alarms: Sequence[aws.cloudwatch.MetricAlarm]


class Dashboard(pulumi.ComponentResource):
    """One dashboard, named like the stack."""

    def __init__(
        self, naming: Naming, args: DashboardArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("fruits:infra:Dashboard", f"{naming.prefix}-dashboard", None, opts)
        watched = pulumi.Output.all(
            queue=args.queue.name,
            functions={short_name: function.name for short_name, function in args.functions.items()},
            alarms=[alarm.arn for alarm in args.alarms],
        ).apply(lambda known: Watched(naming.prefix, naming.region, **known))
        self.dashboard = aws.cloudwatch.Dashboard(
            naming.prefix,
            dashboard_name=naming.prefix,
            dashboard_body=watched.apply(lambda known: json.dumps(body(known))),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"dashboard": self.dashboard.dashboard_name})
