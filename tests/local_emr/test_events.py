from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.emr import InjectedFailures, lifecycle
from infra.local.emr.events import state_events
from infra.local.emr.injected_failures import EventFailure
from infra.local.emr.lifecycle import ActionOnFailure, Cluster, Fleet, Reason, ReasonCode, Step
from tests.local_emr.conftest import BUCKET, Cloud, Emr, shell_step, wait_until

RECORDER = f"""
import json, boto3
def handler(event, context):
    key = "events/%s/%s" % (event["detail"]["clusterId"], context.aws_request_id)
    boto3.client("s3").put_object(Bucket="{BUCKET}", Key=key, Body=json.dumps(event))
"""


def test_a_failed_cluster_is_told_of_as_emr_does() -> None:
    step = Step("s-1", "featurize", ActionOnFailure.TERMINATE_CLUSTER, created_at=0)
    before = Cluster("j-1", "fruits-run", created_at=0, steps=(step,))
    ending = lifecycle.shut_down(before, Reason(ReasonCode.BOOTSTRAP_FAILURE, "action 1 failed"), now=0)
    after = lifecycle.released(ending, now=0)

    (event,) = state_events(ending, after, now=0)

    assert event.detail_type == "EMR Cluster State Change"
    assert event.detail == {
        "severity": "CRITICAL",
        "stateChangeReason": '{"code": "BOOTSTRAP_FAILURE", "message": "action 1 failed"}',
        "name": "fruits-run",
        "clusterId": "j-1",
        "state": "TERMINATED_WITH_ERRORS",
        "message": "Amazon EMR Cluster j-1 (fruits-run) has terminated with errors at "
        "1970-01-01 00:00 UTC with a reason of BOOTSTRAP_FAILURE.",
    }


def test_a_new_cluster_is_told_of_with_its_steps() -> None:
    step = Step("s-1", "featurize", ActionOnFailure.CONTINUE, created_at=0)
    events = list(state_events(None, Cluster("j-1", "x", created_at=0, steps=(step,)), now=0))

    assert [event.detail["state"] for event in events] == ["STARTING", "PENDING"]
    assert events[1].detail["actionOnFailure"] == "CONTINUE"


WAITING_FOR_MACHINES = Cluster(
    "j-1",
    "fruits-run",
    created_at=0,
    steps=(),
    fleets=(Fleet("if-1", "MASTER", 1, 0), Fleet("if-2", "CORE", 0, 3)),
)


def test_each_fleet_is_told_of_when_it_has_its_machines() -> None:
    ready = lifecycle.provisioned(WAITING_FOR_MACHINES, now=125)

    primary, workers = state_events(WAITING_FOR_MACHINES, ready, now=125)

    assert {event.detail_type for event in (primary, workers)} == {"EMR Instance Fleet State Change"}
    assert primary.detail["instanceFleetType"] == "MASTER"
    assert workers.detail == {
        "severity": "INFO",
        "state": "WAITING",
        "clusterId": "j-1",
        "instanceFleetId": "if-2",
        "instanceFleetType": "CORE",
        "targetOnDemandCapacity": "0",
        "provisionedOnDemandCapacity": "0",
        "targetSpotCapacity": "3",
        "provisionedSpotCapacity": "3",
        "message": "Provisioning for instance fleet if-2 in Amazon EMR cluster j-1 (fruits-run) is complete. "
        "Provisioning started at 1970-01-01 00:00 UTC and took 2 minutes. The instance fleet now has "
        "On-Demand capacity of 0 and Spot capacity of 3.",
    }


def test_a_cluster_that_gets_no_machines_is_told_of_as_insufficient_capacity() -> None:
    out_of_time = Reason(ReasonCode.INSTANCE_FLEET_TIMEOUT, "timed out")
    ending = lifecycle.shut_down(WAITING_FOR_MACHINES, out_of_time, now=600)

    events = list(state_events(WAITING_FOR_MACHINES, ending, now=600))

    assert [event.detail_type for event in events] == ["EMR Instance Fleet Provisioning"] * 2
    assert {event.detail["eventCode"] for event in events} == {
        "EC2 provisioning - Insufficient Instance Capacity"
    }
    assert [event.detail["instanceFleetId"] for event in events] == ["if-1", "if-2"]
    assert {event.detail["severity"] for event in events} == {"WARN"}


def test_a_cluster_that_is_stopped_while_it_starts_says_nothing_of_its_fleets() -> None:
    stopped = lifecycle.shut_down(WAITING_FOR_MACHINES, Reason(ReasonCode.USER_REQUEST, "stopped"), now=1)

    assert list(state_events(WAITING_FOR_MACHINES, stopped, now=1)) == []


@pytest.fixture(scope="module")
def recorder(cloud: Cloud) -> None:
    """A Lambda that writes each EMR event it gets into the bucket."""
    put = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/events/*"}
    role = cloud.make_role("recorder", "lambda.amazonaws.com", put)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("recorder.py", RECORDER)
    function = cloud.client("lambda").create_function(
        FunctionName="recorder",
        Runtime="python3.11",
        Role=role,
        Handler="recorder.handler",
        Code={"ZipFile": archive.getvalue()},
        Timeout=30,
    )
    events = cloud.client("events")
    events.put_rule(Name="other", EventPattern=json.dumps({"source": ["aws.s3"]}))
    events.put_targets(Rule="other", Targets=[{"Id": "recorder", "Arn": function["FunctionArn"]}])
    pattern = {"source": ["aws.emr"], "detail-type": ["EMR Cluster State Change"]}
    rule = events.put_rule(Name="emr", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="emr", Targets=[{"Id": "recorder", "Arn": function["FunctionArn"]}])
    cloud.client("lambda").add_permission(
        FunctionName="recorder",
        StatementId="events",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule["RuleArn"],
    )


def recorded(emr: Emr, cluster_id: str) -> list[dict[str, Any]]:
    listing = emr.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"events/{cluster_id}/")
    keys = [item["Key"] for item in listing.get("Contents", [])]
    return [json.loads(emr.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()) for key in keys]


@pytest.mark.usefixtures("recorder")
def test_the_targets_of_matching_rules_hear_of_state_changes(instant_emr: Emr) -> None:
    cluster_id = instant_emr.launch(shell_step("true"), Name="fruits-run")

    wait_until(lambda: len(recorded(instant_emr, cluster_id)) == 3)
    events = recorded(instant_emr, cluster_id)
    assert {event["detail"]["state"] for event in events} == {"STARTING", "RUNNING", "TERMINATED"}
    assert {event["source"] for event in events} == {"aws.emr"}
    assert {event["detail"]["name"] for event in events} == {"fruits-run"}


@pytest.mark.usefixtures("recorder")
def test_events_can_be_lost_and_duplicated(connect: Callable[..., Emr]) -> None:
    # A cluster without steps has two events: STARTING and TERMINATED.
    emr = connect(InjectedFailures(events=(EventFailure.LOST, EventFailure.DUPLICATED), instant_steps=True))
    cluster_id = emr.launch()

    wait_until(lambda: len(recorded(emr, cluster_id)) == 2)
    assert [event["detail"]["state"] for event in recorded(emr, cluster_id)] == ["TERMINATED"] * 2
    assert emr.recorder.failures == {EventFailure.LOST: 1, EventFailure.DUPLICATED: 1}
