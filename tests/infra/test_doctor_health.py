"""What doctor says of what happens in a deployed stack, by facts that are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from infra.doctor import health
from infra.doctor.examination import RESTORE
from infra.doctor.finding import Finding, Status
from infra.doctor.health import Subscriptions, TaggedCluster
from lambdas.contract.run import RunRecord, RunState, cluster_name
from lambdas.contract.settings import Caps
from lambdas.runs.admission import Admissions, Pause, Slot
from lambdas.runs.cluster_port import ClusterState, ClusterSummary
from tests.infra.conftest import RecordingProvider

NOW = 1_795_689_855.0  # 2026-11-26 UTC
TODAY = "2026-11-26"


def said(findings: list[Finding]) -> tuple[Status, str, str | None]:
    (finding,) = findings
    return finding.status, finding.text, finding.remedy


@pytest.fixture
def silent(declared: RecordingProvider) -> list[dict[str, Any]]:
    """CloudWatch's word on each alarm of the program."""
    return [
        {
            "AlarmName": alarm["name"],
            "StateValue": "OK",
            "ActionsEnabled": True,
            "AlarmActions": ["arn:topic"],
        }
        for alarm in declared.all_of("MetricAlarm")
    ]


def test_the_alarms_that_are_looked_for_are_those_of_the_program(silent: list[dict[str, Any]]) -> None:
    assert said(health.alarms(silent, "fruits-eu")) == (
        Status.OK,
        f"{len(silent)} alarms, none rings",
        None,
    )


def test_an_alarm_that_rings_names_its_section_of_the_runbook(silent: list[dict[str, Any]]) -> None:
    (heartbeat,) = (alarm for alarm in silent if alarm["AlarmName"].endswith("missing-heartbeat"))
    heartbeat["StateValue"] = "ALARM"
    assert said(health.alarms(silent, "fruits-eu")) == (
        Status.FAULT,
        "fruits-eu-missing-heartbeat rings: The reconciler has not completed a pass for a quarter of an "
        "hour.",
        "docs/runbook.md#missing-heartbeat says what to do",
    )


def test_an_alarm_that_is_gone_or_tells_nobody_is_found(silent: list[dict[str, Any]]) -> None:
    gone, mute = silent[0]["AlarmName"], silent[1]["AlarmName"]
    silent[1]["ActionsEnabled"] = False
    first, second = health.alarms(silent[1:], "fruits-eu")
    assert first == Finding(Status.FAULT, f"alarm {gone} is not there", RESTORE)
    assert second == Finding(
        Status.WARNING,
        f"{mute} tells nobody: its actions are switched off",
        f"`aws cloudwatch enable-alarm-actions --alarm-names {mute}`",
    )


def test_events_in_the_failure_queue_are_a_fault_also_while_somebody_redrives_them() -> None:
    visible, hidden = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
    assert said(health.dead_letters({visible: "0", hidden: "0"})) == (
        Status.OK,
        "the failure queue is empty",
        None,
    )
    assert said(health.dead_letters({visible: "2", hidden: "1"})) == (
        Status.FAULT,
        "about 3 events wait in the failure queue",
        "docs/runbook.md#failed-events; mend the cause, then `fruits redrive`",
    )


def test_whoever_has_not_confirmed_is_named() -> None:
    confirmed = {"alarms": ["ada@example.org"], "runs": []}
    found = Subscriptions(confirmed, {"alarms": ["bob@example.org"], "runs": []})
    assert said(health.subscriptions(found)) == (
        Status.WARNING,
        "bob@example.org has not confirmed yet, and hears nothing of alarms",
        "open the message from AWS and confirm; it expired? `pulumi up --refresh` sends another",
    )
    assert said(health.subscriptions(replace(found, pending={"alarms": [], "runs": []}))) == (
        Status.OK,
        "1 told of alarms, 0 told of runs",
        None,
    )


class Sns:
    """Knows one subscription, which waits or not."""

    def __init__(self, waits: str) -> None:
        self._waits = waits

    def get_subscription_attributes(self, **_: str) -> dict[str, dict[str, str]]:
        return {"Attributes": {"PendingConfirmation": self._waits}}


@pytest.mark.parametrize(
    ("arn", "waits", "expected"),
    [
        ("PendingConfirmation", "", True),
        ("Deleted", "", None),
        ("arn:aws:sns:eu-west-1:1:topic:1", "true", True),
        ("arn:aws:sns:eu-west-1:1:topic:1", "false", False),
    ],
)
def test_sns_has_two_ways_to_say_that_it_waits(arn: str, waits: str, expected: bool | None) -> None:
    assert health.is_pending(Sns(waits), arn) is expected


def test_alarms_that_nobody_hears_of_are_a_warning() -> None:
    nobody: Mapping[str, list[str]] = {"alarms": [], "runs": []}
    assert said(health.subscriptions(Subscriptions({**nobody, "runs": ["ada@example.org"]}, nobody))) == (
        Status.WARNING,
        "nobody hears of alarms",
        "`pulumi config set --path 'fruits:alarmEmails[0]' you@example.org`, `pulumi up`",
    )


RUN = "fruits-0123456789ab"
CLUSTER = TaggedCluster(ClusterSummary("j-1", cluster_name(RUN), ClusterState.RUNNING, NOW - 60, None), RUN)
RECORD = RunRecord(
    run_id=RUN,
    dataset="fruits",
    state=RunState.RUNNING,
    manifest_bucket="b",
    manifest_key="manifests/a.json",
    manifest_version_id="v",
    sequencer="00",
    accepted_at=NOW - 90,
    max_runtime_minutes=120,
    worst_case_eur=1.5,
    stop_when_deleted=False,
    cluster_id="j-1",
)


def clusters(record: RunRecord | None, cluster: TaggedCluster = CLUSTER) -> tuple[Status, str, str | None]:
    record_of: Callable[[str], RunRecord | None] = {RUN: record}.get
    return said(health.clusters([cluster], record_of))


@pytest.mark.parametrize(
    "record",
    [
        None,
        replace(RECORD, state=RunState.COMPLETED),
        replace(RECORD, cluster_id="j-2"),
        replace(RECORD, attempt=2, cluster_id=None),
    ],
    ids=["no such run", "it has ended", "it has another", "it wants another"],
)
def test_a_cluster_that_no_active_run_owns_is_a_fault(record: RunRecord | None) -> None:
    assert clusters(record) == (
        Status.FAULT,
        f"cluster j-1 (fruits-{RUN}) computes no run, and costs money",
        "look again in five minutes: the reconciler ends it; else docs/runbook.md#orphan-clusters",
    )


@pytest.mark.parametrize("record", [RECORD, replace(RECORD, state=RunState.CLAIMED, cluster_id=None)])
def test_a_cluster_of_a_run_is_ok_also_when_it_is_not_recorded_yet(record: RunRecord) -> None:
    assert clusters(record) == (Status.OK, "1 there are, none without a run", None)


def test_a_cluster_that_is_ending_is_nobodys_business() -> None:
    ending = replace(CLUSTER, cluster=replace(CLUSTER.cluster, state=ClusterState.TERMINATING))
    assert clusters(None, ending)[0] is Status.OK


CAPS = Caps(max_clusters=10, max_eur_per_day=100.0, launches_per_second=0.5)
ACCOUNT = Admissions(
    slots={"a": Slot(1.5, TODAY), "b": Slot(9.0, "2026-11-25")}, day=TODAY, committed_eur=4.0
)


def test_what_today_has_cost_is_an_estimate_and_says_so() -> None:
    status, text, _ = said(health.cost_today(ACCOUNT, CAPS, NOW))
    assert status is Status.OK
    assert text.startswith("estimate by list prices of ")
    assert ": 2.50 EUR used by runs that ended today (UTC), at most 1.50 EUR set aside for 1 that run" in text


def test_the_account_of_another_day_is_none_of_today() -> None:
    yesterday = replace(ACCOUNT, day="2026-11-25", slots={})
    assert ": 0.00 EUR used by runs" in said(health.cost_today(yesterday, CAPS, NOW))[1]


def test_a_paused_stack_and_a_used_up_budget_are_warnings() -> None:
    paused, nearly, cost = health.cost_today(
        replace(ACCOUNT, paused=Pause(reason="an upgrade"), committed_eur=95.0), CAPS, NOW
    )
    assert paused == Finding(
        Status.WARNING,
        "launching is paused, and every new run waits (nobody recorded by whom: an upgrade)",
        "`fruits resume` when its reason is gone; docs/runbook.md#pausing-launches",
    )
    assert nearly == Finding(
        Status.WARNING,
        "95.00 EUR of 100.00 EUR are committed: runs may wait until tomorrow (UTC)",
        "nothing, or raise fruits:maxEurPerDay and `pulumi up`",
    )
    assert cost.status is Status.OK
    assert cost.text.startswith("estimate by list prices")
