"""Where an event goes that a Lambda could not handle, or was not handed."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.components import iam
from infra.components.keys import READ_AND_WRITE
from infra.naming import Naming

RETENTION_SECONDS = 14 * 24 * 3600
"""The longest that SQS keeps a message: time to mend what failed and to redrive."""
VISIBILITY_SECONDS = 120
"""How long a message is hidden from others while somebody redrives it."""


class FailureQueue(pulumi.ComponentResource):
    """The on-failure destination of every Lambda: the event, the error and the function's name.

    Also the dead-letter queue of the stack's EventBridge rules: of events that never reached their Lambda.
    `fruits redrive` gives the events back to their functions.
    """

    def __init__(self, naming: Naming, key: aws.kms.Key, opts: pulumi.ResourceOptions | None = None) -> None:
        name = f"{naming.prefix}-failures"
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
            policy=iam.policy([iam.tls_only("sqs:*", [self.queue.arn]), self._from_rules(naming)]),
            opts=child,
        )
        self._naming, self._key = naming, key
        self.register_outputs({"queue": self.queue.url})

    def _from_rules(self, naming: Naming) -> iam.Statement:
        """EventBridge sends in its own name, not in a role's."""
        rules = {"ArnLike": {"aws:SourceArn": naming.arn("events", f"rule/{naming.prefix}-*")}}
        events = {"Service": "events.amazonaws.com"}
        return iam.Statement("FromRules", ["sqs:SendMessage"], [self.queue.arn], rules, principal=events)

    def access(self) -> list[iam.Statement]:
        """What a function must be allowed for its failures to be kept: Lambda sends them in its name."""
        return [
            iam.Statement("KeepFailures", ["sqs:SendMessage"], [self.queue.arn]),
            iam.Statement(
                "UseFailuresKey", READ_AND_WRITE, [self._key.arn], iam.through(self._naming, "sqs")
            ),
        ]
