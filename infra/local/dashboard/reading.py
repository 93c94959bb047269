"""Looks up in CloudWatch what the widgets of a dashboard show.

MiniStack answers GetMetricData for single metrics. The two expressions that the dashboard uses, SEARCH(...)
and SUM(SEARCH(...)), are worked out here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infra.local.dashboard.panels import AlarmStates, Graph, Numbers, Panel, Placed, Series, Window

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

QUERIES_A_REQUEST = 500
"""Source: API reference of GetMetricData."""
_SEARCH = re.compile(r"(?P<sum>SUM\()?SEARCH\('\{(?P<schema>[^}]+)\} (?P<terms>.*)', '(?P<stat>\w+)'\)\)?")
_TERM = re.compile(r'(\w+)="([^"]+)"')
_PROPERTY = re.compile(r"\$\{PROP\('Dim\.(\w+)'\)\}")


class UnknownExpressionError(ValueError):
    """The dashboard uses an expression that nothing here works out."""

    def __init__(self, expression: str) -> None:
        super().__init__(
            f"{expression!r} is neither SEARCH(...) nor SUM(SEARCH(...)); teach it to {__name__}"
        )


def read(dashboard: Mapping[str, Any], cloudwatch: CloudWatchClient, window: Window) -> list[Placed]:
    """Everything that the dashboard shows in ``window``.

    Raises:
        UnknownExpressionError: it holds an expression that is not known here.
    """
    reader = _Reader(cloudwatch, window)
    widgets = sorted(dashboard["widgets"], key=lambda widget: (widget["y"], widget["x"]))
    return [Placed(widget["width"], reader.panel(widget)) for widget in widgets]


@dataclass(frozen=True)
class _Query:
    """One metric and the statistic of it."""

    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    stat: str

    def request(self, number: int, period: int) -> Any:
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions.items()]
        metric = {"Namespace": self.namespace, "MetricName": self.metric, "Dimensions": dimensions}
        return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": period, "Stat": self.stat}}


class _Reader:
    def __init__(self, cloudwatch: CloudWatchClient, window: Window) -> None:
        self._cloudwatch = cloudwatch
        self._window = window

    def panel(self, widget: Mapping[str, Any]) -> Panel:
        properties = widget["properties"]
        if widget["type"] == "alarm":
            return AlarmStates(properties["title"], self._states(properties["alarms"]))
        series = tuple(
            found for row in properties["metrics"] for found in self._series(row, properties["stat"])
        )
        if properties["view"] == "singleValue":
            last = {one.label: next(reversed(list(one.points.values())), None) for one in series}
            return Numbers(properties["title"], last)
        axes = properties["yAxis"]
        return Graph(
            properties["title"],
            axes["left"]["label"],
            axes["right"]["label"] if "right" in axes else "",
            properties["stacked"],
            tuple(one for one in series if one.points),
        )

    def _states(self, arns: Sequence[str]) -> dict[str, str]:
        names = [arn.rsplit(":", 1)[1] for arn in arns]
        pages = self._cloudwatch.get_paginator("describe_alarms").paginate(AlarmNames=names)
        found = {alarm["AlarmName"]: alarm["StateValue"] for page in pages for alarm in page["MetricAlarms"]}
        return {name: found[name] for name in names}

    def _series(self, row: list[Any], stat: str) -> Iterator[Series]:
        drawn = row[-1]
        label, color, on_right = drawn["label"], drawn.get("color"), drawn.get("yAxis") == "right"
        if "expression" not in drawn:
            namespace, metric, *dimensions = row[:-1]
            named = dict(zip(dimensions[::2], dimensions[1::2], strict=True))
            query = _Query(namespace, metric, named, drawn.get("stat", stat))
            yield Series(label, self._values([query])[0], color, on_right)
            return
        if (search := _SEARCH.fullmatch(drawn["expression"])) is None:
            raise UnknownExpressionError(drawn["expression"])
        queries = self._found(search)
        values = self._values(queries)
        if search["sum"]:
            yield Series(label, _sum(values), color, on_right)
            return
        for query, points in zip(queries, values, strict=True):
            yield Series(_named(label, query.dimensions), points, color, on_right)

    def _found(self, search: re.Match[str]) -> list[_Query]:
        namespace, *names = search["schema"].split(",")
        where = dict(_TERM.findall(search["terms"]))
        metric = where.pop("MetricName")
        pages = self._cloudwatch.get_paginator("list_metrics").paginate(
            Namespace=namespace, MetricName=metric
        )
        listed = ({d["Name"]: d["Value"] for d in m["Dimensions"]} for p in pages for m in p["Metrics"])
        return [
            _Query(namespace, metric, dimensions, search["stat"])
            for dimensions in listed
            if dimensions.keys() == set(names) and where.items() <= dimensions.items()
        ]

    def _values(self, queries: Sequence[_Query]) -> list[dict[float, float]]:
        found: list[dict[float, float]] = []
        for begin in range(0, len(queries), QUERIES_A_REQUEST):
            part = queries[begin : begin + QUERIES_A_REQUEST]
            answer = self._cloudwatch.get_metric_data(
                MetricDataQueries=[query.request(n, self._window.period) for n, query in enumerate(part)],
                StartTime=datetime.fromtimestamp(self._window.start, UTC),
                EndTime=datetime.fromtimestamp(self._window.end, UTC),
            )
            found += [
                dict(sorted(zip((t.timestamp() for t in one["Timestamps"]), one["Values"], strict=True)))
                for one in answer["MetricDataResults"]
            ]
        return found


def _sum(values: Sequence[Mapping[float, float]]) -> dict[float, float]:
    total: dict[float, float] = defaultdict(float)
    for points in values:
        for at, value in points.items():
            total[at] += value
    return dict(sorted(total.items()))


def _named(label: str, dimensions: Mapping[str, str]) -> str:
    return _PROPERTY.sub(lambda found: dimensions[found[1]], label)
