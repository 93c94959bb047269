"""Lambda: functions, who may invoke them, and what becomes of failed events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.local.provider.resource import (
    Aws,
    Created,
    Found,
    Inputs,
    Kind,
    path_of,
    reported,
)

_DEFAULTS = {
    "description": "",
    "timeout": 3,
    "memorySize": 128,
    "architectures": ["x86_64"],
    "kmsKeyArn": "",
    "tracingConfig": {"mode": "PassThrough"},
}
"""Source: API reference of CreateFunction."""
_POLL_SECONDS = 1


def _code(inputs: Inputs) -> dict[str, Any]:
    return {"ZipFile": Path(path_of(inputs["code"])).read_bytes()}


def _architectures(inputs: Inputs) -> list[str]:
    return list(inputs.get("architectures", _DEFAULTS["architectures"]))


def _configuration(inputs: Inputs) -> dict[str, Any]:
    """All that can be set apart from code, with AWS' defaults for what is not given."""
    name = inputs["name"]
    logging = inputs.get("loggingConfig", {})
    return {
        "FunctionName": name,
        "Description": inputs.get("description", ""),
        "Runtime": inputs["runtime"],
        "Handler": inputs["handler"],
        "Role": inputs["role"],
        "Environment": {"Variables": inputs.get("environment", {}).get("variables", {})},
        "Timeout": int(inputs.get("timeout", _DEFAULTS["timeout"])),
        "MemorySize": int(inputs.get("memorySize", _DEFAULTS["memorySize"])),
        "KMSKeyArn": inputs.get("kmsKeyArn", ""),
        "TracingConfig": {"Mode": inputs.get("tracingConfig", _DEFAULTS["tracingConfig"])["mode"]},
        "LoggingConfig": {
            "LogFormat": logging.get("logFormat", "Text"),
            "LogGroup": logging.get("logGroup", f"/aws/lambda/{name}"),
        },
    }


def _create(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("lambda").create_function(
        **_configuration(inputs),
        Architectures=_architectures(inputs),
        Code=_code(inputs),
        Tags=dict(aws.tags),
    )
    if "reservedConcurrentExecutions" in inputs:
        _reserve(aws, inputs)
    return Created(inputs["name"], _outputs(made))


def _outputs(function: Mapping[str, Any]) -> dict[str, Any]:
    return {"arn": function["FunctionArn"], "sourceCodeSize": function["CodeSize"]}


def _reserve(aws: Aws, inputs: Inputs) -> None:
    awslambda = aws.client("lambda")
    if "reservedConcurrentExecutions" in inputs:
        reserved = int(inputs["reservedConcurrentExecutions"])
        awslambda.put_function_concurrency(FunctionName=inputs["name"], ReservedConcurrentExecutions=reserved)
    else:
        awslambda.delete_function_concurrency(FunctionName=inputs["name"])


def _read(aws: Aws, function: str, known: Inputs) -> Found:
    answer = aws.client("lambda").get_function(FunctionName=function)
    found = answer["Configuration"]
    variables = found.get("Environment", {}).get("Variables")
    logging = found["LoggingConfig"]
    inputs = {
        "name": function,
        "description": found["Description"],
        "runtime": found["Runtime"],
        "architectures": found["Architectures"],
        "handler": found["Handler"],
        "role": found["Role"],
        "environment": {"variables": variables} if variables else None,
        "timeout": found["Timeout"],
        "memorySize": found["MemorySize"],
        "kmsKeyArn": found.get("KMSKeyArn", ""),
        "tracingConfig": {"mode": found["TracingConfig"]["Mode"]},
        "loggingConfig": {"logFormat": logging["LogFormat"], "logGroup": logging["LogGroup"]},
        "reservedConcurrentExecutions": answer.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
    }
    logs = {"logFormat": "Text", "logGroup": f"/aws/lambda/{function}"}
    return Found(reported(inputs, known, {**_DEFAULTS, "loggingConfig": logs}), _outputs(found))


def _update(aws: Aws, function: str, old: Inputs, new: Inputs) -> Mapping[str, Any]:
    awslambda = aws.client("lambda")
    awslambda.update_function_configuration(**_configuration(new))
    # Lambda refuses a second change while the first goes on.
    updated = awslambda.get_waiter("function_updated_v2")
    updated.wait(FunctionName=function, WaiterConfig={"Delay": _POLL_SECONDS})
    made = awslambda.update_function_code(
        FunctionName=function, Architectures=_architectures(new), **_code(new)
    )
    updated.wait(FunctionName=function, WaiterConfig={"Delay": _POLL_SECONDS})
    if old.get("reservedConcurrentExecutions") != new.get("reservedConcurrentExecutions"):
        _reserve(aws, new)
    return _outputs(made)


def _delete(aws: Aws, function: str, _known: Inputs) -> None:
    aws.client("lambda").delete_function(FunctionName=function)


_CONDITIONS = {
    "sourceArn": ("ArnLike", "AWS:SourceArn"),
    "sourceAccount": ("StringEquals", "AWS:SourceAccount"),
}
"""Our names of what limits a permission, and the condition of the policy that Lambda makes of it."""


def _create_permission(aws: Aws, _name: str, inputs: Inputs) -> Created:
    names = {"sourceArn": "SourceArn", "sourceAccount": "SourceAccount"}
    limits = {theirs: inputs[ours] for ours, theirs in names.items() if ours in inputs}
    aws.client("lambda").add_permission(
        FunctionName=inputs["function"],
        StatementId=inputs["statementId"],
        Action=inputs["action"],
        Principal=inputs["principal"],
        **limits,
    )
    return Created(inputs["statementId"])


def _read_permission(aws: Aws, statement_id: str, known: Inputs) -> Found | None:
    function = known["function"]
    policy = json.loads(aws.client("lambda").get_policy(FunctionName=function)["Policy"])
    statement = next((entry for entry in policy["Statement"] if entry["Sid"] == statement_id), None)
    if statement is None:
        return None
    principal, conditions = statement["Principal"], statement.get("Condition", {})
    inputs = {
        "statementId": statement_id,
        "function": function,
        "action": statement["Action"],
        "principal": principal if isinstance(principal, str) else next(iter(principal.values())),
        **{ours: conditions.get(operator, {}).get(key) for ours, (operator, key) in _CONDITIONS.items()},
    }
    return Found(reported(inputs, known))


def _delete_permission(aws: Aws, statement_id: str, known: Inputs) -> None:
    aws.client("lambda").remove_permission(FunctionName=known["function"], StatementId=statement_id)


RETRIES = 2
EVENT_AGE_SECONDS = 21_600
"""What an asynchronous invocation gets by default. Source of both: API reference of
PutFunctionEventInvokeConfig."""


def _create_event_config(aws: Aws, _name: str, inputs: Inputs) -> Created:
    _update_event_config(aws, inputs["functionName"], {}, inputs)
    return Created(inputs["functionName"])


def _update_event_config(aws: Aws, function: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    # Put replaces all of it, so that what is not given any more is gone.
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=int(new.get("maximumRetryAttempts", RETRIES)),
        MaximumEventAgeInSeconds=int(new.get("maximumEventAgeInSeconds", EVENT_AGE_SECONDS)),
        DestinationConfig={
            theirs: {"Destination": new["destinationConfig"][ours]["destination"]}
            for ours, theirs in _DESTINATIONS.items()
            if ours in new.get("destinationConfig", {})
        },
    )
    return {}


_DESTINATIONS = {"onFailure": "OnFailure", "onSuccess": "OnSuccess"}


def _read_event_config(aws: Aws, function: str, known: Inputs) -> Found:
    found = aws.client("lambda").get_function_event_invoke_config(FunctionName=function)
    given = found.get("DestinationConfig", {})
    destinations = {
        ours: {"destination": given[theirs]["Destination"]}
        for ours, theirs in _DESTINATIONS.items()
        if given.get(theirs, {}).get("Destination")
    }
    inputs = {
        "functionName": function,
        "maximumRetryAttempts": found.get("MaximumRetryAttempts"),
        "maximumEventAgeInSeconds": found.get("MaximumEventAgeInSeconds"),
        "destinationConfig": destinations or None,
    }
    defaults = {"maximumRetryAttempts": RETRIES, "maximumEventAgeInSeconds": EVENT_AGE_SECONDS}
    return Found(reported(inputs, known, defaults))


def _delete_event_config(aws: Aws, function: str, _known: Inputs) -> None:
    aws.client("lambda").delete_function_event_invoke_config(FunctionName=function)


KINDS: dict[str, Kind] = {
    "aws:lambda/function:Function": Kind(
        _create, _read, _delete, _update, fixed=frozenset({"name"}), named="name"
    ),
    "aws:lambda/permission:Permission": Kind(
        _create_permission, _read_permission, _delete_permission, named="statementId"
    ),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": Kind(
        _create_event_config,
        _read_event_config,
        _delete_event_config,
        _update_event_config,
        fixed=frozenset({"functionName"}),
    ),
}
