"""The policy pack in the first preview of an empty stack, by Pulumi's engine: most ARNs do not exist yet.

Fixtures: ``build`` (what `make package` makes) and ``engine``, of which one method is used::

    preview(program: Callable[[], None], *, policy_packs: Sequence[Path], config: Mapping[str, str]) -> str
        What the CLI printed for a new, empty stack, by an inline program with the configuration of a stack in
        eu-west-1 whose nodes have their packages, and ``config``; raises pulumi.automation.CommandError with
        the same text where the preview fails.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pulumi
import pulumi_aws as aws
import pytest
from pulumi.automation import CommandError
from pulumi.runtime import register_stack_transformation

from infra.components import iam
from infra.config import load
from infra.program import LOCK_FILE, REPOSITORY, deploy

ARN = "arn:aws:s3:::"
DOOR = {"fruits:workbenchCidrs": '["203.0.113.0/24", "198.51.100.7/32"]'}


class Engine(Protocol):
    """What these tests ask of the fixture."""

    def preview(
        self, program: Callable[[], None], *, policy_packs: list[Path], config: Mapping[str, str]
    ) -> str: ...


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack as an executable, which the engine starts without a language host."""
    subprocess.run(["make", "--silent", "policy-pack"], cwd=REPOSITORY, check=True)
    python = REPOSITORY / ".local" / "policy-pack" / "bin" / "python"
    started = tmp_path_factory.mktemp("pack") / "fruits-policies"
    folder = REPOSITORY / "infra" / "policies" / "pack"
    started.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} {shlex.quote(str(folder))} "$@"\n')
    started.chmod(0o755)
    return started


def wildcard_grant(bucket: pulumi.Input[str]) -> iam.Statement:
    return iam.Statement("Lax", ["s3:*"], [pulumi.Output.concat(ARN, bucket, "/*")])


def spoil(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """Somebody changes the program: one fault a resource, beside values that are unknown in the preview."""
    props: dict[str, Any] = dict(args.props)
    match args.type_.rsplit(":", 1)[-1], args.name:
        case "BucketPublicAccessBlock", "fruits-eu-data":
            props["restrict_public_buckets"] = False
        case "BucketPolicy", "fruits-eu-data":
            props["policy"] = iam.policy([wildcard_grant(props["bucket"])])
        case "BucketPolicy", "fruits-eu-audit":
            statement = wildcard_grant(props["bucket"]).to_document()
            props["policy"] = pulumi.Output.json_dumps({"Statement": [statement]})
        case "RolePolicy", "fruits-eu-tracker":
            props["policy"] = '{"Statement": {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}}'
        case "Topic", "fruits-eu-runs":
            props["kms_master_key_id"] = None
        case "Table", _:
            props["region"] = "us-east-1"
        case "SecurityGroupIngressRule", "fruits-eu-door-0":
            props["ip_protocol"] = "-1"
        case "SecurityGroupEgressRule", "fruits-eu-nodes-to-s3":
            props["prefix_list_id"] = "pl-6da54004"
    return pulumi.ResourceTransformationResult(props, args.opts)


@pytest.fixture(scope="module")
def told(engine: Engine, build: Path, pack: Path) -> str:
    """What the preview says to the spoilt program, and to a bucket that somebody made by hand."""

    def program() -> None:
        register_stack_transformation(spoil)
        deploy(load(LOCK_FILE), build)
        bare = aws.Provider("bare", region="us-east-1")
        aws.s3.Bucket("bare", opts=pulumi.ResourceOptions(provider=bare))

    with pytest.raises(CommandError) as failure:
        engine.preview(program, policy_packs=[pack], config=DOOR)
    return str(failure.value)


def test_a_clean_first_preview_passes_and_advises_nothing(engine: Engine, build: Path, pack: Path) -> None:
    def program() -> None:
        deploy(load(LOCK_FILE), build)

    # With the door there is all that there is without it.
    said = engine.preview(program, policy_packs=[pack], config=DOOR)
    assert "✅ fruits@" in said
    assert "advisory" not in said
    assert "warning" not in said


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ("aws:s3:BucketPublicAccessBlock: fruits-eu-data", "become public; set restrictPublicBuckets"),
        ("pulumi:pulumi:Stack: fruits-eu", "bare lacks BucketLifecycleConfiguration"),
        ("aws:s3:BucketPolicy: fruits-eu-data", "statement Lax allows s3:*; list the exact actions"),
        ("aws:s3:BucketPolicy: fruits-eu-audit", "policy is unknown as a whole"),
        ("aws:iam:RolePolicy: fruits-eu-tracker", "allows sns:Publish on every resource"),
        ("aws:sns:Topic: fruits-eu-runs", "set kmsMasterKeyId"),
        ("aws:dynamodb:Table: fruits-eu-runs", "its own region 'us-east-1'"),
        ("aws:vpc:SecurityGroupIngressRule: fruits-eu-door-0", "is of protocol -1"),
        ("pulumi:pulumi:Stack: fruits-eu", "nodes-to-s3 prefixListId is of no resource of this stack"),
        ("aws:s3:Bucket: bare", "its provider's region 'us-east-1'"),
        ("pulumi:providers:aws: bare", "does not tag resources"),
    ],
)
def test_the_first_preview_already_fails_for(told: str, resource: str, message: str) -> None:
    blocks = told.split("- [mandatory]")[1:]
    assert [block for block in blocks if f"({resource})" in block and message in block]


def test_nothing_but_what_was_spoilt_fails(told: str) -> None:
    spoilt = (
        "fruits-eu-data)",
        "fruits-eu-audit)",
        "fruits-eu-tracker)",
        "fruits-eu-runs)",
        "fruits-eu-door-0)",
        "bare)",
        "fruits-eu)",
    )
    named = [block.splitlines()[0].rstrip() for block in told.split("- [mandatory]")[1:]]
    assert [line for line in named if not line.endswith(spoilt)] == []
    assert "[advisory]" not in told
