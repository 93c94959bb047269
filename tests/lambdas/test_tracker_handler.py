"""The tracker's entry point with EMR's events, wired to the real adapters as in the cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.local.emr import lifecycle
from infra.local.emr.events import state_events
from infra.local.emr.lifecycle import Cluster, Fleet, Reason, ReasonCode
from lambdas.contract.run import cluster_name
from lambdas.launcher import handler as launcher
from lambdas.tracker import handler as tracker

from .functions import NAMES, Context, Stack, metrics
from .world import manifest


def test_events_of_a_cluster_bring_its_run_up_to_date(
    stack: Stack, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    document = manifest(images={"prefixes": [f"s3://{stack.bucket}/images/"]}, notify=True)
    (launched,) = launcher.handler(
        stack.upload("manifests/a.json", json.dumps(document).encode()),
        Context(),  # type: ignore[arg-type]  # all that it uses of a context
    )
    (cluster_id,) = stack.clusters(cluster_name(launched["run_id"]))
    stack.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    stack.emr.get_waiter("cluster_terminated").wait(ClusterId=cluster_id, WaiterConfig={"Delay": 0.1})
    event = {
        "source": "aws.emr",
        "detail-type": "EMR Cluster State Change",
        "detail": {"clusterId": cluster_id, "state": "TERMINATED"},
    }
    capsys.readouterr()
    result = tracker.handler(event, Context())  # type: ignore[arg-type]  # as above
    assert result["run_id"] == launched["run_id"]
    status = stack.json(f"runs/{launched['run_id']}/status.json")
    assert status["state"] == result["state"]
    assert status["state"] in ("FAILED", "CANCELLED")
    assert status["message"]
    assert status["instance_hours"] == 0, "its machines had not come yet"
    lines = metrics(capsys.readouterr().out)
    measured = {name: line for line in lines for name in line if name in NAMES}
    runs = measured["Runs"]
    assert (runs["stack"], runs["dataset"], runs["engine"]) == ("fruits-eu", "fruits", "fast")
    assert runs["state"] == status["state"]
    assert measured["EstimatedEur"]["EstimatedEur"] == [status["estimated_eur"]]
    assert measured["ActualEur"]["ActualEur"] == [status["actual_eur"]]
    assert vars(caplog.records[-1])["run_id"] == launched["run_id"]


def fleet_events(cluster_id: str) -> list[dict[str, Any]]:
    """That a cluster's fleet has its machines; and that it has none and never will."""
    waiting = Cluster(cluster_id, "fruits-x", 0.0, (), (Fleet("if-1", "CORE", 0, 2),))
    timed_out = Reason(ReasonCode.INSTANCE_FLEET_TIMEOUT, "timed out")
    changes = (lifecycle.provisioned(waiting, now=1.0), lifecycle.shut_down(waiting, timed_out, 1.0))
    return [
        {"source": "aws.emr", "detail-type": event.detail_type, "detail": event.detail}
        for change in changes
        for event in state_events(waiting, change, 1.0)
    ]


def test_news_of_fleets_are_a_hint_to_look_at_the_cluster_and_end_no_run_by_themselves(stack: Stack) -> None:
    document = manifest(images={"prefixes": [f"s3://{stack.bucket}/images/"]})
    (launched,) = launcher.handler(
        stack.upload("manifests/a.json", json.dumps(document).encode()),
        Context(),  # type: ignore[arg-type]  # as above
    )
    run = launched["run_id"]
    (cluster_id,) = stack.clusters(cluster_name(run))
    before = stack.json(f"runs/{run}/status.json")
    provisioned, insufficient = fleet_events(cluster_id)
    # The cluster still starts: EMR goes on looking for machines.
    for event in (provisioned, insufficient):
        assert tracker.handler(event, Context())["state"] is None  # type: ignore[arg-type]  # as above
    assert stack.json(f"runs/{run}/status.json") == before

    stack.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    stack.emr.get_waiter("cluster_terminated").wait(ClusterId=cluster_id, WaiterConfig={"Delay": 0.1})
    # The event of the end was lost; that of the fleet came late.
    assert tracker.handler(insufficient, Context())["state"] == "CANCELLED"  # type: ignore[arg-type]  # as above
    assert stack.json(f"runs/{run}/status.json")["reason"] == "USER_REQUEST"


def test_events_of_other_clusters_are_left_alone(stack: Stack) -> None:
    other = stack.emr.run_job_flow(
        Name="somebody's", Instances={"InstanceCount": 1}, JobFlowRole=stack.instance_profile
    )["JobFlowId"]
    event = {"detail-type": "EMR Step Status Change", "detail": {"clusterId": other}}
    assert tracker.handler(event, Context()) == {"run_id": None, "state": None}  # type: ignore[arg-type]  # as above
