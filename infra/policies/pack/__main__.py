"""What `pulumi preview --policy-pack infra/policies/pack` runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

# Pulumi starts this folder as a program of its own; the rules lie in the repository above it.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from infra.policies.resource import UNKNOWN, Resource, prefix_of  # found by the line above
from infra.policies.rules import PROVIDER, RULES, STACK_RULES, Rule, StackRule


def resource_policy(rule: Rule) -> ResourceValidationPolicy:
    """One rule, as Pulumi asks it of each resource."""

    def validate(args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
        for message in rule.check(to_resource(args)):
            report_violation(message)

    return ResourceValidationPolicy(name=rule.name, description=rule.description, validate=validate)


def stack_policy(rule: StackRule) -> StackValidationPolicy:
    """One rule, as Pulumi asks it of all resources together."""

    def validate(args: StackValidationArgs, report_violation: ReportViolation) -> None:
        for violation in rule.check([to_resource(resource) for resource in args.resources]):
            report_violation(f"{violation.resource.name} {violation.message}")

    return StackValidationPolicy(name=rule.name, description=rule.description, validate=validate)


def to_resource(args: Any) -> Resource:
    """A resource as the rules know it. A provider is its own."""
    properties = known(args.props)
    provider = properties if args.resource_type == PROVIDER else args.provider and known(args.provider.props)
    region = provider.get("region") if provider else None
    joined = getattr(args, "property_dependencies", {})  # which only a stack rule is told
    made_of = {name: [(one.resource_type, one.name) for one in found] for name, found in joined.items()}
    return Resource(args.resource_type, args.name, properties, region, prefix_of(args.urn), made_of)


def known(value: Any) -> Any:
    """The same value as plain data, with ``UNKNOWN`` for what a preview does not know.

    Pulumi hands over properties that raise when an unknown one is touched, which would end a whole rule.
    """
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, number) for number in range(len(value))]
    return value


def _item(container: Any, key: Any) -> Any:
    try:
        return known(container[key])
    except UnknownValueError:
        return UNKNOWN


if __name__ == "__main__":
    PolicyPack(
        name="fruits",
        enforcement_level=EnforcementLevel.MANDATORY,
        policies=[
            *(resource_policy(rule) for rule in RULES),
            *(stack_policy(rule) for rule in STACK_RULES),
        ],
    )
