"""The page shows the dashboard's metrics as they are: looked up rightly, drawn to scale, nothing made up."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.cloud import LocalCloud
from infra.local.dashboard.chart import HEIGHT, WIDTH, number, svg, ticks, times
from infra.local.dashboard.metrics import duration, embedded
from infra.local.dashboard.page import page
from infra.local.dashboard.panels import (
    MAX_POINTS,
    PERIODS_SECONDS,
    AlarmStates,
    Graph,
    Numbers,
    Placed,
    Series,
    Window,
)
from infra.local.dashboard.reading import UnknownExpressionError, read
from lambdas.aws.telemetry import Telemetry
from lambdas.contract.metrics import RUNS, Sample, Service

HOUR = Window(0, 3600, 300)
BEGIN = time.time() // 3600 * 3600 - 3600
"""MiniStack forgets what is old."""


def graph(*series: Series, stacked: bool = False) -> Graph:
    return Graph("Title", "runs", "", stacked, series)


# What is measured


def test_what_the_lambdas_print_is_read_back_as_it_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    dimensions = {"dataset": "fruits", "engine": "fast", "state": "FAILED"}
    Telemetry(Service.TRACKER, "fruits-eu").emit([Sample(RUNS, 3, dimensions)])
    ((namespace, datum),) = embedded(capsys.readouterr().out.strip())
    assert (namespace, datum["MetricName"]) == ("Fruits", "Runs")
    assert (datum["Unit"], datum["Values"]) == ("Count", [3])
    assert {d["Name"]: d["Value"] for d in datum["Dimensions"]} == dimensions | {"stack": "fruits-eu"}
    assert datum["Timestamp"] > 1.7e9


@pytest.mark.parametrize("text", ["", "START RequestId: 1", '{"level": "INFO"}', "{no JSON", "[1]"])
def test_a_line_without_metrics_measures_nothing(text: str) -> None:
    assert list(embedded(text)) == []
    assert list(duration(text, "tracker", 1.0)) == []


def test_the_report_of_an_invocation_says_how_long_it_took() -> None:
    line = "REPORT RequestId: 0f\tDuration: 85 ms\tBilled Duration: 85 ms\tMemory Size: 128 MB"
    ((namespace, datum),) = duration(line, "tracker", 7.0)
    assert (namespace, datum["Value"], datum["Timestamp"]) == ("AWS/Lambda", 85.0, 7.0)


# What is looked up


@pytest.fixture(scope="module")
def cloudwatch(cloud: LocalCloud) -> Any:
    client = cloud.client("cloudwatch")
    for state, dataset, at, value in (
        ("DONE", "a", BEGIN + 1000, 1),
        ("DONE", "b", BEGIN + 1000, 2),
        ("DONE", "b", BEGIN + 1300, 4),
        ("LOST", "a", BEGIN + 1000, 8),
    ):
        dimensions = {"state": state, "dataset": dataset}
        put(client, "Runs", dimensions, at, value)
    put(client, "Runs", {"state": "DONE"}, BEGIN + 1000, 16)
    put(client, "Other", {"state": "DONE", "dataset": "a"}, BEGIN + 1000, 32)
    return client


def put(client: Any, metric: str, dimensions: dict[str, str], at: float, value: float) -> None:
    listed = [{"Name": name, "Value": text} for name, text in dimensions.items()]
    datum = {"MetricName": metric, "Dimensions": listed, "Timestamp": at, "Value": value}
    client.put_metric_data(Namespace="Test", MetricData=[datum])


def looked_up(cloudwatch: Any, *rows: list[Any], view: str = "timeSeries") -> Any:
    properties = {
        "title": "T",
        "view": view,
        "stacked": False,
        "stat": "Sum",
        "yAxis": {"left": {"label": "u"}},
        "metrics": list(rows),
    }
    widget = {"type": "metric", "x": 0, "y": 0, "width": 8, "properties": properties}
    (placed,) = read({"widgets": [widget]}, cloudwatch, Window(BEGIN + 900, BEGIN + 1800, 300))
    return placed.panel


def series_of(panel: Graph) -> dict[str, dict[float, float]]:
    return {one.label: {at - BEGIN: value for at, value in one.points.items()} for one in panel.series}


SEARCH = "SEARCH('{Test,state,dataset} MetricName=\"Runs\" state=\"DONE\"', 'Sum')"


def test_a_search_finds_each_metric_of_its_schema_and_terms_and_names_it(cloudwatch: Any) -> None:
    found = looked_up(cloudwatch, [{"expression": SEARCH, "label": "of ${PROP('Dim.dataset')}"}])
    assert series_of(found) == {"of a": {900: 1}, "of b": {900: 2, 1200: 4}}


def test_a_sum_of_a_search_is_one_series(cloudwatch: Any) -> None:
    found = looked_up(cloudwatch, [{"expression": f"SUM({SEARCH})", "label": "all"}])
    assert series_of(found) == {"all": {900: 3, 1200: 4}}


def test_a_single_metric_is_that_of_exactly_these_dimensions(cloudwatch: Any) -> None:
    found = looked_up(cloudwatch, ["Test", "Runs", "state", "DONE", {"label": "plain"}])
    assert series_of(found) == {"plain": {900: 16}}


def test_what_was_never_measured_is_left_out_of_a_graph_and_named_among_numbers(cloudwatch: Any) -> None:
    never = ["Test", "Never", "state", "DONE", {"label": "never"}]
    assert series_of(looked_up(cloudwatch, never)) == {}
    numbers = looked_up(
        cloudwatch, never, ["Test", "Runs", "state", "DONE", {"label": "ever"}], view="singleValue"
    )
    assert numbers.values == {"never": None, "ever": 16}


def test_an_unknown_expression_is_refused_and_not_drawn_as_nothing(cloudwatch: Any) -> None:
    with pytest.raises(UnknownExpressionError, match="FILL"):
        looked_up(cloudwatch, [{"expression": "FILL(m1, 0)", "label": "x"}])


# How it is drawn


@given(st.floats(1, 1e8), st.floats(0, 1e9))
def test_a_window_holds_the_time_in_whole_periods_and_not_too_many(length: float, start: float) -> None:
    window = Window.between(start, start + length)
    assert window.start <= start
    assert window.end >= start + length
    assert window.period in PERIODS_SECONDS
    if window.period < PERIODS_SECONDS[-1]:
        assert (window.end - window.start) / window.period <= MAX_POINTS + 2


@given(st.just(0.0) | st.floats(1e-6, 1e9), st.booleans())
def test_ticks_begin_at_nothing_reach_the_highest_value_and_are_few(highest: float, whole: bool) -> None:
    found = ticks(highest, whole=whole)
    assert found[0] == 0
    assert found[-1] >= highest * (1 - 1e-6)
    assert 2 <= len(found) <= 6
    if whole:
        assert all(value == int(value) for value in found)


@given(st.integers(0, 10**9), st.sampled_from(PERIODS_SECONDS), st.integers(1, MAX_POINTS))
def test_times_lie_within_the_window(start: int, period: int, periods: int) -> None:
    window = Window(start * period, (start + periods) * period, period)
    assert len(times(window)) <= 6
    assert all(window.start <= at <= window.end for at in times(window))


@given(
    st.dictionaries(
        st.integers(0, 11).map(lambda n: n * 300.0), st.just(0.0) | st.floats(1e-6, 1e6), min_size=1
    ),
    st.booleans(),
)
def test_nothing_is_drawn_outside_of_the_picture(points: dict[float, float], stacked: bool) -> None:
    drawn = svg(graph(Series("one", dict(sorted(points.items()))), stacked=stacked), HOUR)
    for name, limit in (("cx", WIDTH), ("cy", HEIGHT), ("x", WIDTH), ("y", HEIGHT)):
        assert all(0 <= float(value) <= limit for value in re.findall(rf' {name}="(-?[\d.]+)"', drawn))
    assert "nan" not in drawn


def test_bars_are_as_high_as_their_share_and_lie_upon_each_other() -> None:
    drawn = svg(graph(Series("a", {0: 1}), Series("b", {0: 3}), stacked=True), HOUR)
    bars = re.findall(r'<rect [^>]*y="([\d.]+)" [^>]*height="([\d.]+)"', drawn)
    (low_y, low), (high_y, high) = ((float(y), float(height)) for y, height in bars)
    assert high == pytest.approx(3 * low, rel=0.01)
    assert high_y + high == pytest.approx(low_y, abs=0.2)


def test_a_line_does_not_cross_time_in_which_nothing_was_measured() -> None:
    drawn = svg(graph(Series("a", {0: 1, 300: 2, 1200: 3})), HOUR)
    assert [len(points.split()) for points in re.findall(r'polyline points="([^"]+)"', drawn)] == [2, 1]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0375, "0.0375"), (28.13, "28.1"), (999, "999"), (1234, "1.23k"), (5e6, "5M")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_whatever_a_label_holds_it_is_text(tmp_path: Path) -> None:
    evil = "<script>alert('&')</script>"
    panels = [
        Graph(evil, evil, evil, False, (Series(evil, {0: 1}),)),
        Numbers(evil, {evil: 1}),
        AlarmStates(evil, {evil: "OK"}),
    ]
    text = page(evil, [Placed(8, panel) for panel in panels], HOUR)
    assert "<script" not in text
    assert json.dumps(evil) not in text
