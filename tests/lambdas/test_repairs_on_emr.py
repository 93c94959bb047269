"""Clusters that nobody would end, ended by the reconciler: its decisions against an EMR that lives."""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.local.emr import EmrEndpoint, InjectedFailures
from infra.local.emr.injected_failures import ClusterFailure, LaunchFailure
from infra.local.ministack import MiniStack, client
from infra.local.tls import TlsFiles
from lambdas.aws.clusters import emr_clusters
from lambdas.contract.run import LEDGER_TAG, RUN_TAG, RunState
from lambdas.reconciler.repairs import LOST_SECONDS, Stop
from lambdas.runs.dispatch import LAUNCH_CALL_SECONDS, Outcome

from .world import SETTINGS, World, manifest

MINUTES = 60
LIMIT_MINUTES = 30
EC2_MAY_ASSUME = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
)
FAST = InjectedFailures(instant_steps=True, starting_seconds=0.3, bootstrapping_seconds=0.0)


class LiveEmr:
    """A world whose clusters are those of an EMR endpoint; ledger, bucket and topic stay in memory."""

    def __init__(self, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = World()
        self.world.time = time.time()
        self.role = role
        self._monkeypatch = monkeypatch

    def connect(self, environment: dict[str, str]) -> None:
        """Talk to the EMR of this environment from now on, as the Lambdas do."""
        self.api = client("emr", environment)
        self.api.create_security_configuration(Name=self.role, SecurityConfiguration="{}")
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)
        self.world.clusters = emr_clusters(boto3.Session(), LAUNCH_CALL_SECONDS)
        self.world.configure(instance_profile_arn=self.role, security_configuration=self.role)

    def launched(self) -> str:
        """The cluster of a run that may take half an hour."""
        document = manifest(limits={"max_runtime_minutes": LIMIT_MINUTES}, notify=True)
        assert self.world.launch(self.world.upload(document)).outcome is Outcome.LAUNCHED
        return self.world.record().cluster_id or ""

    def protect(self, cluster_id: str) -> None:
        self.api.set_termination_protection(JobFlowIds=[cluster_id], TerminationProtected=True)

    def state(self, cluster_id: str) -> str:
        return str(self.api.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"])

    def waits_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "not so after 10 s"
            time.sleep(0.02)

    def waits_for(self, cluster_id: str, state: str) -> None:
        self.waits_until(lambda: self.state(cluster_id) == state)


@pytest.fixture
def serve(
    tls: TlsFiles, ministack: MiniStack, tmp_path: Path
) -> Iterator[Callable[[InjectedFailures], dict[str, str]]]:
    """Serve EMR with given failures; the environment that leads there."""
    with ExitStack() as stack:

        def served(failures: InjectedFailures) -> dict[str, str]:
            endpoint = EmrEndpoint(
                tls=tls, environment=ministack.environment, folder=tmp_path, injected=failures
            )
            return ministack.environment | {"AWS_ENDPOINT_URL_EMR": stack.enter_context(endpoint).url}

        yield served


@pytest.fixture
def live(
    ministack: MiniStack, serve: Callable[[InjectedFailures], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., LiveEmr]:
    """A world on an EMR on which these failures happen."""
    role, iam = f"node-{uuid.uuid4().hex[:8]}", ministack.client("iam")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=EC2_MAY_ASSUME)
    iam.create_instance_profile(InstanceProfileName=role)
    iam.add_role_to_instance_profile(InstanceProfileName=role, RoleName=role)

    def made(**failures: Any) -> LiveEmr:
        emr = LiveEmr(role, monkeypatch)
        emr.connect(serve(dataclasses.replace(FAST, **failures)))
        return emr

    return made


def test_a_cluster_past_its_time_is_ended_though_somebody_protected_it(live: Callable[..., LiveEmr]) -> None:
    emr = live(clusters=(ClusterFailure.HUNG_STEP,), hung_seconds=(LIMIT_MINUTES + 1) * MINUTES)
    cluster_id = emr.launched()
    emr.protect(cluster_id)
    emr.waits_for(cluster_id, "RUNNING")

    def stopped() -> bool:
        return any(isinstance(repair, Stop) for repair in emr.world.reconcile().repairs)

    emr.waits_until(stopped)
    emr.waits_for(cluster_id, "TERMINATED")
    emr.world.reconcile()
    record = emr.world.record()
    assert (record.state, record.reason, record.closed) == (RunState.FAILED, "MAX_RUNTIME", True)
    assert "30 minutes" in emr.world.status()["message"]
    assert len(emr.world.topic.messages) == 1


def test_a_cluster_within_its_time_is_left_alone(live: Callable[..., LiveEmr]) -> None:
    emr = live(clusters=(ClusterFailure.HUNG_STEP,), hung_seconds=(LIMIT_MINUTES - 1) * MINUTES)
    cluster_id = emr.launched()
    emr.waits_for(cluster_id, "RUNNING")
    emr.world.reconcile()
    assert not any(isinstance(repair, Stop) for repair in emr.world.reconcile().repairs)
    assert emr.state(cluster_id) == "RUNNING"


def test_a_cluster_that_idles_because_it_is_protected_is_ended(live: Callable[..., LiveEmr]) -> None:
    emr = live(clusters=(ClusterFailure.STEP_FAILURE,))
    cluster_id = emr.launched()
    emr.protect(cluster_id)
    emr.waits_for(cluster_id, "WAITING")

    emr.world.reconcile()

    emr.waits_for(cluster_id, "TERMINATED")
    emr.world.reconcile()
    record = emr.world.record()
    # Why the cluster idled is what the user needs; that it did is only how it was noticed.
    assert (record.state, record.closed) == (RunState.FAILED, True)
    assert record.reason == "STEP_FAILURE"


def test_a_cluster_without_a_run_is_ended_and_one_of_others_is_not(live: Callable[..., LiveEmr]) -> None:
    emr = live()

    def kept_alive(name: str, ledger: str) -> str:
        tags = {RUN_TAG: "unknown-000000000000", LEDGER_TAG: ledger}
        launched = emr.api.run_job_flow(
            Name=name,
            Instances={"KeepJobFlowAliveWhenNoSteps": True, "TerminationProtected": True},
            JobFlowRole=emr.role,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        return str(launched["JobFlowId"])

    orphan = kept_alive("fruits-unknown-000000000000", SETTINGS.ledger_table)
    foreign = kept_alive("fruits-unknown-000000000000", "of another stack")
    emr.waits_for(foreign, "WAITING")

    assert emr.world.reconcile().gauges.orphans == 1

    emr.waits_for(orphan, "TERMINATED")
    assert emr.world.reconcile().gauges.orphans == 0
    assert emr.state(foreign) == "WAITING"


def test_a_run_whose_cluster_emr_forgot_is_given_up_after_a_while(
    live: Callable[..., LiveEmr], serve: Callable[[InjectedFailures], dict[str, str]]
) -> None:
    emr = live(starting_seconds=60)
    emr.launched()
    emr.connect(serve(FAST))
    assert not emr.world.reconcile().repairs
    emr.world.time += LOST_SECONDS + 1
    emr.world.reconcile()
    record = emr.world.record()
    assert (record.state, record.reason, record.closed) == (RunState.FAILED, "CLUSTER_LOST", True)
    assert emr.world.ledger.shared.slots == {}


def test_a_cluster_that_was_made_although_emr_refused_is_adopted(live: Callable[..., LiveEmr]) -> None:
    emr = live(launches=(LaunchFailure.THROTTLED_BUT_CREATED,), starting_seconds=60)
    emr.launched()
    (listed,) = emr.api.list_clusters()["Clusters"]
    assert emr.world.record().cluster_id == listed["Id"]
