"""What rings, and whom it tells. ``docs/runbook.md`` has a section for each, which its description names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pulumi
import pulumi_aws as aws

from infra.naming import Naming
from lambdas.contract import metrics
from lambdas.contract.metrics import NAMESPACE, STACK, Metric, Service

CERTIFICATE_DAYS = 60
"""Left to package and deploy before nodes stop talking to each other."""
DIGEST_LENGTH = 12
PERIOD_SECONDS = 300
"""Also the reconciler's period: each pass is one data point."""
FORGOTTEN_PAUSE_SECONDS = 12 * 3600
"""Longer than a pause for an upgrade or a look takes. An alarm may look back a day at most. Source: API
reference of PutMetricAlarm, ``Period``."""


class Missing(StrEnum):
    """What silence of a metric means. Source: API reference of PutMetricAlarm, ``TreatMissingData``."""

    GOOD = "notBreaching"
    BAD = "breaching"


class Comparison(StrEnum):
    """When a data point breaches. Source: as above, ``ComparisonOperator``."""

    ABOVE = "GreaterThanThreshold"
    BELOW = "LessThanThreshold"


@dataclass(frozen=True)
class Alarm:
    """Rings when ``statistic`` breaches ``threshold`` in so many (``breaches``) of the last ``periods``.

    ``section`` is the anchor in the runbook, and with ``part`` (where several alarms share one) the name.
    """

    section: str
    happened: str
    namespace: str
    metric: str
    dimensions: Mapping[str, pulumi.Input[str]]
    statistic: str
    part: str = ""
    comparison: Comparison = Comparison.ABOVE
    threshold: float = 0
    breaches: int = 1
    periods: int = 1
    """More than ``breaches`` where a pass that took longer may leave a period without a value."""
    missing: Missing = Missing.GOOD

    @property
    def name(self) -> str:
        return "-".join(filter(None, (self.section, self.part)))

    @property
    def description(self) -> str:
        return f"{self.happened} What to do: docs/runbook.md#{self.section}"


def alarms(
    stack: str, queue: pulumi.Input[str], functions: Mapping[str, pulumi.Input[str]]
) -> tuple[Alarm, ...]:
    """All of them, given the stack's prefix, the failure queue's name and the functions' by short ones."""
    of_functions = [
        alarm
        for short_name, function in functions.items()
        for alarm in (
            Alarm(
                "dropped-events",
                f"Events for the {short_name} were lost: neither handled nor kept in the failure queue.",
                "AWS/Lambda",
                "AsyncEventsDropped",
                {"FunctionName": function},
                "Sum",
                part=short_name,
            ),
            Alarm(
                "undelivered-failures",
                f"Failed events of the {short_name} could not be put into the failure queue, and are lost.",
                "AWS/Lambda",
                "DestinationDeliveryFailures",
                {"FunctionName": function},
                "Sum",
                part=short_name,
            ),
        )
    ]
    return (
        Alarm(
            "failed-events",
            "Events that a Lambda could not handle wait in the failure queue.",
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": queue},
            "Maximum",
        ),
        *of_functions,
        _of_stack(
            stack,
            "overdue-clusters",
            "A cluster is older than its run allows, and still there a pass after the order to end.",
            metrics.OVERDUE_CLUSTERS,
            # The pass that finds it orders its end; a second one means that this had no effect.
            breaches=2,
            periods=3,
        ),
        _of_stack(
            stack,
            "orphan-clusters",
            "A cluster of this stack computed no run; the reconciler has ordered its end.",
            metrics.ORPHAN_CLUSTERS,
        ),
        _of_stack(
            stack,
            "skipped-runs",
            "For ten minutes the stack could not deal with some of its runs; the others go on.",
            metrics.SKIPPED_RUNS,
            # What went wrong once is tried again in the next pass, and is nobody's business.
            breaches=2,
            periods=3,
        ),
        _of_stack(
            stack,
            "throttled-launches",
            "For a quarter of an hour EMR has throttled launches, or given no clear answer to them.",
            metrics.LAUNCHES_IN_DOUBT,
            # One refusal is tried again in the next pass, and is nobody's business.
            breaches=3,
            periods=4,
        ),
        _of_stack(
            stack,
            "forgotten-pause",
            f"Launching has been paused for {FORGOTTEN_PAUSE_SECONDS // 3600} hours; new runs wait.",
            metrics.LAUNCHING_PAUSED,
            breaches=FORGOTTEN_PAUSE_SECONDS // PERIOD_SECONDS,
            periods=FORGOTTEN_PAUSE_SECONDS // PERIOD_SECONDS + 1,
        ),
        Alarm(
            "expiring-certificate",
            f"The certificate of the clusters' nodes ends in less than {CERTIFICATE_DAYS} days.",
            NAMESPACE,
            metrics.NODE_CERTIFICATE_DAYS.name,
            _reconciler_of(stack),
            "Minimum",
            comparison=Comparison.BELOW,
            threshold=CERTIFICATE_DAYS,
        ),
        Alarm(
            "missing-heartbeat",
            "The reconciler has not completed a pass for a quarter of an hour.",
            NAMESPACE,
            metrics.HEARTBEAT.name,
            _reconciler_of(stack),
            "Sum",
            comparison=Comparison.BELOW,
            threshold=1,
            breaches=3,
            periods=3,
            missing=Missing.BAD,
        ),
    )


def _reconciler_of(stack: str) -> dict[str, str]:
    return {STACK: stack, "service": Service.RECONCILER.value}


def _of_stack(
    stack: str, section: str, happened: str, metric: Metric, breaches: int = 1, periods: int = 1
) -> Alarm:
    return Alarm(
        section,
        happened,
        NAMESPACE,
        metric.name,
        _reconciler_of(stack),
        "Maximum",
        breaches=breaches,
        periods=periods,
    )


@dataclass(frozen=True)
class AlarmsArgs:
    """``functions`` by short names; ``emails`` are told, and may be nobody."""

    queue: aws.sqs.Queue
    functions: Mapping[str, aws.lambda_.Function]
    control_key: aws.kms.Key
    emails: Sequence[str]


class Alarms(pulumi.ComponentResource):
    """The alarms, and a topic of their own: operators are other people than those who wait for a run."""

    def __init__(self, naming: Naming, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fruits:infra:Alarms", f"{naming.prefix}-alarms", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.topic = aws.sns.Topic(
            f"{naming.prefix}-alarms", kms_master_key_id=args.control_key.arn, opts=child
        )
        for email in args.emails:
            # By the address and not by its naming: SNS knows one subscription of an address, and one that
            # moved up would be subscribed again, which changes nothing, and then unsubscribed.
            digest = hashlib.sha256(email.encode()).hexdigest()[:DIGEST_LENGTH]
            aws.sns.TopicSubscription(
                f"{naming.prefix}-alarms-{digest}",
                topic=self.topic.arn,
                protocol="email",
                endpoint=email,
                opts=child,
            )
        names = {short_name: function.name for short_name, function in args.functions.items()}
        self.alarms = [
            _declare(f"{naming.prefix}-{alarm.name}", alarm, self.topic, child)
            for alarm in alarms(naming.prefix, args.queue.name, names)
        ]
        self.register_outputs({"topic": self.topic.arn})


def _declare(
    name: str, alarm: Alarm, topic: aws.sns.Topic, opts: pulumi.ResourceOptions
) -> aws.cloudwatch.MetricAlarm:
    return aws.cloudwatch.MetricAlarm(
        name,
        name=name,
        alarm_description=alarm.description,
        namespace=alarm.namespace,
        metric_name=alarm.metric,
        dimensions=alarm.dimensions,
        statistic=alarm.statistic,
        period=PERIOD_SECONDS,
        evaluation_periods=alarm.periods,
        datapoints_to_alarm=alarm.breaches,
        comparison_operator=alarm.comparison.value,
        threshold=alarm.threshold,
        treat_missing_data=alarm.missing.value,
        alarm_actions=[topic.arn],
        ok_actions=[topic.arn],
        opts=opts,
    )
