"""IAM: nothing lets through more than was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.policies.documents import UnreadableError, parse
from infra.policies.resource import UNKNOWN, Resource, at, items

POLICIES = frozenset({"accessPolicy", "assumeRolePolicy", "inlinePolicy", "policy"})
"""The properties, at any depth, that hold a policy document."""
_LISTS = frozenset({"inlinePolicies"})
"""The properties that hold such properties."""
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
AWS_MANAGED = frozenset({"service-role/AmazonEMRServicePolicy_v2"})
"""The policies of AWS' own that may be attached; most of them allow by patterns, and AWS changes them."""
_ATTACHED = ("policyArn", "managedPolicyArns")
_OWN_RESOURCE = "aws:kms/key:Key"
"""In a key's policy, ``*`` is the key."""
_ANY_CALLER = "aws:ec2/vpcEndpoint:VpcEndpoint"
"""An endpoint's policy limits what can be reached; who may is decided where that is."""

Statement = Mapping[str, Any]


def readable_policies(resource: Resource) -> Iterator[str]:
    """A policy says before it is created what it allows."""
    for name, document in _policies(resource.properties):
        try:
            if not all(isinstance(statement, Mapping) for statement in _statements_of(document)):
                remedy = "make it with infra.components.iam.policy"
                yield f"{name} has statements of which nothing is known; {remedy}"
        except UnreadableError as problem:
            yield f"{name} {problem}"


def no_wildcards(resource: Resource) -> Iterator[str]:
    """Nothing is allowed by a pattern over actions, on every resource, or to everybody.

    What the same policy denies again, on resources that it names, is not allowed on every one.
    """
    allowed, denied = _statements(resource)
    unlimited = WITHOUT_RESOURCE | {
        action
        for _, statement in denied
        if "Condition" in statement and "*" not in _texts(statement.get("Resource"))
        for action in _texts(statement.get("Action"))
    }
    for sid, statement in allowed:
        actions = _texts(statement.get("Action"))
        if wild := [action for action in actions if _is_pattern(action)]:
            yield f"statement {sid} allows {', '.join(wild)}; list the exact actions"
        if statement.keys() & {"NotAction", "NotResource", "NotPrincipal"}:
            yield f"statement {sid} allows all but a list; list what it allows"
        everywhere = resource.type != _OWN_RESOURCE and "*" in _texts(statement.get("Resource"))
        limitable = [action for action in actions if action not in unlimited]
        if everywhere and limitable:
            yield f"statement {sid} allows {', '.join(limitable)} on every resource; name the ARNs"
        if resource.type != _ANY_CALLER and "*" in _principals(statement):
            yield f"statement {sid} allows everybody; name the principal"
    if resource.kind == "Permission" and resource.properties.get("principal") == "*":
        yield "allows everybody; name the principal"
    for arn in [arn for name in _ATTACHED for arn in _texts(resource.properties.get(name))]:
        _, of_aws, name = arn.partition(":iam::aws:policy/")
        if of_aws and name not in AWS_MANAGED:
            yield f"attaches {name}, which AWS writes and changes; list the exact actions in a RolePolicy"


def passes_roles_to_named_services(resource: Resource) -> Iterator[str]:
    """Whoever hands on a role hands it to one service, and says which role."""
    allowed, _ = _statements(resource)
    for sid, statement in allowed:
        if "iam:passrole" not in [action.lower() for action in _texts(statement.get("Action"))]:
            continue
        if at(statement, "Condition", "StringEquals", "iam:PassedToService") is None:
            yield f"statement {sid} passes a role to any service; add iam:PassedToService"
        if any(_is_pattern(arn) for arn in _texts(statement.get("Resource"))):
            yield f"statement {sid} passes any role; name its ARN"


def _statements(resource: Resource) -> tuple[list[tuple[str, Statement]], list[tuple[str, Statement]]]:
    """What is allowed and what is denied, each with its name; whatever is no denial may allow."""
    allowed: list[tuple[str, Statement]] = []
    denied: list[tuple[str, Statement]] = []
    for _, document in _policies(resource.properties):
        try:
            statements = _statements_of(document)
        except UnreadableError:
            continue
        for number, statement in enumerate(statements):
            if isinstance(statement, Mapping):
                named = (str(statement.get("Sid", f"number {number}")), statement)
                (denied if statement.get("Effect") == "Deny" else allowed).append(named)
    return allowed, denied


def _statements_of(document: Any) -> Sequence[Any]:
    statements = at(parse(document), "Statement")
    return statements if isinstance(statements, list) else [statements]


def _policies(value: Any) -> Iterator[tuple[str, Any]]:
    """Every policy document in the properties, with the property's name."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if item is not None and (name in POLICIES or (name in _LISTS and item is UNKNOWN)):
                yield name, item
            else:
                yield from _policies(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _policies(item)


def _principals(statement: Statement) -> list[str]:
    principal = statement.get("Principal")
    named = principal.values() if isinstance(principal, Mapping) else [principal]
    return [name for value in named for name in _texts(value)]


def _texts(value: Any) -> list[str]:
    return [item for item in items(value) if isinstance(item, str)]


def _is_pattern(text: str) -> bool:
    return "*" in text or "?" in text
