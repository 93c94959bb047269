"""Every alarm rings for something that is really measured, tells somebody, and says what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from infra.components.alarms import PERIOD_SECONDS
from infra.local.cloud import LocalCloud
from infra.local.dashboard.metrics import embedded
from infra.program import REPOSITORY
from lambdas.aws.telemetry import Telemetry
from lambdas.contract.metrics import NAMESPACE, Sample, Service
from lambdas.reconciler.pass_metrics import of_pass
from tests.infra.conftest import RecordingProvider, preview
from tests.lambdas.world import World

RUNBOOK = (REPOSITORY / "docs" / "runbook.md").read_text()
SECTIONS = {text.splitlines()[0]: text for text in re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]}
OF_AWS = {
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    ("AWS/Lambda", "AsyncEventsDropped"): {"FunctionName"},
    ("AWS/Lambda", "DestinationDeliveryFailures"): {"FunctionName"},
}
"""Sources: "Available CloudWatch metrics for Amazon SQS"; "Types of metrics for Lambda functions"."""


@pytest.fixture(scope="module")
def alarms(declared: RecordingProvider) -> dict[str, dict[str, Any]]:
    return {inputs["name"].removeprefix("fruits-eu-"): inputs for inputs in declared.all_of("MetricAlarm")}


@pytest.fixture(scope="module")
def passed() -> tuple[Sample, ...]:
    """What a pass of the reconciler emits."""
    return of_pass(World().reconcile())


def anchors(text: str) -> set[str]:
    return set(re.findall(r"docs/runbook\.md#([a-z-]+)", text))


def test_every_alarm_has_a_section_in_the_runbook_and_the_reverse(alarms: dict[str, dict[str, Any]]) -> None:
    named = [anchors(alarm["alarmDescription"]) for alarm in alarms.values()]
    assert all(len(sections) == 1 for sections in named)
    assert set().union(*named) == SECTIONS.keys()


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_says_what_it_means_where_to_look_what_to_do_and_why_that_is_safe(section: str) -> None:
    asked = ("It means", "Look here", "Do this", "Why it is safe")
    assert re.findall(r"^\*\*(.+)\*\*: ", SECTIONS[section], re.MULTILINE) == list(asked)


def test_links_inside_the_runbook_lead_somewhere() -> None:
    assert set(re.findall(r"\]\(#([a-z-]+)\)", RUNBOOK)) <= set(
        re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)
    )


def test_what_an_alarm_watches_is_really_emitted_under_the_very_dimensions(
    alarms: dict[str, dict[str, Any]], passed: tuple[Sample, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    Telemetry(Service.RECONCILER, "fruits-eu").emit(passed)
    emitted = {
        (datum["MetricName"], frozenset((entry["Name"], entry["Value"]) for entry in datum["Dimensions"]))
        for line in capsys.readouterr().out.splitlines()
        for _, datum in embedded(line)
    }
    for name, alarm in alarms.items():
        if alarm["namespace"] == NAMESPACE:
            assert (alarm["metricName"], frozenset(alarm["dimensions"].items())) in emitted, name
        else:
            assert set(alarm["dimensions"]) == OF_AWS[alarm["namespace"], alarm["metricName"]], name


def test_a_healthy_pass_rings_nothing(alarms: dict[str, dict[str, Any]], passed: tuple[Sample, ...]) -> None:
    values = {sample.metric.name: sample.value for sample in passed}
    for alarm in alarms.values():
        if alarm["namespace"] == NAMESPACE:
            value = values[alarm["metricName"]]
            above = alarm["comparisonOperator"] == "GreaterThanThreshold"
            assert not (value > alarm["threshold"] if above else value < alarm["threshold"])


def test_every_queue_and_function_is_watched(alarms: dict[str, dict[str, Any]]) -> None:
    watched = {(alarm["metricName"], *alarm["dimensions"].values()) for alarm in alarms.values()}
    functions = [f"fruits-eu-{name}" for name in ("launcher", "tracker", "reconciler")]
    assert ("ApproximateNumberOfMessagesVisible", "fruits-eu-failures") in watched
    for metric in ("AsyncEventsDropped", "DestinationDeliveryFailures"):
        assert {(metric, function) for function in functions} <= watched


def test_silence_of_the_reconciler_rings_and_silence_of_trouble_does_not(
    alarms: dict[str, dict[str, Any]],
) -> None:
    silent = {name for name, alarm in alarms.items() if alarm["treatMissingData"] == "breaching"}
    assert silent == {"missing-heartbeat"}
    assert alarms["missing-heartbeat"]["comparisonOperator"] == "LessThanThreshold"


def test_an_alarm_compares_as_often_as_the_reconciler_measures(
    alarms: dict[str, dict[str, Any]], declared: RecordingProvider
) -> None:
    schedules = {
        rule["scheduleExpression"] for rule in declared.all_of("EventRule") if "scheduleExpression" in rule
    }
    assert schedules == {f"rate({PERIOD_SECONDS // 60} minutes)"}
    assert {alarm["period"] for alarm in alarms.values()} == {PERIOD_SECONDS}


def test_a_pass_that_comes_late_does_not_keep_an_alarm_silent(alarms: dict[str, dict[str, Any]]) -> None:
    for alarm in alarms.values():
        several = alarm["datapointsToAlarm"] > 1 and alarm["treatMissingData"] == "notBreaching"
        assert alarm["evaluationPeriods"] == alarm["datapointsToAlarm"] + several


def test_people_are_told_when_it_begins_and_when_it_is_over(build: Path) -> None:
    emails = ["me@example.org", "you@example.org"]
    declared = preview(build, **{"fruits:alarmEmails": str(emails).replace("'", '"')})
    topic = ["arn:test:sns/topic:::fruits-eu-alarms"]
    for alarm in declared.all_of("MetricAlarm"):
        assert (alarm["alarmActions"], alarm["okActions"]) == (topic, topic)
    subscribed = declared.all_of("TopicSubscription")
    assert [(s["endpoint"], s["topic"], s["protocol"]) for s in subscribed] == [
        (email, *topic, "email") for email in emails
    ]


def test_the_local_cloud_has_every_alarm(cloud: LocalCloud, alarms: dict[str, dict[str, Any]]) -> None:
    created = cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert {alarm["AlarmName"] for alarm in created} == {f"fruits-local-{name}" for name in alarms}
