"""IAM policy documents: no wildcard that lets through more than was meant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.policies.resource import Resource

DOCUMENTS = ("policy", "assumeRolePolicy", "inlinePolicy", "accessPolicy")
"""The properties that hold a policy document as JSON."""
WITHOUT_RESOURCE = frozenset(
    {
        "cloudwatch:PutMetricData",
        "elasticmapreduce:ListClusters",
        "elasticmapreduce:ListSupportedInstanceTypes",
        "elasticmapreduce:RunJobFlow",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    }
)
"""Actions for which AWS knows no resource but ``*``. Source: Service Authorization Reference."""
_OWN_RESOURCE = "aws:kms/key:Key"
"""In a key's policy, ``*`` is the key."""
_ANY_CALLER = "aws:ec2/vpcEndpoint:VpcEndpoint"
"""An endpoint's policy limits what can be reached; who may is decided where that is."""


def no_wildcards(resource: Resource) -> Iterator[str]:
    """Nothing is allowed by a pattern over actions, on every resource, or to everybody.

    What the same policy denies again, on resources that it names, is not allowed on every one.
    """
    unlimited = WITHOUT_RESOURCE | {
        action
        for _, statement in _statements(resource, "Deny")
        if "Condition" in statement and "*" not in _as_list(statement["Resource"])
        for action in _as_list(statement["Action"])
    }
    for sid, statement in _statements(resource, "Allow"):
        actions = _as_list(statement.get("Action", []))
        if wild := [action for action in actions if "*" in action]:
            yield f"statement {sid} allows {', '.join(wild)}; list the exact actions"
        if "NotAction" in statement or "NotResource" in statement:
            yield f"statement {sid} allows all but a list; list what it allows"
        everywhere = resource.type != _OWN_RESOURCE and "*" in _as_list(statement.get("Resource", []))
        limitable = [action for action in actions if action not in unlimited]
        if everywhere and limitable:
            yield f"statement {sid} allows {', '.join(limitable)} on every resource; name the ARNs"
        if resource.type != _ANY_CALLER and "*" in _principals(statement):
            yield f"statement {sid} allows everybody; name the principal"


def passes_roles_to_named_services(resource: Resource) -> Iterator[str]:
    """Whoever hands on a role hands it to one service, and says which role."""
    for sid, statement in _statements(resource, "Allow"):
        if "iam:PassRole" not in _as_list(statement.get("Action", [])):
            continue
        if "iam:PassedToService" not in statement.get("Condition", {}).get("StringEquals", {}):
            yield f"statement {sid} passes a role to any service; add iam:PassedToService"
        if any("*" in arn for arn in _as_list(statement.get("Resource", []))):
            yield f"statement {sid} passes any role; name its ARN"


def _statements(resource: Resource, effect: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in DOCUMENTS:
        document = resource.properties.get(name)
        if isinstance(document, str):
            for number, statement in enumerate(json.loads(document)["Statement"]):
                if statement["Effect"] == effect:
                    yield statement.get("Sid", f"number {number}"), statement


def _principals(statement: Mapping[str, Any]) -> list[str]:
    principal = statement.get("Principal", [])
    values = principal.values() if isinstance(principal, Mapping) else [principal]
    return [name for value in values for name in _as_list(value)]


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
