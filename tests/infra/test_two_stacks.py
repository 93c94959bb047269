"""Two stacks in one account and region have nothing in common by accident, however alike they are called."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from infra.local.dashboard.metrics import embedded
from infra.local.provider.kinds import KINDS
from lambdas.aws.telemetry import Telemetry
from lambdas.contract.metrics import METRICS, NAMESPACE, Sample, Service
from lambdas.contract.settings import LauncherSettings, TrackerSettings
from tests.infra.conftest import RecordingProvider, preview
from tests.infra.test_dashboard import metric_rows, shown

Emit = Callable[[str, str, Mapping[str, str]], dict[str, str]]


@pytest.fixture(scope="module")
def here(declared: RecordingProvider) -> RecordingProvider:
    return declared


@pytest.fixture(scope="module")
def there(build: Path) -> RecordingProvider:
    return preview(build, stack="eu-2")


@pytest.fixture
def emit(capsys: pytest.CaptureFixture[str]) -> Emit:
    def emitted(stack: str, name: str, values: Mapping[str, str]) -> dict[str, str]:
        """The dimensions under which a stack emits the metric with these values, others being anything."""
        metric = next(metric for metric in METRICS if metric.name == name)
        sample = Sample(metric, 1, {name: values.get(name, "any") for name in metric.dimensions})
        Telemetry(Service.TRACKER, stack).emit([sample])
        ((_, datum),) = embedded(capsys.readouterr().out.strip())
        return {entry["Name"]: entry["Value"] for entry in datum["Dimensions"]}

    return emitted


def stacks_of_the_functions(declared: RecordingProvider) -> set[str]:
    """What the functions are told to call the stack in its metrics."""
    environments = {
        function["handler"].split(".")[1]: function["environment"]["variables"]
        for function in declared.all_of("Function")
    }
    return {
        LauncherSettings.from_env(environments["launcher"]).prefix,
        *(TrackerSettings.from_env(environments[name]).prefix for name in ("tracker", "reconciler")),
    }


def watched(declared: RecordingProvider) -> Iterator[tuple[str, str, dict[str, str], set[str]]]:
    """What alarms and dashboard look at of ours: name for people, metric, values, and all dimensions."""
    for alarm in declared.all_of("MetricAlarm"):
        if alarm["namespace"] == NAMESPACE:
            yield alarm["name"], alarm["metricName"], alarm["dimensions"], set(alarm["dimensions"])
    for title, row in metric_rows(json.loads(declared.one("Dashboard")["dashboardBody"])):
        namespace, metric, where, names = shown(row)
        if namespace == NAMESPACE:
            yield title, metric, where, names


def test_alarms_and_dashboard_see_what_their_own_stack_emits_and_nothing_of_another(
    here: RecordingProvider, there: RecordingProvider, emit: Emit
) -> None:
    ((own,), (foreign,)) = stacks_of_the_functions(here), stacks_of_the_functions(there)
    seen = list(watched(here))
    assert len(seen) > len(METRICS)
    for title, metric, where, names in seen:
        for stack, is_own in ((own, True), (foreign, False)):
            dimensions = emit(stack, metric, where)
            matches = dimensions.keys() == names and where.items() <= dimensions.items()
            assert matches is is_own, f"{title}: {metric} of {stack}"


WITHIN_ANOTHER = {"aws:iam/rolePolicy:RolePolicy", "aws:cloudwatch/eventTarget:EventTarget"}
"""Kinds whose names hold within a role or a rule, which is of one stack alone."""


def names_of(declared: RecordingProvider) -> set[tuple[str, str]]:
    """Kind and physical name, or how it begins, of everything to which the program gives one."""
    return {
        (resource.typ, given)
        for resource in declared.declared
        if resource.custom
        and resource.typ not in WITHIN_ANOTHER
        and (kind := KINDS.get(resource.typ))
        and kind.named
        for name in (kind.named, f"{kind.named}Prefix")
        if (given := resource.inputs.get(name))
    }


def test_no_name_that_the_program_gives_is_another_stacks_too(
    here: RecordingProvider, there: RecordingProvider
) -> None:
    assert len(names_of(here)) == len(names_of(there)) > 0
    assert names_of(here) & names_of(there) == set()
