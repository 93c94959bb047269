"""Least-privilege policies: statements as values, documents from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

_VERSION = "2012-10-17"

Condition = Mapping[str, Mapping[str, pulumi.Input[str] | Sequence[pulumi.Input[str]]]]


@dataclass(frozen=True)
class Statement:
    """What is allowed (or denied) to a role. Resources are ARNs, patterns included."""

    sid: str
    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]
    condition: Condition = field(default_factory=dict)


def policy(statements: Iterable[Statement]) -> pulumi.Output[str]:
    """The JSON of an identity policy that allows the statements."""
    return pulumi.Output.json_dumps(
        {
            "Version": _VERSION,
            "Statement": [
                {
                    "Sid": statement.sid,
                    "Effect": "Allow",
                    "Action": list(statement.actions),
                    "Resource": list(statement.resources),
                    **({"Condition": statement.condition} if statement.condition else {}),
                }
                for statement in statements
            ],
        }
    )


def trust(service: str, condition: Condition | None = None) -> pulumi.Output[str]:
    """The JSON of a trust policy by which an AWS service may take the role."""
    return pulumi.Output.json_dumps(
        {
            "Version": _VERSION,
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": service},
                    "Action": "sts:AssumeRole",
                    **({"Condition": condition} if condition else {}),
                }
            ],
        }
    )


def tls_only(actions: str, resources: Sequence[pulumi.Input[str]]) -> pulumi.Output[str]:
    """The JSON of a resource policy (of a bucket, a queue) that refuses every request over plain HTTP."""
    return pulumi.Output.json_dumps(
        {
            "Version": _VERSION,
            "Statement": [
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": actions,
                    "Resource": list(resources),
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }
    )


def objects(bucket_arn: pulumi.Input[str], prefixes: Iterable[str]) -> list[pulumi.Output[str]]:
    """ARN patterns of all objects below the prefixes."""
    return [pulumi.Output.concat(bucket_arn, "/", prefix, "*") for prefix in prefixes]
