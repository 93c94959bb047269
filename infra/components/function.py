"""A Lambda function with its own role and its own log group: nothing shared, nothing extra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from infra.components import iam
from infra.components.failure_queue import FailureQueue
from infra.naming import Naming
from infra.target import ARCHITECTURE, PYTHON_VERSION

TARGET = "function"
"""The id of a rule's target; as with :data:`infra.components.iam.OWN_POLICY`, not chosen by Pulumi."""
MAX_RETRIES = 2
MAX_EVENT_AGE_SECONDS = 6 * 3600


@dataclass(frozen=True)
class FunctionArgs:
    """``statements`` is all that the function may do, apart from its own log, traces and keeping failures."""

    name: str
    description: str
    archive: Path
    handler: str
    environment: pulumi.Input[dict[str, str]]
    statements: Sequence[iam.Statement]
    timeout_seconds: int
    memory_mb: int
    log_retention_days: int
    key_arn: pulumi.Input[str]
    """Encrypts its log and its environment."""
    failures: FailureQueue
    """Gets what failed after all retries."""


class Function(pulumi.ComponentResource):
    """An asynchronously invoked function."""

    def __init__(
        self, naming: Naming, args: FunctionArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        name = f"{naming.prefix}-{args.name}"
        super().__init__("fruits:infra:Function", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        log_group = aws.cloudwatch.LogGroup(
            name,
            name_prefix=f"/aws/lambda/{name}-",
            retention_in_days=args.log_retention_days,
            kms_key_id=args.key_arn,
            opts=child,
        )
        role = aws.iam.Role(
            name,
            description=args.description,
            assume_role_policy=iam.trust("lambda.amazonaws.com", iam.for_no_other_account(naming)),
            opts=child,
        )
        # Traces are of no resource that IAM could name.
        traces = iam.Statement("SendTraces", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"])
        own_log = iam.Statement(
            "WriteOwnLog",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [pulumi.Output.concat(log_group.arn, ":*")],
        )
        access = aws.iam.RolePolicy(
            name,
            name=iam.OWN_POLICY,
            role=role.name,
            policy=iam.policy([*args.statements, own_log, traces, *args.failures.access()]),
            opts=child,
        )
        self.function = aws.lambda_.Function(
            name,
            description=args.description,
            runtime=f"python{PYTHON_VERSION}",
            architectures=[ARCHITECTURE],
            handler=args.handler,
            code=pulumi.FileArchive(str(args.archive)),
            role=role.arn,
            environment={"variables": args.environment},
            kms_key_arn=args.key_arn,
            timeout=args.timeout_seconds,
            memory_size=args.memory_mb,
            tracing_config={"mode": "Active"},
            # powertools prints JSON itself; Lambda's own JSON format would wrap it a second time.
            logging_config={"log_format": "Text", "log_group": log_group.name},
            # Without its policy, the function would fail on an event that arrives during deployment.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[access]),
        )
        aws.lambda_.FunctionEventInvokeConfig(
            name,
            function_name=self.function.name,
            maximum_retry_attempts=MAX_RETRIES,
            maximum_event_age_in_seconds=MAX_EVENT_AGE_SECONDS,
            destination_config={"on_failure": {"destination": args.failures.queue.arn}},
            opts=child,
        )
        self.register_outputs({"function": self.function.name})


def invoke_on(
    rule: aws.cloudwatch.EventRule,
    function: aws.lambda_.Function,
    *,
    name: str,
    source: str,
    failures: FailureQueue,
    parent: pulumi.Resource,
) -> None:
    """Let EventBridge invoke the function by the rule. What it cannot hand over goes to the failures.

    ``name`` is the function's logical name; ``source`` says in a word or two where the events come from.
    """
    permission = aws.lambda_.Permission(
        f"{name}-from-{source}",
        function=function.name,
        action="lambda:InvokeFunction",
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    aws.cloudwatch.EventTarget(
        name,
        rule=rule.name,
        target_id=TARGET,
        arn=function.arn,
        dead_letter_config={"arn": failures.queue.arn},
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[permission]),
    )
