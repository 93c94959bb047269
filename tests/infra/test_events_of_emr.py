"""Which of the events that EMR sends wake the tracker, as EventBridge's matcher has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from infra.local.cloud import LocalCloud
from infra.local.emr import lifecycle
from infra.local.emr.events import StateEvent, state_events
from infra.local.emr.lifecycle import ActionOnFailure, Cluster, Fleet, Reason, ReasonCode, Step
from lambdas.contract.report import STEPS
from lambdas.contract.run import cluster_name, run_id
from tests.infra.conftest import RecordingProvider

Matcher = Callable[[StateEvent], bool]
RUN = run_id("citrus", "a-bucket", "manifests/citrus.json", "1")


@pytest.fixture
def wakes(declared: RecordingProvider, cloud: LocalCloud) -> Matcher:
    """Whether an event matches the tracker's rule."""
    pattern = declared.one("EventRule", "-emr")["eventPattern"]
    events = cloud.client("events")

    def matches(event: StateEvent) -> bool:
        envelope: dict[str, Any] = {
            "id": "1",
            "account": "123456789012",
            "source": "aws.emr",
            "time": "2026-01-01T00:00:00Z",
            "region": "eu-west-1",
            "resources": [],
            "detail-type": event.detail_type,
            "detail": event.detail,
        }
        answer = events.test_event_pattern(EventPattern=pattern, Event=json.dumps(envelope))
        return bool(answer["Result"])

    return matches


def life(name: str, *step_names: str) -> Iterator[StateEvent]:
    """Everything that EMR tells of a cluster that runs these steps and ends."""
    steps = tuple(
        Step(f"s-{number}", step, ActionOnFailure.TERMINATE_CLUSTER, created_at=0)
        for number, step in enumerate(step_names)
    )
    cluster = Cluster("j-1", name, created_at=0, steps=steps, fleets=(Fleet("if-1", "MASTER", 1, 0),))
    states = [cluster, lifecycle.provisioned(cluster, now=1.0)]
    states.append(lifecycle.bootstrapped(states[-1], now=1))
    for _ in steps:
        states.append(lifecycle.step_started(states[-1], now=2))
        states.append(lifecycle.step_ended(states[-1], None, now=3))
    states.append(lifecycle.released(states[-1], now=4))
    yield from state_events(None, cluster, now=0)
    for before, after in pairwise(states):
        yield from state_events(before, after, now=5)


def heard(wakes: Matcher, events: Iterator[StateEvent]) -> list[tuple[str, str]]:
    return [(event.detail_type, event.detail["state"]) for event in events if wakes(event)]


@pytest.mark.parametrize("attempt", [1, 2])
def test_the_tracker_hears_of_the_clusters_life_and_that_its_steps_began(
    wakes: Matcher, attempt: int
) -> None:
    cluster, step = "EMR Cluster State Change", "EMR Step Status Change"
    assert heard(wakes, life(cluster_name(RUN, attempt), *STEPS)) == [
        (cluster, "STARTING"),
        (cluster, "RUNNING"),
        (step, "RUNNING"),
        (step, "RUNNING"),
        (cluster, "TERMINATED"),
    ]


def test_the_tracker_hears_that_a_cluster_ended_before_its_time(wakes: Matcher) -> None:
    before = Cluster("j-1", cluster_name(RUN), created_at=0, steps=())
    ending = lifecycle.shut_down(before, Reason(ReasonCode.BOOTSTRAP_FAILURE, "failed"), now=0)
    ended = state_events(ending, lifecycle.released(ending, now=0), now=0)
    assert heard(wakes, ended) == [("EMR Cluster State Change", "TERMINATED_WITH_ERRORS")]


@pytest.mark.parametrize("name", ["nightly", "my-fruits-1", "Fruits-1"])
def test_nobody_elses_cluster_wakes_the_tracker_though_its_steps_have_our_names(
    wakes: Matcher, name: str
) -> None:
    assert list(life(name, *STEPS))
    assert heard(wakes, life(name, *STEPS)) == []


def test_a_step_that_somebody_added_by_hand_does_not_wake_the_tracker(wakes: Matcher) -> None:
    woken = heard(wakes, life(cluster_name(RUN), "debugging"))
    assert {detail_type for detail_type, _ in woken} == {"EMR Cluster State Change"}
