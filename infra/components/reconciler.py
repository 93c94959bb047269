"""The reconciler Lambda and the schedule that triggers it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from infra.components import iam
from infra.components.door import attend_access
from infra.components.door import settings as door_settings
from infra.components.function import Function, FunctionArgs, invoke_on
from infra.components.launcher import LauncherArgs, launch_access, settings
from infra.components.tracker import Tracker, track_access
from infra.naming import Naming
from lambdas.contract.run import LEDGER_TAG
from lambdas.contract.settings import ReconcilerSettings

SCHEDULE = "rate(5 minutes)"
TIMEOUT_SECONDS = 290
"""Less than the schedule's period; launches are spaced out as long as there is time."""
MEMORY_MB = 512


@dataclass(frozen=True)
class ReconcilerArgs:
    """It launches as the launcher does (``launching``) and follows clusters as the tracker does."""

    archive: Path
    launching: LauncherArgs
    tracker: Tracker


class Reconciler(pulumi.ComponentResource):
    """Every five minutes -> reconciler Lambda -> ledger and EMR agree again."""

    def __init__(
        self, naming: Naming, args: ReconcilerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("fruits:infra:Reconciler", f"{naming.prefix}-reconciler", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        own = ReconcilerSettings(args.launching.artifacts.certificate_expiry.isoformat())
        environment = pulumi.Output.all(
            settings(naming, args.launching),
            args.tracker.settings,
            door_settings(naming, args.launching.door),
        ).apply(
            lambda known: {name: value for each in (*known, own) for name, value in each.to_env().items()}
        )
        self.function = Function(
            naming,
            FunctionArgs(
                name="reconciler",
                description="Makes ledger and EMR agree, and launches what had to wait",
                archive=args.archive,
                handler="lambdas.reconciler.handler.handler",
                environment=environment,
                statements=_access(naming, args),
                timeout_seconds=TIMEOUT_SECONDS,
                memory_mb=MEMORY_MB,
                log_retention_days=args.launching.log_retention_days,
                key_arn=args.launching.control_key.arn,
                failures=args.launching.failures,
            ),
            opts=child,
        ).function
        rule = aws.cloudwatch.EventRule(
            f"{naming.prefix}-reconcile",
            description="Time to compare the ledger with EMR",
            schedule_expression=SCHEDULE,
            opts=child,
        )
        invoke_on(
            rule,
            self.function,
            name=f"{naming.prefix}-reconciler",
            source="schedule",
            failures=args.launching.failures,
            parent=self,
        )
        self.register_outputs({"function": self.function.name})


def _access(naming: Naming, args: ReconcilerArgs) -> list[iam.Statement]:
    tracking = track_access(naming, args.launching.storage, args.tracker.topic, args.launching.control_key)
    launching = launch_access(naming, args.launching)
    attending = attend_access(naming, args.launching.door)
    known = {statement.sid: statement for statement in (*launching, *tracking, *attending)}
    stopping = ["elasticmapreduce:SetTerminationProtection", "elasticmapreduce:TerminateJobFlows"]
    return [
        *known.values(),
        # Allowed on everything, then denied on every cluster but this stack's own: a request without a
        # resource, as the local cloud makes of these two, meets only the first; every request to AWS both.
        iam.Statement("StopClusters", stopping, ["*"]),
        iam.Statement(
            "StopNoForeignClusters",
            stopping,
            [naming.arn("elasticmapreduce", "cluster/*")],
            {
                "StringNotEquals": {
                    f"elasticmapreduce:ResourceTag/{LEDGER_TAG}": args.launching.ledger.table.name
                }
            },
            effect=iam.Effect.DENY,
        ),
    ]
