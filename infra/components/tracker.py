"""The tracker Lambda, the EMR events that trigger it, and the topic on which it tells people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from infra.components import iam
from infra.components.door import Door, attend_access
from infra.components.door import settings as door_settings
from infra.components.failure_queue import FailureQueue
from infra.components.function import Function, FunctionArgs, invoke_on
from infra.components.keys import READ, READ_AND_WRITE
from infra.components.ledger import Ledger
from infra.components.storage import Storage
from infra.naming import Naming
from lambdas.contract.report import STEPS
from lambdas.contract.run import CLUSTER_PREFIX
from lambdas.contract.settings import DoorSettings, TrackerSettings

TIMEOUT_SECONDS = 60
MEMORY_MB = 256
EVENT_PATTERN = {
    "source": ["aws.emr"],
    "$or": [
        {
            "detail-type": ["EMR Cluster State Change"],
            "detail": {"name": [{"prefix": CLUSTER_PREFIX}]},
        },
        {
            "detail-type": ["EMR Step Status Change"],
            "detail": {
                "name": list(STEPS),
                "state": ["RUNNING"],
                "message": [{"wildcard": f"*({CLUSTER_PREFIX}*"}],
            },
        },
    ],
}
"""The events that may change a run: all of its cluster, and that a step began.

In the events of a step ``name`` is the step's, and the cluster's stands in the message alone:
``... in Amazon EMR cluster j-123 (fruits-...) started running ...``. How a step ends is asked when its
cluster does; events of instance fleets change no run. EMR names no stack in its events: those of another
stack of this project in the account arrive here too, and are ignored when no run has the cluster.
Sources: EMR Management Guide, "Monitoring Amazon EMR events with CloudWatch"; EventBridge User Guide,
"Comparison operators for use in event patterns".
"""


@dataclass(frozen=True)
class TrackerArgs:
    """``notification_email`` None means that nobody is subscribed yet."""

    archive: Path
    storage: Storage
    ledger: Ledger
    notification_email: str | None
    control_key: aws.kms.Key
    log_retention_days: int
    failures: FailureQueue
    door: Door | None
    """To workbenches; None where the stack opens none."""


class Tracker(pulumi.ComponentResource):
    """EMR state events -> tracker Lambda -> ledger, ``status.json`` and topic."""

    def __init__(self, naming: Naming, args: TrackerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fruits:infra:Tracker", f"{naming.prefix}-tracker", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.topic = aws.sns.Topic(
            f"{naming.prefix}-runs", kms_master_key_id=args.control_key.arn, opts=child
        )
        if args.notification_email:
            aws.sns.TopicSubscription(
                f"{naming.prefix}-email",
                topic=self.topic.arn,
                protocol="email",
                endpoint=args.notification_email,
                opts=child,
            )
        self.settings = pulumi.Output.all(
            data_bucket=args.storage.bucket.id, ledger_table=args.ledger.table.name, topic_arn=self.topic.arn
        ).apply(lambda known: TrackerSettings(prefix=naming.prefix, **known))
        self.function = Function(
            naming,
            FunctionArgs(
                name="tracker",
                description="Follows EMR clusters and keeps each run's record and status",
                archive=args.archive,
                handler="lambdas.tracker.handler.handler",
                environment=pulumi.Output.all(self.settings, door_settings(naming, args.door)).apply(
                    lambda both: TrackerSettings.to_env(both[0]) | DoorSettings.to_env(both[1])
                ),
                statements=[
                    *track_access(naming, args.storage, self.topic, args.control_key),
                    *attend_access(naming, args.door),
                    args.ledger.access(),
                ],
                timeout_seconds=TIMEOUT_SECONDS,
                memory_mb=MEMORY_MB,
                log_retention_days=args.log_retention_days,
                key_arn=args.control_key.arn,
                failures=args.failures,
            ),
            opts=child,
        ).function
        rule = aws.cloudwatch.EventRule(
            f"{naming.prefix}-emr",
            description="State changes of clusters that compute runs, and of their steps",
            event_pattern=json.dumps(EVENT_PATTERN),
            opts=child,
        )
        invoke_on(
            rule,
            self.function,
            name=f"{naming.prefix}-tracker",
            source="events",
            failures=args.failures,
            parent=self,
        )
        self.register_outputs({"function": self.function.name})


def track_access(
    naming: Naming, storage: Storage, topic: aws.sns.Topic, control_key: aws.kms.Key
) -> list[iam.Statement]:
    """What following clusters takes, apart from the ledger."""
    return [
        *iam.run_objects(storage.bucket.arn),
        iam.Statement(
            "InspectClusters",
            [
                "elasticmapreduce:DescribeCluster",
                "elasticmapreduce:ListInstances",
                "elasticmapreduce:ListSteps",
            ],
            [naming.arn("elasticmapreduce", "cluster/*")],
        ),
        iam.Statement("TellPeople", ["sns:Publish"], [topic.arn]),
        iam.Statement("UseDataKey", READ_AND_WRITE, [storage.key.arn], iam.through(naming, "s3")),
        iam.Statement("UseLedgerKey", READ, [control_key.arn], iam.through(naming, "dynamodb")),
        iam.Statement("UseTopicKey", READ_AND_WRITE, [control_key.arn], iam.through(naming, "sns")),
    ]
