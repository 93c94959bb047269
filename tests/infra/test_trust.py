"""No service of AWS can be made to act on the stack for a stranger (the confused deputy)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import ACCOUNT_ID, RecordingProvider, preview
from tests.infra.test_policies import EVERYTHING_ON

DOCUMENTS = ("policy", "assumeRolePolicy")
SAY_NOT_FOR_WHOM = {"ec2.amazonaws.com", "lambda.amazonaws.com"}
"""They do not promise ``aws:SourceAccount`` when they take a role: refused only if they say another."""


@pytest.fixture(scope="module")
def everything(build: Path) -> RecordingProvider:
    return preview(build, **EVERYTHING_ON)


def let_in(provider: RecordingProvider) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The resource, the service and the condition of every statement that lets a service in."""
    for args in provider.declared:
        for document in filter(None, map(args.inputs.get, DOCUMENTS)):
            for statement in json.loads(document)["Statement"]:
                principal = statement.get("Principal")
                if statement["Effect"] == "Allow" and isinstance(principal, dict) and "Service" in principal:
                    yield args.name, principal["Service"], statement.get("Condition", {})


def test_every_service_that_is_let_in_acts_for_this_account_alone(everything: RecordingProvider) -> None:
    services = set()
    for name, service, condition in let_in(everything):
        services.add(service)
        if service in SAY_NOT_FOR_WHOM:
            assert condition == {"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT_ID}}, name
        else:
            compared = {
                value
                for operator in ("StringEquals", "ArnLike")
                for value in condition.get(operator, {}).values()
                if isinstance(value, str)
            }
            assert any(ACCOUNT_ID in value.split(":") for value in compared), (name, service)
    assert services == {
        *SAY_NOT_FOR_WHOM,
        "cloudtrail.amazonaws.com",
        "cloudwatch.amazonaws.com",
        "elasticmapreduce.amazonaws.com",
        "events.amazonaws.com",
        "logging.s3.amazonaws.com",
        "logs.eu-west-1.amazonaws.com",
    }


def test_every_role_is_trusted_to_one_service_under_a_condition(everything: RecordingProvider) -> None:
    for role in everything.all_of("Role"):
        (statement,) = json.loads(role["assumeRolePolicy"])["Statement"]
        assert set(statement["Principal"]) == {"Service"}
        assert any("aws:SourceAccount" in keys for keys in statement["Condition"].values())


def test_functions_are_invoked_only_by_the_stacks_own_bucket_and_rules(everything: RecordingProvider) -> None:
    for permission in everything.all_of("Permission"):
        if permission["principal"] == "s3.amazonaws.com":
            # The ARN of a bucket says nothing of an account.
            assert permission["sourceAccount"] == ACCOUNT_ID
        else:
            assert permission["sourceArn"].startswith("arn:test:cloudwatch/eventRule:::fruits-eu-")


def test_emr_may_look_at_the_key_of_the_logs_and_use_it_through_s3_alone(
    everything: RecordingProvider,
) -> None:
    key = "arn:test:kms/key:::fruits-eu-data"
    uses = {s["Sid"]: s for s in everything.statements("emr-service") if key in s["Resource"]}
    assert {sid: s["Action"] for sid, s in uses.items()} == {
        "SeeLogKey": ["kms:DescribeKey"],
        "EncryptLogs": ["kms:GenerateDataKey"],
    }
    assert "Condition" not in uses["SeeLogKey"]
    assert uses["EncryptLogs"]["Condition"] == {
        "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
    }


def test_the_key_of_the_logs_lets_emr_look_at_it_without_a_service_between(
    everything: RecordingProvider,
) -> None:
    policy = json.loads(everything.one("Key", "-data")["policy"])["Statement"]
    looking = [s for s in policy if "kms:DescribeKey" in s["Action"] and "Condition" not in s]
    assert [s["Principal"] for s in looking] == [{"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"}]
