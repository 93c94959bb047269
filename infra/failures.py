"""Where an event goes that a Lambda could not handle, or was not handed; and the alarms that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import iam
from infra.keys import READ_AND_WRITE
from infra.place import Place

RETENTION_SECONDS = 14 * 24 * 3600
"""The longest that SQS keeps a message: time to mend what failed and to redrive."""
VISIBILITY_SECONDS = 120
"""How long a message is hidden from others while somebody redrives it."""
PERIOD_SECONDS = 300
LOSSES = ("AsyncEventsDropped", "DestinationDeliveryFailures")
"""Lambda's metrics of events that are gone for good."""


class FailureQueue(pulumi.ComponentResource):
    """The on-failure destination of every Lambda: the event, the error and the function's name.

    Also the dead-letter queue of the stack's EventBridge rules: of events that never reached their Lambda.
    `fruits redrive` gives the events back to their functions.
    """

    def __init__(self, place: Place, key: aws.kms.Key, opts: pulumi.ResourceOptions | None = None) -> None:
        name = f"{place.prefix}-failures"
        super().__init__("fruits:infra:FailureQueue", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.queue = aws.sqs.Queue(
            name,
            kms_master_key_id=key.arn,
            message_retention_seconds=RETENTION_SECONDS,
            visibility_timeout_seconds=VISIBILITY_SECONDS,
            opts=child,
        )
        aws.sqs.QueuePolicy(
            name,
            queue_url=self.queue.url,
            policy=iam.policy([iam.tls_only("sqs:*", [self.queue.arn]), self._from_rules(place)]),
            opts=child,
        )
        self._place, self._key = place, key
        self.register_outputs({"queue": self.queue.url})

    def _from_rules(self, place: Place) -> iam.Statement:
        """EventBridge sends in its own name, not in a role's."""
        rules = {"ArnLike": {"aws:SourceArn": place.arn("events", f"rule/{place.prefix}-*")}}
        events = {"Service": "events.amazonaws.com"}
        return iam.Statement("FromRules", ["sqs:SendMessage"], [self.queue.arn], rules, principal=events)

    def access(self) -> list[iam.Statement]:
        """What a function must be allowed for its failures to be kept: Lambda sends them in its name."""
        return [
            iam.Statement("KeepFailures", ["sqs:SendMessage"], [self.queue.arn]),
            iam.Statement("UseFailuresKey", READ_AND_WRITE, [self._key.arn], iam.through(self._place, "sqs")),
        ]


@dataclass(frozen=True)
class FailureAlarmsArgs:
    """``functions`` by a short name; ``topic`` is where people are told."""

    failures: FailureQueue
    functions: Mapping[str, aws.lambda_.Function]
    topic: aws.sns.Topic


class FailureAlarms(pulumi.ComponentResource):
    """Alarms on events that wait in the queue, and on events that never got there."""

    def __init__(
        self, place: Place, args: FailureAlarmsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("fruits:infra:FailureAlarms", f"{place.prefix}-failure-alarms", None, opts)
        self._topic = args.topic
        self._alarm(
            f"{place.prefix}-failures",
            "Events that a Lambda could not handle wait in the failure queue: find the cause, then redrive.",
            namespace="AWS/SQS",
            metric_name="ApproximateNumberOfMessagesVisible",
            statistic="Maximum",
            dimensions={"QueueName": args.failures.queue.name},
        )
        for short_name, function in args.functions.items():
            for metric in LOSSES:
                self._alarm(
                    f"{place.prefix}-{short_name}-{metric}",
                    f"Events for the {short_name} were lost, neither handled nor kept in the failure queue.",
                    namespace="AWS/Lambda",
                    metric_name=metric,
                    statistic="Sum",
                    dimensions={"FunctionName": function.name},
                )
        self.register_outputs({})

    def _alarm(
        self,
        name: str,
        description: str,
        *,
        namespace: str,
        metric_name: str,
        statistic: str,
        dimensions: Mapping[str, pulumi.Input[str]],
    ) -> None:
        aws.cloudwatch.MetricAlarm(
            name,
            alarm_description=description,
            namespace=namespace,
            metric_name=metric_name,
            dimensions=dimensions,
            statistic=statistic,
            period=PERIOD_SECONDS,
            evaluation_periods=1,
            comparison_operator="GreaterThanThreshold",
            threshold=0,
            # Neither metric is reported while nothing fails.
            treat_missing_data="notBreaching",
            alarm_actions=[self._topic.arn],
            opts=pulumi.ResourceOptions(parent=self),
        )
