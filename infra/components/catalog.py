"""SQL over the results: a Glue database for Athena, without a crawler, and a workgroup to ask it in.

A table reads the folders of all runs. Which one, Athena computes from the ``dataset`` and ``run_id`` that a
query asks for (partition projection of the type ``injected``): nothing is registered when a run ends, and
nothing costs while nobody asks. Both have to stand in the query as constants.

Parts are there before their table is complete, and Athena overlooks ``_SUCCESS``, as any name with an
underscore in front. But a step reports success after it has written the marker. So the views join the
reports, and show a table only when its step has succeeded.

Sources: Athena User Guide, "Use dynamic ID partitioning", "Amazon Ion Hive SerDe", "Open CSV SerDe".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.components import catalog_tables
from infra.components.catalog_tables import Table, View
from infra.components.storage import Storage
from infra.naming import Naming
from lambdas.contract.layout import QUERIES

MOST_BYTES_A_QUERY = 100 * 10**9
"""What a query may read before Athena stops it: the features of twenty million images, for half a dollar."""


@dataclass(frozen=True)
class CatalogArgs:
    """``after`` is what has to be there first."""

    storage: Storage
    after: Sequence[pulumi.Resource]


class Catalog(pulumi.ComponentResource):
    """A database with a table and a view for each kind of result, and a workgroup."""

    def __init__(self, naming: Naming, args: CatalogArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fruits:infra:Catalog", f"{naming.prefix}-catalog", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        bucket = args.storage.bucket.id
        self.database = aws.glue.CatalogDatabase(
            naming.prefix,
            # People type it: no hyphen, which SQL does not take in a name, and no digits of Pulumi's. So one
            # that an engine made, and did not record before it was killed, is in the way of the next. Hence
            # it comes last.
            name=naming.prefix.replace("-", "_"),
            description="Results of runs",
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=list(args.after))),
        )
        for table in catalog_tables.TABLES:
            self._declare(naming, table.name, child, **_of_table(table, bucket))
        for view in catalog_tables.VIEWS:
            self._declare(naming, view.name, child, **_of_view(view, self.database.name))
        # Answers would otherwise go to wherever the caller says, in any region and under any key.
        self.workgroup = aws.athena.Workgroup(
            naming.prefix,
            description="Queries of results; answers stay in the data bucket",
            configuration={
                "enforce_workgroup_configuration": True,
                "bytes_scanned_cutoff_per_query": MOST_BYTES_A_QUERY,
                "publish_cloudwatch_metrics_enabled": False,
                "result_configuration": {
                    "output_location": pulumi.Output.concat("s3://", bucket, "/", QUERIES),
                    "encryption_configuration": {
                        "encryption_option": "SSE_KMS",
                        "kms_key_arn": args.storage.key.arn,
                    },
                },
            },
            # Else AWS keeps a workgroup in which somebody has asked something.
            force_destroy=True,
            opts=child,
        )
        self.register_outputs({"database": self.database.name, "workgroup": self.workgroup.name})

    def _declare(self, naming: Naming, name: str, opts: pulumi.ResourceOptions, **inputs: Any) -> None:
        aws.glue.CatalogTable(
            f"{naming.prefix}-{name}", name=name, database_name=self.database.name, opts=opts, **inputs
        )


def _of_table(table: Table, bucket: pulumi.Output[str]) -> dict[str, Any]:
    return {
        "table_type": "EXTERNAL_TABLE",
        "description": table.description,
        "partition_keys": _columns(table.partitions),
        "parameters": {
            **table.parameters,
            "storage.location.template": pulumi.Output.concat("s3://", bucket, "/", table.template),
        },
        "storage_descriptor": {
            "location": pulumi.Output.concat("s3://", bucket, "/", table.prefix),
            "columns": _columns(table.columns),
            "input_format": table.format.input_format,
            "output_format": table.format.output_format,
            "ser_de_info": {"serialization_library": table.format.serde},
        },
    }


def _of_view(view: View, database: pulumi.Output[str]) -> dict[str, Any]:
    return {
        "table_type": "VIRTUAL_VIEW",
        "description": view.description,
        "parameters": {"presto_view": "true", "comment": "Presto View"},
        "storage_descriptor": {"columns": _columns(view.columns)},
        "view_expanded_text": "/* Presto View */",
        "view_original_text": database.apply(view.definition),
    }


def _columns(columns: Sequence[catalog_tables.SqlColumn]) -> list[dict[str, str]]:
    return [{"name": column.name, "type": column.type.hive} for column in columns]
