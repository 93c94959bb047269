"""What is deployed, as AWS tells it, and where each fact comes from.

Everything is found from the few names that a shell knows of the stack: the launcher's own environment names
what it works with, and each resource the key that it is encrypted by. So what is looked at is what is used.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from infra.components import alarms as declared
from infra.doctor.examination import Client, NotThere, there
from lambdas.aws.ledger import DynamoLedger
from lambdas.contract.settings import CommandSettings, LauncherSettings, TrackerSettings

FUNCTIONS = ("launcher", "tracker", "reconciler")
RULES: Mapping[str, str] = {"emr": "tracker", "reconcile": "reconciler"}
"""What the names of EventBridge's rules go on with after the stack's prefix, and whom each one calls."""


@dataclass(frozen=True)
class Function:
    """A Lambda function. ``sha256``: of its zip, in hex; ``stopped``: it may not run at all."""

    name: str
    state: str
    update: str
    sha256: str
    stopped: bool
    keeps_failures_in: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """A rule of EventBridge. ``targets``: ARNs."""

    name: str
    enabled: bool
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Uploads:
    """What the data bucket calls for new manifests: each function's ARN with the prefix of keys. ``allowed``:
    whether the launcher lets S3 call it."""

    calls: tuple[tuple[str, str], ...]
    allowed: bool


def is_called(name: str, called: str) -> bool:
    """Whether a resource has the program's name, after which Pulumi may put seven digits of its own."""
    return re.fullmatch(rf"{re.escape(called)}(-[0-9a-f]{{7}})?", name) is not None


def _the_one(names: Iterable[str], called: str, kind: str) -> str:
    found = next((name for name in names if is_called(name, called)), None)
    if found is None:
        raise NotThere(f"{kind} {called}")
    return found


class StackReader:
    """Reads a stack by ``client``. Nothing is asked twice, and nothing before it is needed.

    Every method may raise :class:`NotThere` and what boto3 raises.
    """

    def __init__(
        self, client: Client, settings: CommandSettings, new_ledger: Callable[[], DynamoLedger]
    ) -> None:
        self.client = client
        self._new_ledger = new_ledger
        self.settings = settings
        self.prefix = settings.prefix
        self._functions: dict[str, Function] = {}

    @cached_property
    def ledger(self) -> DynamoLedger:
        return self._new_ledger()

    def function(self, short_name: str) -> Function:
        """By the short name, such as ``launcher``."""
        if short_name not in self._functions:
            self._functions[short_name] = self._read_function(f"{self.prefix}-{short_name}")
        return self._functions[short_name]

    @cached_property
    def _function_names(self) -> tuple[str, ...]:
        pages = self.client("lambda").get_paginator("list_functions").paginate()
        return tuple(function["FunctionName"] for page in pages for function in page["Functions"])

    def _read_function(self, called: str) -> Function:
        lambdas, missing = self.client("lambda"), ["ResourceNotFoundException"]
        name = _the_one(self._function_names, called, "function")
        known = there(
            f"function {name}", lambda: lambdas.get_function_configuration(FunctionName=name), missing
        )
        invoked = there(
            f"what function {name} does with failed events",
            lambda: lambdas.get_function_event_invoke_config(FunctionName=name),
            missing,
        )
        concurrency = lambdas.get_function_concurrency(FunctionName=name)
        return Function(
            name=name,
            state=known.get("State", "Active"),
            update=known.get("LastUpdateStatus", "Successful"),
            sha256=base64.b64decode(known["CodeSha256"]).hex(),
            stopped=concurrency.get("ReservedConcurrentExecutions") == 0,
            keeps_failures_in=invoked.get("DestinationConfig", {})
            .get("OnFailure", {})
            .get("Destination", ""),
            environment=known.get("Environment", {}).get("Variables", {}),
        )

    @cached_property
    def launching(self) -> LauncherSettings:
        """What the launcher works with."""
        return LauncherSettings.from_env(self.function("launcher").environment)

    @cached_property
    def tracking(self) -> TrackerSettings:
        """What the tracker works with."""
        return TrackerSettings.from_env(self.function("tracker").environment)

    def rule(self, part: str) -> Rule:
        """The rule whose name goes on so, see :data:`RULES`."""
        events, called = self.client("events"), f"{self.prefix}-{part}"
        states = {rule["Name"]: rule["State"] for rule in events.list_rules(NamePrefix=called)["Rules"]}
        name = _the_one(states, called, "rule")
        targets = events.list_targets_by_rule(Rule=name)["Targets"]
        return Rule(name, states[name] == "ENABLED", tuple(target["Arn"] for target in targets))

    def uploads(self) -> Uploads:
        bucket, function = self.settings.data_bucket, self.function("launcher").name
        found = there(
            f"bucket {bucket}",
            lambda: self.client("s3").get_bucket_notification_configuration(Bucket=bucket),
            ["NoSuchBucket"],
        )
        policy = there(
            f"the permission for S3 to call {function}",
            lambda: self.client("lambda").get_policy(FunctionName=function)["Policy"],
            ["ResourceNotFoundException"],
        )
        callers = [statement["Principal"] for statement in json.loads(policy)["Statement"]]
        return Uploads(
            tuple(
                (call["LambdaFunctionArn"], _prefix_of(call))
                for call in found.get("LambdaFunctionConfigurations", [])
            ),
            {"Service": "s3.amazonaws.com"} in callers,
        )

    @cached_property
    def table(self) -> dict[str, Any]:
        """DynamoDB's description of the ledger, with ``PointInTimeRecovery``: whether it is on."""
        name, dynamodb = self.settings.ledger_table, self.client("dynamodb")
        missing = ["ResourceNotFoundException", "TableNotFoundException"]
        table = there(f"table {name}", lambda: dynamodb.describe_table(TableName=name)["Table"], missing)
        backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        return {**table, "PointInTimeRecovery": recovery == "ENABLED"}

    @cached_property
    def queue(self) -> dict[str, str]:
        """The attributes of the failure queue."""
        url = self.settings.failure_queue_url
        return dict(
            there(
                f"queue {url.rpartition('/')[2]}",
                lambda: self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"]),
                ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"],
            )["Attributes"]
        )

    @cached_property
    def trail(self) -> dict[str, Any]:
        """CloudTrail's description of the trail, and its status."""
        cloudtrail = self.client("cloudtrail")
        trails = cloudtrail.describe_trails(includeShadowTrails=False)["trailList"]
        known = {trail["Name"]: trail for trail in trails}
        name = _the_one(known, self.prefix, "trail")
        return {**known[name], **cloudtrail.get_trail_status(Name=name)}

    @cached_property
    def security(self) -> dict[str, Any]:
        """The content of the EMR security configuration that clusters are launched with."""
        name = self.launching.security_configuration
        described = there(
            f"EMR security configuration {name}",
            lambda: self.client("emr").describe_security_configuration(Name=name),
            ["InvalidRequestException", "ValidationException"],
        )
        return dict(json.loads(described["SecurityConfiguration"]))

    @cached_property
    def alarms(self) -> tuple[dict[str, Any], ...]:
        """CloudWatch's descriptions of the stack's alarms."""
        pages = self.client("cloudwatch").get_paginator("describe_alarms")
        names = [
            f"{self.prefix}-{alarm.name}"
            for alarm in declared.alarms(self.prefix, "", dict.fromkeys(FUNCTIONS, ""))
        ]
        # Those of a stack `eu-2` begin as those of `eu` do.
        return tuple(
            alarm
            for page in pages.paginate(AlarmNamePrefix=f"{self.prefix}-")
            for alarm in page.get("MetricAlarms", [])
            if any(is_called(alarm["AlarmName"], name) for name in names)
        )

    def keys(self) -> dict[str, str]:
        """The ARN of each key, by what it is for: as those name it that encrypt with it."""
        at_rest = self.security["EncryptionConfiguration"]["AtRestEncryptionConfiguration"]
        return {
            "data": self.launching.data_key_arn,
            "nodes": at_rest["LocalDiskEncryptionConfiguration"]["AwsKmsKey"],
            "control": self.queue.get("KmsMasterKeyId", ""),
            "audit": self.trail.get("KmsKeyId", ""),
        }

    def buckets(self) -> dict[str, str]:
        """The name of each bucket, by what it is for."""
        data = self.settings.data_bucket
        logging = there(
            f"bucket {data}",
            lambda: self.client("s3").get_bucket_logging(Bucket=data),
            ["NoSuchBucket"],
        )
        if "LoggingEnabled" not in logging:
            raise NotThere(f"access logging of bucket {data}")
        return {
            "data": data,
            "audit": self.trail["S3BucketName"],
            "access logs": logging["LoggingEnabled"]["TargetBucket"],
        }

    def topics(self) -> dict[str, str]:
        """The ARN of each topic, by what it is for."""
        actions = [action for alarm in self.alarms for action in alarm.get("AlarmActions", [])]
        if not actions:
            raise NotThere("the topic of the alarms")
        return {"alarms": actions[0], "runs": self.tracking.topic_arn}


def _prefix_of(call: Mapping[str, Any]) -> str:
    rules = call.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    # S3 writes the names of filters with a capital, and takes them without.
    return next((rule["Value"] for rule in rules if rule["Name"].lower() == "prefix"), "")
