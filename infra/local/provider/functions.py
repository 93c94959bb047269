"""Lambda and its logs."""

from __future__ import annotations

from pathlib import Path

from infra.local.provider.resource import Aws, Created, Creator, Inputs, physical_name


def _log_group(aws: Aws, name: str, inputs: Inputs) -> Created:
    logs, group = aws.client("logs"), physical_name(name, inputs)
    logs.create_log_group(logGroupName=group, kmsKeyId=inputs["kmsKeyId"], tags=dict(aws.tags))
    logs.put_retention_policy(logGroupName=group, retentionInDays=int(inputs["retentionInDays"]))
    arn = f"arn:aws:logs:{aws.region}:{aws.account_id}:log-group:{group}"
    return Created(group, {"name": group, "arn": arn})


def _function(aws: Aws, name: str, inputs: Inputs) -> Created:
    function = physical_name(name, inputs)
    made = aws.client("lambda").create_function(
        FunctionName=function,
        Description=inputs["description"],
        Runtime=inputs["runtime"],
        Architectures=inputs["architectures"],
        Handler=inputs["handler"],
        Code={"ZipFile": Path(inputs["code"].path).read_bytes()},
        Role=inputs["role"],
        Environment={"Variables": inputs["environment"]["variables"]},
        Timeout=int(inputs["timeout"]),
        MemorySize=int(inputs["memorySize"]),
        LoggingConfig={
            "LogFormat": inputs["loggingConfig"]["logFormat"],
            "LogGroup": inputs["loggingConfig"]["logGroup"],
        },
        KMSKeyArn=inputs["kmsKeyArn"],
        TracingConfig={"Mode": inputs["tracingConfig"]["mode"]},
        Tags=dict(aws.tags),
    )
    return Created(function, {"name": function, "arn": made["FunctionArn"]})


def _permission(aws: Aws, name: str, inputs: Inputs) -> Created:
    source_account = {"SourceAccount": inputs["sourceAccount"]} if "sourceAccount" in inputs else {}
    aws.client("lambda").add_permission(
        FunctionName=inputs["function"],
        StatementId=name,
        Action=inputs["action"],
        Principal=inputs["principal"],
        SourceArn=inputs["sourceArn"],
        **source_account,
    )
    return Created(name, {"statementId": name})


def _event_invoke_config(aws: Aws, _name: str, inputs: Inputs) -> Created:
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName=inputs["functionName"],
        MaximumRetryAttempts=int(inputs["maximumRetryAttempts"]),
        MaximumEventAgeInSeconds=int(inputs["maximumEventAgeInSeconds"]),
        DestinationConfig={
            "OnFailure": {"Destination": inputs["destinationConfig"]["onFailure"]["destination"]}
        },
    )
    return Created(inputs["functionName"])


CREATORS: dict[str, Creator] = {
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:lambda/function:Function": _function,
    "aws:lambda/permission:Permission": _permission,
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": _event_invoke_config,
}
