"""Least-privilege policies: statements as values, documents from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pulumi

from infra.components.json_documents import document
from infra.naming import Naming
from lambdas.contract.layout import RUNS

_VERSION = "2012-10-17"

Condition = Mapping[str, Mapping[str, pulumi.Input[str] | Sequence[pulumi.Input[str]]]]
Principal = str | Mapping[str, pulumi.Input[str]]
ANYBODY: Principal = "*"
OWN_POLICY = "access"
"""The name of a role's own policy. The same on each role, and not chosen by Pulumi: one that an engine made
and did not record before it was killed is written again, and not left in the way of the role's deletion."""


class Effect(StrEnum):
    """What a statement does to the requests that it matches."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True)
class Statement:
    """What is allowed or denied. Resources are ARNs, patterns included.

    ``principal`` says to whom, in the policy of a resource; an identity's own policy has none.
    """

    sid: str
    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]
    condition: Condition = field(default_factory=dict)
    effect: Effect = Effect.ALLOW
    principal: Principal | None = None

    def to_document(self) -> dict[str, Any]:
        """The statement in the words of the policy language."""
        return {
            "Sid": self.sid,
            "Effect": self.effect.value,
            **({"Principal": self.principal} if self.principal else {}),
            "Action": list(self.actions),
            "Resource": list(self.resources),
            **({"Condition": self.condition} if self.condition else {}),
        }


def policy(statements: Iterable[Statement]) -> pulumi.Output[str]:
    """The JSON of a policy that consists of the statements."""
    return document({"Version": _VERSION, "Statement": [statement.to_document() for statement in statements]})


def trust(service: str, condition: Condition) -> pulumi.Output[str]:
    """The JSON of a trust policy by which an AWS service may take the role."""
    statement = {
        "Sid": "TakenByService",
        "Effect": Effect.ALLOW.value,
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
        "Condition": condition,
    }
    return document({"Version": _VERSION, "Statement": [statement]})


def for_this_account(naming: Naming) -> Condition:
    """Only on behalf of this account: a service serves all, and could be made to act for a stranger."""
    return {"StringEquals": {"aws:SourceAccount": naming.account_id}}


def for_no_other_account(naming: Naming) -> Condition:
    """The same for a service that does not promise to say on whose behalf it asks, as Lambda and EC2.

    What keeps strangers out then is that a role can be passed only within its account. Source: IAM User
    Guide, "Granting a user permissions to pass a role to an AWS service".
    """
    return {"StringEqualsIfExists": {"aws:SourceAccount": naming.account_id}}


def through(naming: Naming, service: str) -> Condition:
    """Only if a service asks on behalf of the role, as S3 does for a key of an encrypted bucket."""
    return {"StringEquals": {"kms:ViaService": naming.service_host(service)}}


def tls_only(actions: str, resources: Sequence[pulumi.Input[str]]) -> Statement:
    """For the policy of a resource (a bucket, a queue): refuse every request over plain HTTP."""
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    return Statement("TlsOnly", [actions], resources, condition, Effect.DENY, ANYBODY)


def objects(bucket_arn: pulumi.Input[str], prefixes: Iterable[str]) -> list[pulumi.Output[str]]:
    """ARN patterns of all objects below the prefixes."""
    return [pulumi.Output.concat(bucket_arn, "/", prefix, "*") for prefix in prefixes]


def only_below(prefixes: Iterable[str]) -> Condition:
    """Listing by another prefix is refused.

    "IfExists", because S3 also asks whether the bucket may be listed, without any prefix, to decide if the
    read of a missing object is answered with 404 or with 403. The price: names, and names only, can be
    listed without a prefix too.
    """
    return {"StringLikeIfExists": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}}


def run_objects(bucket_arn: pulumi.Input[str]) -> list[Statement]:
    """Reading and writing what belongs to runs: plans, reports and status."""
    return [
        Statement("KeepRuns", ["s3:GetObject", "s3:PutObject"], objects(bucket_arn, [RUNS])),
        # Lets S3 say that a report is missing (404); without, it says that access is denied (403).
        Statement("MissReports", ["s3:ListBucket"], [bucket_arn], only_below([RUNS])),
    ]
