"""A first preview knows no ARN yet: what is unknown breaks no rule, and hides nothing that is known."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.components.json_documents import document
from infra.policies.resource import KNOWN_LATER, UNKNOWN, Resource
from infra.policies.rules import PROVIDER, RULES, violations
from tests.infra.conftest import RecordingProvider, preview
from tests.infra.test_policies import EVERYTHING_ON, found, resources_of

JUDGED_AS_A_WHOLE = frozenset({"assumeRolePolicy", "configuration", "policy", "region"})
"""What can always be given as far as it is known; unknown as a whole, nobody could judge it."""
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"


def with_one_unknown(value: Any) -> Iterator[Any]:
    """The value in every form that has one more unknown part."""
    yield UNKNOWN
    if isinstance(value, dict):
        for key, item in value.items():
            for form in with_one_unknown(item):
                yield {**value, key: form}
    elif isinstance(value, list):
        for number, item in enumerate(value):
            for form in with_one_unknown(item):
                yield [*value[:number], form, *value[number + 1 :]]


def test_nothing_in_the_program_breaks_a_rule_by_being_unknown(build: Path) -> None:
    resources = resources_of(preview(build, **EVERYTHING_ON))
    unknown = [
        dataclasses.replace(resource, properties={**resource.properties, name: form})
        for resource in resources
        for name, value in resource.properties.items()
        if name not in JUDGED_AS_A_WHOLE
        for form in with_one_unknown(value)
    ]
    assert len(unknown) > len(resources)
    assert {message for resource in unknown for rule in RULES for message in rule.check(resource)} == set()


@pytest.mark.parametrize(
    ("token", "properties", "message"),
    [
        ("aws:iam/role:Role", {"assumeRolePolicy": UNKNOWN}, "assumeRolePolicy is unknown as a whole"),
        ("aws:iam/role:Role", {"inlinePolicies": UNKNOWN}, "inlinePolicies is unknown as a whole"),
        ("aws:iam/role:Role", {"inlinePolicies": [{"policy": UNKNOWN}]}, "policy is unknown as a whole"),
        (ROLE_POLICY, {"policy": json.dumps({"Statement": KNOWN_LATER})}, "nothing is known"),
        (ROLE_POLICY, {"policy": json.dumps({"Statement": [KNOWN_LATER]})}, "nothing is known"),
        (ROLE_POLICY, {"policy": "{}"}, "nothing is known"),
        (ROLE_POLICY, {"policy": "no JSON"}, "policy is no JSON"),
        (
            "aws:emr/securityConfiguration:SecurityConfiguration",
            {"configuration": UNKNOWN},
            "configuration is unknown as a whole",
        ),
        ("aws:sns/topic:Topic", {"kmsMasterKeyId": "k", "region": UNKNOWN}, "the region is unknown"),
    ],
)
def test_what_can_be_given_as_far_as_it_is_known_must_be(
    token: str, properties: dict[str, Any], message: str
) -> None:
    assert message in found(token, properties)


def test_a_provider_whose_region_is_unknown_is_refused() -> None:
    provider = Resource(PROVIDER, "x", {"region": UNKNOWN, "defaultTags": UNKNOWN}, UNKNOWN)
    (violation,) = violations([provider])
    assert "the region is unknown" in str(violation)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"Action": ["s3:*"], "Resource": [KNOWN_LATER]}, "allows s3:*"),
        ({"Action": ["s3:GetObject"], "Resource": [KNOWN_LATER, "*"]}, "on every resource"),
        ({"Action": [KNOWN_LATER, "s3:Get*"], "Resource": KNOWN_LATER}, "allows s3:Get*"),
        ({"Action": ["s3:GetObject"], "Resource": KNOWN_LATER, "Principal": {"AWS": "*"}}, "everybody"),
        (
            {"Action": ["s3:GetObject"], "Resource": KNOWN_LATER, "Principal": {"AWS": [KNOWN_LATER, "*"]}},
            "everybody",
        ),
        ({"Action": "iam:PassRole", "Resource": KNOWN_LATER}, "add iam:PassedToService"),
        ({"Effect": KNOWN_LATER, "Action": "s3:*", "Resource": KNOWN_LATER}, "allows s3:*"),
    ],
)
def test_a_wildcard_is_found_beside_what_is_unknown(statement: dict[str, Any], message: str) -> None:
    document = json.dumps({"Statement": [{"Sid": "Lax", "Effect": "Allow", **statement}]})
    assert message in found(ROLE_POLICY, {"policy": document})


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": ["s3:GetObject"], "Resource": KNOWN_LATER},
        {"Action": ["s3:GetObject"], "Resource": [KNOWN_LATER], "Principal": {"AWS": KNOWN_LATER}},
        {"Action": "iam:PassRole", "Resource": KNOWN_LATER, "Condition": KNOWN_LATER},
        {
            "Action": "iam:PassRole",
            "Resource": KNOWN_LATER,
            "Condition": {"StringEquals": {"iam:PassedToService": KNOWN_LATER}},
        },
    ],
)
def test_a_policy_with_unknown_arns_is_in_order(statement: dict[str, Any]) -> None:
    document = json.dumps({"Statement": [{"Effect": "Allow", **statement}]})
    assert found(ROLE_POLICY, {"policy": document}) == ""


def text_of(value: Any, *, in_preview: bool) -> Any:
    """What the engine is told of a document: its text, or that it is unknown."""
    pulumi.runtime.set_mocks(RecordingProvider(), preview=in_preview)
    texts: list[Any] = []

    def program() -> pulumi.Output[None]:
        return document(value()).apply(texts.append, run_with_unknowns=True)

    pulumi.runtime.test(program)()
    (text,) = texts
    return text


def half_known() -> dict[str, Any]:
    return {
        "known": ["s3:GetObject", pulumi.Output.from_input("made"), 2, True],
        "later": {"arn": pulumi.Output.from_input(pulumi.UNKNOWN).apply(str)},
        "part": pulumi.Output.from_input({"a": 1, "b": pulumi.UNKNOWN}),
    }


def test_in_a_preview_the_known_parts_of_a_document_are_known() -> None:
    assert json.loads(text_of(half_known, in_preview=True)) == {
        "known": ["s3:GetObject", "made", 2, True],
        "later": {"arn": KNOWN_LATER},
        "part": KNOWN_LATER,
    }


def test_a_deployment_never_sends_a_document_with_a_gap() -> None:
    assert text_of(half_known, in_preview=False) is pulumi.UNKNOWN
