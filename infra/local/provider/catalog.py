"""Glue's catalog of databases and tables, and Athena's workgroups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind, reported

_TABLE = {
    "name": "Name",
    "description": "Description",
    "tableType": "TableType",
    "parameters": "Parameters",
    "viewOriginalText": "ViewOriginalText",
    "viewExpandedText": "ViewExpandedText",
}
_STORAGE = {"location": "Location", "inputFormat": "InputFormat", "outputFormat": "OutputFormat"}
"""Our names of what a table consists of, and AWS'."""
_QUIET = {"description": "", "partitionKeys": []}
"""What a table says of what nobody gave."""
_CONFIGURATION = {
    "enforceWorkgroupConfiguration": "EnforceWorkGroupConfiguration",
    "publishCloudwatchMetricsEnabled": "PublishCloudWatchMetricsEnabled",
    "bytesScannedCutoffPerQuery": "BytesScannedCutoffPerQuery",
}


def _create_database(aws: Aws, _name: str, inputs: Inputs) -> Created:
    name = inputs["name"]
    aws.client("glue").create_database(DatabaseInput=_database(inputs), Tags=dict(aws.tags))
    return Created(f"{aws.account_id}:{name}", {"arn": aws.arn("glue", f"database/{name}")})


def _database(inputs: Inputs) -> dict[str, Any]:
    return {"Name": inputs["name"], "Description": inputs.get("description", "")}


def _read_database(aws: Aws, database: str, _known: Inputs) -> Found:
    name = database.rpartition(":")[2]
    about = aws.client("glue").get_database(Name=name)["Database"]
    return Found(
        {"name": name, "description": about["Description"]}, {"arn": aws.arn("glue", f"database/{name}")}
    )


def _update_database(aws: Aws, _database_id: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    aws.client("glue").update_database(Name=new["name"], DatabaseInput=_database(new))
    return {}


def _delete_database(aws: Aws, database: str, _known: Inputs) -> None:
    aws.client("glue").delete_database(Name=database.rpartition(":")[2])


def _create_table(aws: Aws, _name: str, inputs: Inputs) -> Created:
    database, name = inputs["databaseName"], inputs["name"]
    aws.client("glue").create_table(DatabaseName=database, TableInput=_table(inputs))
    return Created(f"{aws.account_id}:{database}:{name}", _table_outputs(aws, database, name))


def _table_outputs(aws: Aws, database: str, name: str) -> dict[str, Any]:
    return {"arn": aws.arn("glue", f"table/{database}/{name}")}


def _table(inputs: Inputs) -> dict[str, Any]:
    given = inputs["storageDescriptor"]
    storage = {**_named(given, _STORAGE), "Columns": _columns(given["columns"])}
    if serde := given.get("serDeInfo"):
        storage["SerdeInfo"] = {"SerializationLibrary": serde["serializationLibrary"]}
    return {
        **_named(inputs, _TABLE),
        "PartitionKeys": _columns(inputs.get("partitionKeys", ())),
        "StorageDescriptor": storage,
    }


def _named(values: Inputs, names: Mapping[str, str]) -> dict[str, Any]:
    return {aws: values[ours] for ours, aws in names.items() if ours in values}


def _columns(columns: Any) -> list[dict[str, str]]:
    return [{"Name": column["name"], "Type": column["type"]} for column in columns]


def _read_table(aws: Aws, table: str, known: Inputs) -> Found:
    _, database, name = table.split(":")
    about = aws.client("glue").get_table(DatabaseName=database, Name=name)["Table"]
    stored = about["StorageDescriptor"]
    storage = {ours: stored.get(theirs) for ours, theirs in _STORAGE.items()}
    storage["columns"] = _found_columns(stored["Columns"])
    if serde := stored.get("SerdeInfo"):
        storage["serDeInfo"] = {"serializationLibrary": serde["SerializationLibrary"]}
    inputs = {
        **{ours: about.get(theirs) for ours, theirs in _TABLE.items()},
        "databaseName": database,
        "partitionKeys": _found_columns(about["PartitionKeys"]),
        "storageDescriptor": {key: value for key, value in storage.items() if value is not None},
    }
    return Found(reported(inputs, known, _QUIET), _table_outputs(aws, database, name))


def _found_columns(columns: Any) -> list[dict[str, str]]:
    return [{"name": column["Name"], "type": column["Type"]} for column in columns]


def _update_table(aws: Aws, _table_id: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    aws.client("glue").update_table(DatabaseName=new["databaseName"], TableInput=_table(new))
    return {}


def _delete_table(aws: Aws, table: str, _known: Inputs) -> None:
    _, database, name = table.split(":")
    aws.client("glue").delete_table(DatabaseName=database, Name=name)


def _create_workgroup(aws: Aws, _name: str, inputs: Inputs) -> Created:
    name, given = inputs["name"], inputs["configuration"]
    aws.client("athena").create_work_group(
        Name=name,
        Description=inputs["description"],
        Configuration={**_limits(given), "ResultConfiguration": _results(given)},
        Tags=aws.tag_list,
    )
    return Created(name, {"arn": aws.arn("athena", f"workgroup/{name}")})


def _limits(configuration: Inputs) -> dict[str, Any]:
    most = int(configuration["bytesScannedCutoffPerQuery"])  # numbers come as floats
    return _named({**configuration, "bytesScannedCutoffPerQuery": most}, _CONFIGURATION)


def _results(configuration: Inputs) -> dict[str, Any]:
    given = configuration["resultConfiguration"]
    encryption = given["encryptionConfiguration"]
    return {
        "OutputLocation": given["outputLocation"],
        "EncryptionConfiguration": {
            "EncryptionOption": encryption["encryptionOption"],
            "KmsKey": encryption["kmsKeyArn"],
        },
    }


def _read_workgroup(aws: Aws, workgroup: str, _known: Inputs) -> Found:
    about = aws.client("athena").get_work_group(WorkGroup=workgroup)["WorkGroup"]
    found = about["Configuration"]
    results = found["ResultConfiguration"]
    encryption = results["EncryptionConfiguration"]
    configuration = {ours: found[theirs] for ours, theirs in _CONFIGURATION.items()} | {
        "resultConfiguration": {
            "outputLocation": results["OutputLocation"],
            "encryptionConfiguration": {
                "encryptionOption": encryption["EncryptionOption"],
                "kmsKeyArn": encryption["KmsKey"],
            },
        }
    }
    inputs = {"name": workgroup, "description": about["Description"], "configuration": configuration}
    return Found(inputs, {"arn": aws.arn("athena", f"workgroup/{workgroup}")})


def _update_workgroup(aws: Aws, workgroup: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    given = new["configuration"]
    updates = {**_limits(given), "ResultConfigurationUpdates": _results(given)}
    aws.client("athena").update_work_group(
        WorkGroup=workgroup, Description=new["description"], ConfigurationUpdates=updates
    )
    return {}


def _delete_workgroup(aws: Aws, workgroup: str, known: Inputs) -> None:
    aws.client("athena").delete_work_group(
        WorkGroup=workgroup, RecursiveDeleteOption=known.get("forceDestroy", False)
    )


KINDS: dict[str, Kind] = {
    "aws:athena/workgroup:Workgroup": Kind(
        _create_workgroup,
        _read_workgroup,
        _delete_workgroup,
        _update_workgroup,
        fixed=frozenset({"name"}),
        named="name",
    ),
    "aws:glue/catalogDatabase:CatalogDatabase": Kind(
        _create_database, _read_database, _delete_database, _update_database, fixed=frozenset({"name"})
    ),
    "aws:glue/catalogTable:CatalogTable": Kind(
        _create_table,
        _read_table,
        _delete_table,
        _update_table,
        fixed=frozenset({"name", "databaseName"}),
    ),
}
