"""The ledger: one row a run, guarded by conditional writes."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.place import Place


class Ledger(pulumi.ComponentResource):
    """An on-demand DynamoDB table that can be restored to any second of the last 35 days."""

    def __init__(self, place: Place, key: aws.kms.Key, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fruits:infra:Ledger", f"{place.prefix}-ledger", None, opts)
        self.table = aws.dynamodb.Table(
            f"{place.prefix}-runs",
            billing_mode="PAY_PER_REQUEST",
            hash_key="run_id",
            attributes=[{"name": "run_id", "type": "S"}],
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True, "kms_key_arn": key.arn},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.key = key
        self.register_outputs({"table": self.table.name})
