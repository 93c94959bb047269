"""Doctor on a whole stack in the local AWS: healthy, then damaged on purpose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.local.cloud import LocalCloud
from lambdas.contract.run import CLUSTER_PREFIX, LEDGER_TAG, RUN_TAG
from lambdas.contract.settings import env_name

pytestmark = pytest.mark.slow

CLI = """#!/bin/sh
[ $1 = version ] && echo v3.999.0 && exit
[ $1 = stack ] && echo local && exit
echo '{"aws:region": {"value": "eu-west-1"}, "fruits:nodePackages": {"value": "preinstalled"}}'
"""
OPERATOR = "https://localhost:1/operator"
"""The local SNS asks for no confirmation by e-mail, but by HTTPS, as AWS does of both."""


@dataclass(frozen=True)
class Answer:
    """What `fruits doctor --json` said."""

    code: int
    findings: list[dict[str, Any]]

    def of(self, check: str) -> list[tuple[str, str]]:
        """Status and text of each finding of a check."""
        return [(f["status"], f["text"]) for f in self.findings if f["check"] == check]

    def statuses(self, part: str) -> dict[str, str]:
        """The worst status of each check of a part."""
        order = ("ok", "unknown", "warning", "refused", "fault")
        found: dict[str, str] = {}
        for finding in self.findings:
            if finding["part"] == part:
                worst = max(found.get(finding["check"], "ok"), finding["status"], key=order.index)
                found[finding["check"]] = worst
        return found


@dataclass(frozen=True)
class Patient:
    """A deployed stack, and the shell of a person who knows it."""

    cloud: LocalCloud
    shell: dict[str, str]

    def examined(self, **environ: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "lambdas.cli", "doctor", "--json"],
            env={**self.shell, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return Answer(done.returncode, json.loads(done.stdout)["findings"])


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory, build: Path) -> Iterator[Patient]:
    folder = tmp_path_factory.mktemp("cloud")
    for program in ("pulumi", "pulumi-language-python"):
        (folder / program).write_text(CLI)
        (folder / program).chmod(0o755)
    with LocalCloud(folder, build=build) as cloud:
        path = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}
        yield Patient(cloud, {**path, **cloud.environment, **cloud.shell})


@pytest.fixture(scope="module")
def healthy(patient: Patient) -> Answer:
    topic = patient.cloud.outputs["alarm_topic"]
    queue = patient.cloud.client("sqs").get_queue_attributes(
        QueueUrl=patient.cloud.outputs["failure_queue"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    patient.cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    return patient.examined()


def test_a_healthy_stack_has_no_fault_and_nobody_refuses(healthy: Answer) -> None:
    account, stack = healthy.statuses("the account"), healthy.statuses("the stack")
    assert account.pop("vCPU quota") == "unknown"
    assert set(account.values()) <= {"ok", "unknown"}
    # Whether build/ is what runs is another question: this stack was built for these tests.
    assert stack.pop("version") in ("ok", "warning")
    assert stack.pop("artifacts") == "ok"
    assert set(stack.values()) == {"ok"}
    assert len(stack) == 15


def test_what_the_local_cloud_cannot_answer_is_said(healthy: Answer) -> None:
    assert healthy.of("vCPU quota") == [("unknown", "not answered here: there is no GetServiceQuota")]


def test_the_machine_is_looked_at_with_the_settings_of_the_selected_stack(healthy: Answer) -> None:
    assert healthy.of("Pulumi stack") == [("ok", "fruits-local is selected, with 2 settings")]
    assert healthy.of("Pulumi CLI")[0][0] == "ok"
    assert healthy.of("wheels")[0][0] == "ok"


@pytest.fixture(scope="module")
def damaged(patient: Patient, healthy: Answer) -> Answer:
    """Everything at once, each by a call that a person or an accident could make."""
    cloud, outputs = patient.cloud, patient.cloud.outputs
    iam, events, kms = cloud.client("iam"), cloud.client("events"), cloud.client("kms")
    for role in iam.list_roles(PathPrefix="/aws-service-role/")["Roles"]:
        iam.delete_service_linked_role(RoleName=role["RoleName"])
    cloud.client("emr").put_block_public_access_configuration(
        BlockPublicAccessConfiguration={"BlockPublicSecurityGroupRules": False}
    )
    cloud.client("s3").delete_public_access_block(Bucket=cloud.bucket)
    cloud.client("s3").put_bucket_notification_configuration(
        Bucket=cloud.bucket, NotificationConfiguration={}
    )
    (schedule,) = events.list_rules(NamePrefix="fruits-local-reconcile-")["Rules"]
    events.disable_rule(Name=schedule["Name"])
    cloud.client("sqs").send_message(QueueUrl=outputs["failure_queue"], MessageBody="{}")
    cloudwatch = cloud.client("cloudwatch")
    alarms = {alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    cloudwatch.set_alarm_state(
        AlarmName=next(name for name in alarms if "missing-heartbeat" in name),
        StateValue="ALARM",
        StateReason="a test",
    )
    cloudwatch.delete_alarms(AlarmNames=[name for name in alarms if "overdue-clusters" in name])
    launcher = cloud.client("lambda").get_function_configuration(FunctionName=outputs["launcher_function"])
    settings = launcher["Environment"]["Variables"]
    kms.schedule_key_deletion(KeyId=settings[env_name("data_key_arn")], PendingWindowInDays=30)
    (trail,) = cloud.client("cloudtrail").describe_trails()["trailList"]
    cloud.client("cloudtrail").stop_logging(Name=trail["Name"])
    cloud.client("sns").subscribe(TopicArn=outputs["alarm_topic"], Protocol="https", Endpoint=OPERATOR)
    cloud.client("lambda").put_function_concurrency(
        FunctionName=outputs["launcher_function"], ReservedConcurrentExecutions=0
    )
    cloud.client("lambda").delete_function(FunctionName=outputs["tracker_function"])
    cloud.client("s3").delete_object(Bucket=cloud.bucket, Key=settings[env_name("job_key")])
    cloud.client("dynamodb").update_continuous_backups(
        TableName=outputs["ledger_table"],
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
    )
    cloud.client("dynamodb").update_item(
        TableName=outputs["ledger_table"],
        Key={"run_id": {"S": "#admissions"}},
        UpdateExpression="SET paused = :p",
        ExpressionAttributeValues={":p": {"BOOL": True}},
    )
    tags = {LEDGER_TAG: outputs["ledger_table"], RUN_TAG: "nobodys"}
    cloud.client("emr").run_job_flow(
        Name=f"{CLUSTER_PREFIX}nobodys",
        Instances={"KeepJobFlowAliveWhenNoSteps": True},
        JobFlowRole=settings[env_name("instance_profile_arn")],
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    return patient.examined()


@pytest.mark.parametrize(
    ("check", "status", "text"),
    [
        ("service-linked roles", "fault", "there is no service-linked role of elasticmapreduce"),
        ("service-linked roles", "warning", "there is no service-linked role of spot"),
        ("EMR public access", "fault", "somebody switched EMR's block on public access off"),
        ("buckets", "fault", "can be opened to the public: BlockPublicAcls, "),
        ("uploads", "fault", "does not tell fruits-local-launcher of uploads below manifests/"),
        ("rules", "fault", "is disabled"),
        ("failure queue", "fault", "about 1 events wait in the failure queue"),
        ("alarms", "fault", "fruits-local-missing-heartbeat rings: The reconciler has not completed"),
        ("alarms", "fault", "alarm fruits-local-overdue-clusters is not there"),
        ("keys", "fault", "the data key will be deleted"),
        ("audit trail", "fault", "does not record: nobody will know"),
        ("functions", "fault", "function fruits-local-tracker is not there"),
        ("artifacts", "fault", "clusters are told to fetch what is not in the bucket: artifacts/job-"),
        ("ledger", "fault", "its point-in-time recovery is off"),
        ("clusters", "fault", "(fruits-nobodys) computes no run, and costs money"),
        ("cost today", "warning", "launching is paused, and every new run waits"),
    ],
)
def test_each_damage_is_seen(damaged: Answer, check: str, status: str, text: str) -> None:
    assert damaged.code == 1
    assert [found for found, said in damaged.of(check) if text in said] == [status], damaged.of(check)


def test_a_stopped_launcher_and_an_unconfirmed_address_are_seen_when_the_tracker_is_back(
    patient: Patient, damaged: Answer
) -> None:
    """Both are found beside the tracker, which was gone: functions together, the runs' topic by it."""
    lambdas = patient.cloud.client("lambda")
    name = patient.cloud.outputs["launcher_function"]
    launcher = lambdas.get_function_configuration(FunctionName=name)
    tracking = {
        env_name(name): value
        for name, value in {
            "prefix": "fruits-local",
            "data_bucket": patient.cloud.bucket,
            "ledger_table": patient.cloud.outputs["ledger_table"],
            "topic_arn": patient.cloud.outputs["notification_topic"],
        }.items()
    }
    lambdas.create_function(
        FunctionName="fruits-local-tracker",
        Role=launcher["Role"],
        Runtime="python3.11",
        Handler="h.h",
        Code={"ZipFile": b"PK\x05\x06" + bytes(18)},
        Environment={"Variables": tracking},
    )
    lambdas.put_function_event_invoke_config(FunctionName="fruits-local-tracker", MaximumRetryAttempts=2)
    answer = patient.examined()
    functions = [text for _, text in answer.of("functions")]
    assert any(text.startswith(f"{name} may not run: its reserved concurrency is 0") for text in functions)
    assert "failed events of fruits-local-tracker do not go to the failure queue" in functions
    assert ("warning", f"{OPERATOR} has not confirmed yet, and hears nothing of alarms") in answer.of(
        "subscriptions"
    )


def test_credentials_that_may_not_look_are_told_what_they_may_not(patient: Patient) -> None:
    iam = patient.cloud.client("iam")
    iam.create_user(UserName="guest")
    key = iam.create_access_key(UserName="guest")["AccessKey"]
    answer = patient.examined(
        AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"]
    )
    assert answer.code == 4
    denied = [("refused", "your AWS credentials may not ask for it (ListRoles)")]
    assert answer.of("service-linked roles") == denied
    assert answer.of("identity")[0][0] == "ok"


def test_an_aws_that_cannot_be_reached_is_said_once_and_not_waited_for_again(patient: Patient) -> None:
    answer = patient.examined(AWS_ENDPOINT_URL="https://localhost:1")
    assert answer.code == 4
    ((status, text),) = answer.of("identity")
    assert (status, text) == ("refused", 'Could not connect to the endpoint URL: "https://localhost:1/"')
    assert answer.of("keys") == [("refused", f"not asked: {text}")]
