"""An event that a Lambda cannot handle is kept, told of, and can be given back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.cloud import LocalCloud
from infra.local.ministack import ACCOUNT_ID
from lambdas.cli.main import main
from tests.infra.conftest import BROKEN, MENDED, SEEN, RecordingProvider

WAIT_SECONDS = 30.0
FUNCTIONS = ("launcher", "tracker", "reconciler")


class Stack:
    """The stack, and its shell. The launcher fails on what is broken, until somebody mends it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.outputs = outputs = cloud.outputs
        self.bucket, self.queue = outputs["data_bucket"], outputs["failure_queue"]
        self.s3, self.sqs = cloud.client("s3"), cloud.client("sqs")
        self.events = cloud.client("events")
        self.environment = {**cloud.environment, **cloud.shell}

    def waiting(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def seen(self) -> dict[str, Any] | None:
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=SEEN)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        event: dict[str, Any] = json.loads(body)
        return event


@pytest.fixture
def stack(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Known to this process, as to a person's shell."""
    stack = Stack(cloud)
    stack.sqs.purge_queue(QueueUrl=stack.queue)
    for key in (SEEN, MENDED):
        stack.s3.delete_object(Bucket=stack.bucket, Key=key)
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    return stack


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def redrive(capsys: pytest.CaptureFixture[str], stack: Stack) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["redrive", "--json"], stack.environment) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_an_event_that_failed_is_kept_and_reaches_the_mended_function_by_redrive(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    uploaded = stack.s3.put_object(Bucket=stack.bucket, Key=f"manifests/{BROKEN}.json", Body=b"{}")
    eventually(lambda: stack.waiting() == 1)

    # Still broken: the event is given back, fails again, and waits again.
    (again,) = redrive(capsys, stack)["redriven"]
    assert again == {"function": stack.outputs["launcher_function"], "error": "the function is broken"}
    eventually(lambda: stack.waiting() == 1)

    stack.s3.put_object(Bucket=stack.bucket, Key=MENDED, Body=b"")
    assert len(redrive(capsys, stack)["redriven"]) == 1
    eventually(stack.seen)
    event = stack.seen()
    assert event is not None
    assert event["Records"][0]["s3"]["object"]["versionId"] == uploaded["VersionId"], "the very event"
    assert stack.waiting() == 0

    assert redrive(capsys, stack) == {"redriven": [], "kept": []}


def test_what_cannot_be_redriven_is_kept_and_said(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    gone = {
        "requestContext": {"functionArn": f"arn:aws:lambda:eu-west-1:{ACCOUNT_ID}:function:gone"},
        "requestPayload": {},
        "responsePayload": {"errorMessage": "it failed"},
    }
    for body in (json.dumps(gone), "no JSON", "[]"):
        stack.sqs.send_message(QueueUrl=stack.queue, MessageBody=body)
    assert main(["redrive"], stack.environment) == 1
    said = capsys.readouterr().out
    assert said.count("kept:") == 3
    assert "kept: gone: " in said
    assert stack.waiting() == 3


def test_an_event_that_never_reached_its_function_reaches_it_by_redrive(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.s3.put_object(Bucket=stack.bucket, Key=MENDED, Body=b"")
    function = f"arn:aws:lambda:eu-west-1:{ACCOUNT_ID}:function:{stack.outputs['launcher_function']}"
    event = {"source": "aws.emr", "detail": {"clusterId": "j-1"}}
    # As EventBridge writes it: the event itself, and in attributes what became of it.
    told = {"TARGET_ARN": function, "ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "may not invoke"}
    stack.sqs.send_message(
        QueueUrl=stack.queue,
        MessageBody=json.dumps(event),
        MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in told.items()},
    )
    (redriven,) = redrive(capsys, stack)["redriven"]
    assert redriven == {"function": stack.outputs["launcher_function"], "error": "may not invoke"}
    eventually(stack.seen)
    assert stack.seen() == event
    assert stack.waiting() == 0


def test_every_rule_keeps_what_it_cannot_deliver(declared: RecordingProvider, stack: Stack) -> None:
    targets = declared.all_of("EventTarget")
    assert len(targets) == len(declared.all_of("EventRule"))
    assert {target["deadLetterConfig"]["arn"] for target in targets} == {
        "arn:test:sqs/queue:::fruits-eu-failures"
    }
    statements = {s["Sid"]: s for s in json.loads(declared.one("QueuePolicy")["policy"])["Statement"]}
    rules = statements["FromRules"]
    assert rules["Principal"] == {"Service": "events.amazonaws.com"}
    assert rules["Action"] == ["sqs:SendMessage"]
    (pattern,) = rules["Condition"]["ArnLike"].values()
    assert pattern.startswith("arn:aws:events:eu-west-1:")
    assert pattern.endswith(":rule/fruits-eu-*")
    for rule in stack.events.list_rules()["Rules"]:
        (created,) = stack.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        assert ":fruits-local-failures-" in created["DeadLetterConfig"]["Arn"]


def test_every_function_keeps_its_failures_in_the_encrypted_queue(declared: RecordingProvider) -> None:
    queue = declared.one("Queue")
    assert queue["kmsMasterKeyId"] == "arn:test:kms/key:::fruits-eu-control"
    assert queue["messageRetentionSeconds"] == 14 * 24 * 3600
    statements = {s["Sid"]: s for s in json.loads(declared.one("QueuePolicy")["policy"])["Statement"]}
    assert statements["TlsOnly"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    arn = "arn:test:sqs/queue:::fruits-eu-failures"
    configured = declared.all_of("FunctionEventInvokeConfig")
    assert len(configured) == len(declared.all_of("Function"))
    assert {config["destinationConfig"]["onFailure"]["destination"] for config in configured} == {arn}
    for role in FUNCTIONS:
        (keep,) = [s for s in declared.statements(role) if s["Sid"] == "KeepFailures"]
        assert (keep["Action"], keep["Resource"]) == (["sqs:SendMessage"], [arn])
        (unlock,) = [s for s in declared.statements(role) if s["Sid"] == "UseFailuresKey"]
        assert unlock["Resource"] == ["arn:test:kms/key:::fruits-eu-control"]
