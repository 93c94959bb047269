"""EventBridge: rules and their targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind, reported

_ENABLED = "ENABLED"


def _put_rule(aws: Aws, inputs: Inputs, tags: dict[str, Any]) -> dict[str, Any]:
    names = {"EventPattern": "eventPattern", "ScheduleExpression": "scheduleExpression"}
    triggers = {theirs: inputs[ours] for theirs, ours in names.items() if ours in inputs}
    made = aws.client("events").put_rule(
        Name=inputs["name"],
        Description=inputs.get("description", ""),
        State=inputs.get("state", _ENABLED),
        **triggers,
        **tags,
    )
    return {"arn": made["RuleArn"]}


def _create_rule(aws: Aws, _name: str, inputs: Inputs) -> Created:
    return Created(inputs["name"], _put_rule(aws, inputs, {"Tags": aws.tag_list}))


def _read_rule(aws: Aws, rule: str, known: Inputs) -> Found:
    found = aws.client("events").describe_rule(Name=rule)
    inputs = {
        "name": rule,
        "description": found.get("Description", ""),
        "eventPattern": found.get("EventPattern") or None,
        "scheduleExpression": found.get("ScheduleExpression") or None,
        "state": found["State"],
    }
    return Found(reported(inputs, known, {"description": "", "state": _ENABLED}), {"arn": found["Arn"]})


def _update_rule(aws: Aws, _rule: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    # Tags are for new rules only. Source: API reference of PutRule.
    return _put_rule(aws, new, {})


def _delete_rule(aws: Aws, rule: str, _known: Inputs) -> None:
    aws.client("events").delete_rule(Name=rule)


def _create_target(aws: Aws, _name: str, inputs: Inputs) -> Created:
    _put_target(aws, "", {}, inputs)
    return Created(f"{inputs['rule']}/{inputs['targetId']}")


def _put_target(aws: Aws, _id: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    letters = (
        {"DeadLetterConfig": {"Arn": new["deadLetterConfig"]["arn"]}} if "deadLetterConfig" in new else {}
    )
    target = {"Id": new["targetId"], "Arn": new["arn"], **letters}
    aws.client("events").put_targets(Rule=new["rule"], Targets=[target])
    return {}


def _read_target(aws: Aws, identifier: str, known: Inputs) -> Found | None:
    rule, _, target = identifier.partition("/")
    # One rule has five targets at most, which is less than a page.
    for found in aws.client("events").list_targets_by_rule(Rule=rule)["Targets"]:
        if found["Id"] == target:
            letters = found.get("DeadLetterConfig", {}).get("Arn")
            inputs = {
                "rule": rule,
                "targetId": target,
                "arn": found["Arn"],
                "deadLetterConfig": {"arn": letters} if letters else None,
            }
            return Found(reported(inputs, known))
    return None


def _delete_target(aws: Aws, identifier: str, _known: Inputs) -> None:
    rule, _, target = identifier.partition("/")
    aws.client("events").remove_targets(Rule=rule, Ids=[target])


KINDS: dict[str, Kind] = {
    "aws:cloudwatch/eventRule:EventRule": Kind(
        _create_rule,
        _read_rule,
        _delete_rule,
        _update_rule,
        fixed=frozenset({"name", "namePrefix"}),
        named="name",
    ),
    "aws:cloudwatch/eventTarget:EventTarget": Kind(
        _create_target,
        _read_target,
        _delete_target,
        _put_target,
        fixed=frozenset({"rule", "targetId"}),
        named="targetId",
    ),
}
