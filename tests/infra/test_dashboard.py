"""The dashboard is one that CloudWatch accepts, and shows what the code really emits."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from infra.components.dashboard import COLUMNS, Watched, body
from lambdas.contract.metrics import METRICS, NAMESPACE
from lambdas.contract.run import TRANSITIONS, FailureKind
from lambdas.launcher.accept import TOLD_AS
from lambdas.runs.dispatch import Outcome
from tests.infra.conftest import RecordingProvider

OF_AWS = {
    "AWS/SQS": ({"QueueName"}, {"ApproximateNumberOfMessagesVisible"}),
    "AWS/Lambda": (
        {"FunctionName"},
        {"Errors", "Throttles", "Duration", "AsyncEventsDropped", "AsyncEventAge"},
    ),
    "AWS/ElasticMapReduce": (
        {"JobFlowId"},
        {"YARNMemoryAvailablePercentage", "ContainerPending", "MRActiveNodes"},
    ),
}
"""Sources: "Available CloudWatch metrics for Amazon SQS"; "Types of metrics for Lambda functions";
"Metrics reported by Amazon EMR in CloudWatch"."""
PROPERTIES = {
    "alarm": {"title", "alarms"},
    "metric": {"title", "view", "stacked", "stat", "period", "yAxis", "metrics", "region"},
}
"""Those that are used, all of which the structure knows."""
SEARCH = re.compile(r"(?:SUM\()?SEARCH\('\{([\w/]+),([\w,]+)\} ((?:\w+=\"[\w-]+\" ?)+)', '(\w+)'\)\)?")


@pytest.fixture(scope="module")
def dashboard(declared: RecordingProvider) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(declared.one("Dashboard")["dashboardBody"])
    return parsed


def metric_rows(dashboard: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    return [
        (widget["properties"]["title"], row)
        for widget in dashboard["widgets"]
        for row in widget["properties"].get("metrics", ())
    ]


def shown(row: list[Any]) -> tuple[str, str, dict[str, str], set[str]]:
    """Namespace, metric, dimensions with their values, and the names of all dimensions."""
    if isinstance(row[0], dict):
        match = SEARCH.fullmatch(row[0]["expression"])
        assert match, row
        namespace, names, terms, _ = match.groups()
        where = dict(re.findall(r'(\w+)="([\w-]+)"', terms))
        return namespace, where.pop("MetricName"), where, set(names.split(","))
    namespace, metric, *dimensions, drawn = row
    assert isinstance(drawn, dict)
    named = dict(zip(dimensions[::2], dimensions[1::2], strict=True))
    return namespace, metric, named, set(named)


def test_every_widget_lies_on_the_grid_and_none_on_another(dashboard: dict[str, Any]) -> None:
    for widget in dashboard["widgets"]:
        assert widget["x"] >= 0
        assert 1 <= widget["width"] <= COLUMNS - widget["x"]
        assert 1 <= widget["height"] <= 1000
    for one, other in itertools.combinations(dashboard["widgets"], 2):
        beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
        above = one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
        assert beside or above


def test_every_widget_has_a_type_and_properties_that_cloudwatch_knows(dashboard: dict[str, Any]) -> None:
    assert set(dashboard) <= {"start", "end", "periodOverride", "widgets"}
    assert re.fullmatch(r"-PT\d+H", dashboard["start"])
    for widget in dashboard["widgets"]:
        assert set(widget) == {"type", "x", "y", "width", "height", "properties"}
        properties = widget["properties"]
        assert set(properties) <= PROPERTIES[widget["type"]]
        if widget["type"] == "metric":
            assert properties["view"] in {"timeSeries", "singleValue"}
            assert properties["period"] % 60 == 0
            assert set(properties.get("yAxis", {})) <= {"left", "right"}
            assert 1 <= len(properties["metrics"]) <= 100
    assert len(json.dumps(dashboard)) < 100_000


def test_every_graph_names_its_unit_and_every_series_its_label(dashboard: dict[str, Any]) -> None:
    for widget in dashboard["widgets"]:
        properties = widget["properties"]
        rows = properties.get("metrics", ())
        assert all(row[-1]["label"] for row in rows)
        on_right = any(row[-1].get("yAxis") == "right" for row in rows)
        if properties.get("view") == "timeSeries":
            assert set(properties["yAxis"]) == ({"left", "right"} if on_right else {"left"})
            assert all(axis["label"] for axis in properties["yAxis"].values())
        for row in rows:
            assert set(row[-1]) <= {"expression", "label", "color", "yAxis", "stat"}
            assert re.fullmatch(r"#[0-9a-f]{6}", row[-1].get("color", "#000000"))


def test_titles_are_told_apart(dashboard: dict[str, Any]) -> None:
    titles = [widget["properties"]["title"] for widget in dashboard["widgets"]]
    assert len(set(titles)) == len(titles)


def test_what_is_shown_is_emitted_by_us_or_by_aws_under_these_dimensions(dashboard: dict[str, Any]) -> None:
    ours = {metric.name: set(metric.schema) for metric in METRICS}
    for title, row in metric_rows(dashboard):
        namespace, metric, where, names = shown(row)
        assert where.keys() <= names, title
        if namespace == NAMESPACE:
            assert names == ours[metric], title
        else:
            dimensions, known = OF_AWS[namespace]
            assert names == dimensions, title
            assert metric in known, title


def test_every_metric_of_ours_is_shown_or_watched_by_an_alarm(
    dashboard: dict[str, Any], declared: RecordingProvider
) -> None:
    seen = {shown(row)[1] for _, row in metric_rows(dashboard)}
    watched = {alarm["metricName"] for alarm in declared.all_of("MetricAlarm")}
    assert {metric.name for metric in METRICS} <= seen | watched


@pytest.mark.parametrize(
    ("metric", "dimension", "values"),
    [
        ("Runs", "state", [state for state, following in TRANSITIONS.items() if not following]),
        ("Failures", "kind", list(FailureKind)),
        ("Uploads", "outcome", [outcome for outcome in Outcome if outcome not in TOLD_AS]),
    ],
)
def test_no_state_kind_or_outcome_is_left_out(
    dashboard: dict[str, Any], metric: str, dimension: str, values: list[str]
) -> None:
    rows = [shown(row) for _, row in metric_rows(dashboard)]
    assert {where[dimension] for _, name, where, _ in rows if name == metric} == set(values)


def test_the_dashboard_looks_at_the_stacks_own_region_queue_functions_and_alarms() -> None:
    watched = Watched("fruits-eu", "eu-west-3", "the-queue", {"launcher": "the-launcher"}, ["arn:the-alarm"])
    dashboard = body(watched)
    regions = {widget["properties"].get("region") for widget in dashboard["widgets"]}
    assert regions == {None, "eu-west-3"}
    (alarms,) = [widget for widget in dashboard["widgets"] if widget["type"] == "alarm"]
    assert alarms["properties"]["alarms"] == ["arn:the-alarm"]
    single = [row for _, row in metric_rows(dashboard) if len(row) > 1]
    assert {dimension for row in single for dimension in shown(row)[2].items()} == {
        ("QueueName", "the-queue"),
        ("FunctionName", "the-launcher"),
        ("stack", "fruits-eu"),
        ("service", "reconciler"),
    }


def test_every_alarm_of_the_stack_is_on_the_dashboard(
    dashboard: dict[str, Any], declared: RecordingProvider
) -> None:
    (alarms,) = [widget for widget in dashboard["widgets"] if widget["type"] == "alarm"]
    assert len(alarms["properties"]["alarms"]) == len(declared.all_of("MetricAlarm"))
