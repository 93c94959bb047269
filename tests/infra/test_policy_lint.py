"""Every policy of the program says what AWS understands, by the word of a linter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.local.deploy import deploy
from tests.infra.conftest import ACCOUNT_ID, PREINSTALLED, RecordingProvider
from tests.infra.policy_lint import Document, Finding, documents, findings
from tests.infra.test_policies import EVERYTHING_ON

REGIONAL = f"eu-west-1:{ACCOUNT_ID}"
ARNS = {
    "Bucket": "arn:aws:s3:::",
    "Key": f"arn:aws:kms:{REGIONAL}:key/",
    "LogGroup": f"arn:aws:logs:{REGIONAL}:log-group:",
    "Queue": f"arn:aws:sqs:{REGIONAL}:",
    "Role": f"arn:aws:iam::{ACCOUNT_ID}:role/",
    "Table": f"arn:aws:dynamodb:{REGIONAL}:table/",
    "TargetGroup": f"arn:aws:elasticloadbalancing:{REGIONAL}:targetgroup/door/",
    "Topic": f"arn:aws:sns:{REGIONAL}:",
}


class ProviderWithArns(RecordingProvider):
    """A linter wants to see what kind of resource an ARN names."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        name, state = super().new_resource(args)
        begin = ARNS.get(args.typ.rsplit(":", 1)[1])
        return name, {**state, "arn": f"{begin}{args.name}"} if begin else state


@dataclass(frozen=True)
class Accepted:
    """A finding that is no fault. All but ``reason`` are patterns of shells."""

    where: str
    kind: str
    detail: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        return (
            fnmatchcase(finding.where, self.where)
            and finding.kind == self.kind
            and fnmatchcase(finding.detail, self.detail)
        )


ACCEPTED = [
    Accepted(
        "Key * policy Administer",
        "RESOURCE_MISMATCH",
        "kms:*Alias works on arn:*:alias/*",
        "AWS asks the alias and the key; parliament knows no action that needs both",
    ),
    Accepted(
        "Key *-control policy EncryptLogs",
        "MISMATCHED_TYPE",
        "*ArnLike requires a value of type Arn but given String",
        "an encryption context is text, and the one of CloudWatch Logs is an ARN",
    ),
    Accepted(
        "BucketPolicy *-data policy NoOtherKey",
        "MISMATCHED_TYPE_BUT_USABLE",
        "*StringNotEquals requires a value of type String but given Arn",
        "as text, a key that is named by its id or alias is another one too",
    ),
    Accepted(
        "RolePolicy *-reconciler policy StopClusters",
        "RESOURCE_STAR",
        "elasticmapreduce:*",
        "the statement after it denies the same for all clusters but the stack's own",
    ),
    Accepted(
        "RolePolicy *-reconciler policy StopNoForeignClusters",
        "UNKNOWN_CONDITION_FOR_ACTION",
        "*elasticmapreduce:ResourceTag/*",
        "AWS lists this key with the kind of resource, where parliament does not look",
    ),
]


@pytest.fixture(scope="module")
def policies(build: Path) -> list[Document]:
    provider = ProviderWithArns()
    deploy(provider, stack="eu", config={**PREINSTALLED, **EVERYTHING_ON}, build=build)
    return list(documents(provider.declared))


@pytest.fixture(scope="module")
def found(policies: list[Document]) -> list[Finding]:
    return [finding for document in policies for finding in findings(document)]


def test_every_kind_of_policy_is_linted_with_arns_as_aws_writes_them(policies: list[Document]) -> None:
    kinds = {document.where.split(" ")[0] for document in policies}
    assert kinds >= {"BucketPolicy", "Key", "QueuePolicy", "Role", "RolePolicy", "VpcEndpoint"}
    assert [document.where for document in policies if "arn:test:" in json.dumps(document.policy)] == []


def test_the_linter_finds_no_fault_in_any_policy(found: list[Finding]) -> None:
    assert [str(one) for one in found if not any(accepted.covers(one) for accepted in ACCEPTED)] == []


def test_nothing_is_accepted_that_is_no_longer_found(found: list[Finding]) -> None:
    assert [accepted for accepted in ACCEPTED if not any(map(accepted.covers, found))] == []


READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
USE = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Principal": {"AWS": ACCOUNT_ID}}
TAKE = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}


def kinds_of_faults(where: str, statement: dict[str, Any]) -> list[str]:
    document = Document(where, {"Version": "2012-10-17", "Statement": [statement]})
    return [finding.kind for finding in findings(document)]


@pytest.mark.parametrize(
    ("where", "statement"),
    [("RolePolicy x policy", READ), ("Key x policy", USE), ("Role x assumeRolePolicy", TAKE)],
)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({}, None),
        ({"Action": "s3:GetObjekt"}, "UNKNOWN_ACTION"),
        ({"Action": "s3s:GetObject"}, "UNKNOWN_PREFIX"),
        ({"Action": "sqs:SendMessage"}, "RESOURCE_MISMATCH"),
        ({"Condition": {"StringEquals": {"s3:prefixes": "a"}}}, "UNKNOWN_CONDITION_FOR_ACTION"),
        ({"Condition": {"StringEquals": {"aws:SourceArm": "a"}}}, "UNKNOWN_CONDITION_FOR_ACTION"),
        ({"Condition": {"DateLessThan": {"aws:CurrentTime": "tomorrow"}}}, "MISMATCHED_TYPE"),
        ({"Condition": {"StringIs": {"aws:SourceAccount": "1"}}}, "UNKNOWN_OPERATOR"),
        ({"Effect": "Permit"}, "MALFORMED"),
    ],
)
def test_what_aws_would_not_understand_is_found(
    where: str, statement: dict[str, Any], fault: dict[str, Any], kind: str | None
) -> None:
    assert kinds_of_faults(where, {**statement, **fault}) == ([kind] if kind else [])
