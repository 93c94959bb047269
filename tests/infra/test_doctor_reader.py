"""How doctor reads a deployed stack: what is not there is told from what it may not see."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.doctor import deployed, guards
from infra.doctor.examination import Check, NotThere, examine
from infra.doctor.stack import StackReader, is_called
from lambdas.contract.settings import CommandSettings, LauncherSettings, TrackerSettings
from tests.infra.answers import Answers, aws_error

COMMANDS = CommandSettings(
    "bucket",
    "table",
    "eu-west-1",
    "https://sqs/1/fruits-eu-failures",
    "fruits-eu",
    "emr-7.12.0",
    "20",
    "100",
    "0.5",
)
LAUNCHING = LauncherSettings(**{field: field for field in LauncherSettings.__dataclass_fields__})
TRACKING = TrackerSettings("fruits-eu", "bucket", "table", "arn:runs")
FUNCTION = {
    "CodeSha256": "YQ==",
    "Environment": {"Variables": {**LAUNCHING.to_env(), **TRACKING.to_env()}},
}
AT_REST = {"LocalDiskEncryptionConfiguration": {"AwsKmsKey": "arn:nodes"}}
SECURITY = {"EncryptionConfiguration": {"AtRestEncryptionConfiguration": AT_REST}}
WHOLE: dict[str, Any] = {
    "list_functions": {
        "Functions": [{"FunctionName": f"fruits-eu-{name}"} for name in ("launcher", "tracker-0123456")]
    },
    "get_function_configuration": FUNCTION,
    "get_function_event_invoke_config": {},
    "get_function_concurrency": {},
    "get_policy": {"Policy": json.dumps({"Statement": [{"Principal": {"Service": "s3.amazonaws.com"}}]})},
    "get_bucket_notification_configuration": {},
    "get_bucket_logging": {"LoggingEnabled": {"TargetBucket": "access-logs"}},
    "get_bucket_versioning": {"Status": "Enabled"},
    "get_public_access_block": {"PublicAccessBlockConfiguration": {}},
    "get_bucket_encryption": {
        "ServerSideEncryptionConfiguration": {
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        }
    },
    "list_rules": {"Rules": []},
    "describe_table": {"Table": {}},
    "describe_continuous_backups": {"ContinuousBackupsDescription": {}},
    "get_queue_attributes": {"Attributes": {"KmsMasterKeyId": "arn:control"}},
    "describe_trails": {
        "trailList": [{"Name": "fruits-eu", "S3BucketName": "audit", "KmsKeyId": "arn:audit"}]
    },
    "get_trail_status": {"IsLogging": True},
    "describe_security_configuration": {"SecurityConfiguration": json.dumps(SECURITY)},
    "describe_alarms": {
        "MetricAlarms": [
            # Another stack, whose name begins as this one's does.
            {"AlarmName": "fruits-eu-2-failed-events", "AlarmActions": ["arn:alarms-of-another"]},
            {"AlarmName": "fruits-eu-failed-events", "AlarmActions": ["arn:alarms"]},
        ]
    },
    "describe_key": {"KeyMetadata": {"KeyState": "Enabled"}},
    "list_objects_v2": {"Contents": [{}]},
    "describe_subnets": {"Subnets": [{"VpcId": "vpc"}]},
    "describe_security_groups": {},
    "describe_vpc_endpoints": {
        "VpcEndpoints": [{"ServiceName": "com.amazonaws.eu-west-1.s3", "State": "available"}]
    },
    "get_role": {},
    "get_instance_profile": {"InstanceProfile": {"Roles": [{}]}},
}


def no_ledger() -> Any:
    raise AssertionError("the ledger is not asked here")


def reader(**answers: Any) -> StackReader:
    return StackReader(Answers(**{**WHOLE, **answers}), COMMANDS, no_ledger)


NOTHING_THERE: list[tuple[str, str, Callable[[StackReader], Any], str]] = [
    (
        "get_function_configuration",
        "ResourceNotFoundException",
        lambda stack: stack.function("launcher"),
        "function fruits-eu-launcher",
    ),
    (
        "get_function_event_invoke_config",
        "ResourceNotFoundException",
        lambda stack: stack.function("tracker"),
        "what function fruits-eu-tracker-0123456 does with failed events",
    ),
    (
        "get_bucket_notification_configuration",
        "NoSuchBucket",
        lambda stack: stack.uploads(),
        "bucket bucket",
    ),
    (
        "get_policy",
        "ResourceNotFoundException",
        lambda stack: stack.uploads(),
        "the permission for S3 to call fruits-eu-launcher",
    ),
    ("get_bucket_logging", "NoSuchBucket", lambda stack: stack.buckets(), "bucket bucket"),
    ("describe_table", "ResourceNotFoundException", lambda stack: stack.table, "table table"),
    (
        "get_queue_attributes",
        "AWS.SimpleQueueService.NonExistentQueue",
        lambda stack: stack.queue,
        "queue fruits-eu-failures",
    ),
    (
        "describe_security_configuration",
        "InvalidRequestException",
        lambda stack: stack.security,
        "EMR security configuration security_configuration",
    ),
    (
        "get_bucket_versioning",
        "NoSuchBucket",
        lambda stack: guards.read_bucket(stack, "audit"),
        "bucket audit",
    ),
    ("describe_key", "NotFoundException", guards.read_keys, "the data key data_key_arn"),
    ("list_objects_v2", "NoSuchBucket", deployed.read_missing_artifacts, "bucket bucket"),
]


@pytest.mark.parametrize(("operation", "code", "read", "what"), NOTHING_THERE)
def test_what_is_not_there_is_named(
    operation: str, code: str, read: Callable[[StackReader], Any], what: str
) -> None:
    with pytest.raises(NotThere) as missing:
        read(reader(**{operation: aws_error(code)}))
    assert str(missing.value) == what


@pytest.mark.parametrize(("operation", "code", "read", "what"), NOTHING_THERE)
def test_what_may_not_be_read_is_not_taken_for_missing(
    operation: str, code: str, read: Callable[[StackReader], Any], what: str
) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        read(reader(**{operation: aws_error("AccessDenied")}))


@pytest.mark.parametrize(
    ("answer", "read", "what"),
    [
        ({"list_functions": {"Functions": []}}, lambda stack: stack.launching, "function fruits-eu-launcher"),
        ({"list_rules": {"Rules": []}}, lambda stack: stack.rule("emr"), "rule fruits-eu-emr"),
        # Another stack, whose name begins as this one's rule does.
        (
            {"list_rules": {"Rules": [{"Name": "fruits-eu-emr-reconcile-0123456", "State": "ENABLED"}]}},
            lambda stack: stack.rule("emr"),
            "rule fruits-eu-emr",
        ),
        ({"describe_trails": {"trailList": []}}, lambda stack: stack.trail, "trail fruits-eu"),
        ({"get_bucket_logging": {}}, lambda stack: stack.buckets(), "access logging of bucket bucket"),
        ({"describe_alarms": {"MetricAlarms": []}}, lambda stack: stack.topics(), "the topic of the alarms"),
    ],
)
def test_an_empty_answer_means_not_there(
    answer: dict[str, Any], read: Callable[[StackReader], Any], what: str
) -> None:
    with pytest.raises(NotThere) as missing:
        read(reader(**answer))
    assert str(missing.value) == what


def test_each_part_is_found_by_those_that_use_it() -> None:
    stack = reader()
    assert stack.keys() == {
        "data": "data_key_arn",
        "nodes": "arn:nodes",
        "control": "arn:control",
        "audit": "arn:audit",
    }
    assert stack.buckets() == {"data": "bucket", "audit": "audit", "access logs": "access-logs"}
    assert stack.topics() == {"alarms": "arn:alarms", "runs": "arn:runs"}


@pytest.mark.parametrize(
    ("name", "is_it"),
    [("fruits-eu", True), ("fruits-eu-0a1b2c3", True), ("fruits-eu-two", False), ("my-fruits-eu", False)],
)
def test_a_resource_is_known_with_and_without_the_digits_that_pulumi_adds(name: str, is_it: bool) -> None:
    assert is_called(name, "fruits-eu") is is_it


def test_nothing_is_asked_twice() -> None:
    stack = reader()
    for _ in range(2):
        stack.keys()
        stack.buckets()
        stack.function("launcher")
    asked = [operation for operation, _ in stack.client("any").asked if operation != "get_bucket_logging"]
    assert len(asked) == len(set(asked))


def test_a_stack_of_another_version_is_said_to_be_one() -> None:
    old = {**FUNCTION, "Environment": {"Variables": {}}}
    stack = reader(get_function_configuration=old)
    (line,) = examine(Check("the stack", "keys", lambda: guards.keys(guards.read_keys(stack))))
    assert line.finding.text.startswith("what is deployed is of another version than this checkout (missing")


def test_a_bucket_without_block_and_encryption_is_one_without_guards() -> None:
    stack = reader(
        get_public_access_block=aws_error("NoSuchPublicAccessBlockConfiguration"),
        get_bucket_encryption=aws_error("ServerSideEncryptionConfigurationNotFoundError"),
    )
    found = guards.read_bucket(stack, "b")
    assert len(found.open) == 4
    assert found.encryption == "none"
    for operation in ("get_public_access_block", "get_bucket_encryption"):
        with pytest.raises(ClientError):
            guards.read_bucket(reader(**{operation: aws_error("AccessDenied")}), "b")


def test_subnets_and_groups_that_ec2_does_not_know_are_named() -> None:
    found = deployed.read_network(
        reader(
            describe_subnets=aws_error("InvalidSubnetID.NotFound"),
            describe_security_groups=aws_error("InvalidGroup.NotFound"),
        )
    )
    assert found.missing == ["subnet_ids", "node_security_group", "service_security_group"]
    assert found.endpoints == {}
    assert deployed.read_network(reader()).endpoints == {"s3": "available"}
    with pytest.raises(ClientError):
        deployed.read_network(reader(describe_subnets=aws_error("UnauthorizedOperation")))


def test_roles_that_iam_does_not_know_are_named() -> None:
    gone = aws_error("NoSuchEntity")
    assert deployed.read_missing_roles(reader(get_role=gone, get_instance_profile=gone)) == [
        "service_role_arn",
        "instance_profile_arn",
    ]
    empty = {"InstanceProfile": {"Roles": []}}
    assert deployed.read_missing_roles(reader(get_instance_profile=empty)) == [
        "the role in instance_profile_arn"
    ]
    assert deployed.read_missing_roles(reader()) == []


def test_artifacts_that_are_not_in_the_bucket_are_named() -> None:
    wheelhouses = [f"{of}wheelhouse_prefix" for of in ("", "reference_", "arm_", "arm_reference_")]
    all_of_them = ["job_key", "step_key", "bootstrap_key", *wheelhouses, "model_key", "weights_key"]
    assert deployed.read_missing_artifacts(reader(list_objects_v2={})) == all_of_them
    assert deployed.read_missing_artifacts(reader()) == []


def test_artifacts_that_are_not_used_are_not_asked_for() -> None:
    unused = [name for name in LauncherSettings.__dataclass_fields__ if "wheelhouse" in name]
    preinstalled = replace(LAUNCHING, bootstrap_key="", **dict.fromkeys(unused, ""))
    function = {**FUNCTION, "Environment": {"Variables": preinstalled.to_env()}}
    stack = reader(get_function_configuration=function, list_objects_v2={})
    assert deployed.read_missing_artifacts(stack) == ["job_key", "step_key", "model_key", "weights_key"]
