"""The ledger: one row per run, guarded by conditional writes; sparse indexes of the active and all runs."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.components import iam
from infra.naming import Naming

ACTIVE_INDEX = "active"
RECENT_INDEX = "recent"
"""As :mod:`lambdas.aws.ledger` queries them: Lambdas the first, people's commands the second."""


class Ledger(pulumi.ComponentResource):
    """An on-demand DynamoDB table that can be restored to any second of the last 35 days."""

    def __init__(
        self,
        naming: Naming,
        key: aws.kms.Key,
        *,
        keep: bool,
        table_name: str | None,
        adopted: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``keep`` makes it survive `pulumi destroy`, and anybody's attempt to delete it before."""
        super().__init__("fruits:infra:Ledger", f"{naming.prefix}-ledger", None, opts)
        self.table = aws.dynamodb.Table(
            f"{naming.prefix}-runs",
            name=table_name,
            billing_mode="PAY_PER_REQUEST",
            hash_key="run_id",
            attributes=[
                {"name": "run_id", "type": "S"},
                {"name": "active", "type": "S"},
                {"name": "listed", "type": "S"},
                {"name": "accepted_at", "type": "N"},
            ],
            # Sparse: only rows of active runs have the one attribute, however many have finished, and only
            # rows of runs the other.
            global_secondary_indexes=[
                _by_acceptance(ACTIVE_INDEX, "active"),
                _by_acceptance(RECENT_INDEX, "listed"),
            ],
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True, "kms_key_arn": key.arn},
            deletion_protection_enabled=keep,
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=keep, import_=adopted),
        )
        self.key = key
        self.register_outputs({"table": self.table.name})

    def access(self) -> iam.Statement:
        """What keeping the ledger takes. Nothing is ever deleted from it."""
        return iam.Statement(
            "KeepLedger",
            ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
            [self.table.arn],
        )

    def listing(self) -> iam.Statement:
        """What finding the active runs takes."""
        index = pulumi.Output.concat(self.table.arn, f"/index/{ACTIVE_INDEX}")
        return iam.Statement("ListActiveRuns", ["dynamodb:Query"], [index])


def _by_acceptance(name: str, attribute: str) -> aws.dynamodb.TableGlobalSecondaryIndexArgsDict:
    """An index of the rows that have ``attribute``, in the order of their acceptance."""
    return {"name": name, "hash_key": attribute, "range_key": "accepted_at", "projection_type": "ALL"}
