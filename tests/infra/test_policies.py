"""The rules hold for the whole program, in every region, and catch what they are there to catch."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import botocore.session
import pulumi_aws
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config import ConfigInvalid
from infra.local.provider.kinds import KINDS
from infra.policies.door import KNOWN, WITHOUT_NETWORK
from infra.policies.resource import UNKNOWN, Resource, items, prefix_of
from infra.policies.rules import BUCKET_GUARDS, ENCRYPTION_KEYS, LEADS_OUT, PROVIDER, violations
from infra.program import REPOSITORY
from lambdas.contract.regions import DNS_SUFFIX, EU_REGIONS, PARTITION
from tests.infra.conftest import RecordingProvider, preview

EVERYTHING_ON = {
    "fruits:notificationEmail": "me@example.org",
    "fruits:alarmEmails": '["you@example.org"]',
    "fruits:imageBuckets": '["my-photos"]',
    "fruits:dataRetentionDays": "90",
    "fruits:keepDataOnDestroy": "true",
    "fruits:workbenchCidrs": '["203.0.113.0/24"]',
}


def resources_of(declared: RecordingProvider) -> list[Resource]:
    """The resources of the stack `eu`. Ids are made of names here, and tell what a property is made of."""
    (region,) = {args.inputs["region"] for args in declared.declared if args.typ == PROVIDER}
    by_id = defaultdict(list)
    for args in declared.declared:
        for id_ in (args.name, f"pl-{args.name}"):
            by_id[id_].append((args.typ, args.name))
    return [
        Resource(
            args.typ,
            args.name,
            args.inputs,
            region if args.provider or args.typ == PROVIDER else None,
            "fruits-eu",
            {
                name: [one for text in items(value) if isinstance(text, str) for one in by_id.get(text, ())]
                for name, value in args.inputs.items()
            },
        )
        for args in declared.declared
        if args.custom
    ]


@pytest.mark.parametrize("region", EU_REGIONS)
def test_the_whole_program_keeps_every_rule_in_every_allowed_region(build: Path, region: str) -> None:
    declared = preview(build, **{"aws:region": region, **EVERYTHING_ON})
    assert [str(violation) for violation in violations(resources_of(declared))] == []


@pytest.mark.parametrize("region", EU_REGIONS)
def test_an_allowed_region_is_in_the_partition_by_which_arns_and_host_names_are_made(region: str) -> None:
    session = botocore.session.get_session()
    assert session.get_partition_for_region(region) == PARTITION
    outputs = {part["id"]: part["outputs"] for part in session.get_data("partitions")["partitions"]}
    assert outputs[PARTITION]["dnsSuffix"] == DNS_SUFFIX


def test_no_arn_in_the_code_names_a_partition_by_itself() -> None:
    literal = re.compile(r"arn:aws[a-z-]*:")
    # The local cloud's provider stands for AWS, which names partitions.
    code = [path for top in ("infra", "lambdas", "spark") for path in (REPOSITORY / top).rglob("*.py")]
    assert [
        str(path) for path in code if "local" not in path.parts and literal.search(path.read_text())
    ] == []


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-2"])
def test_a_preview_outside_the_eu_declares_nothing(build: Path, region: str) -> None:
    with pytest.raises(ConfigInvalid, match=region):
        preview(build, **{"aws:region": region})


def test_the_local_cloud_creates_every_type_that_the_program_can_use(build: Path) -> None:
    declared = preview(build, **EVERYTHING_ON)
    used = {args.typ for args in declared.declared if args.custom and args.typ != PROVIDER}
    assert used - KINDS.keys() == set()


def test_the_local_cloud_creates_no_type_that_the_program_does_not_use(build: Path) -> None:
    declared = preview(build, **EVERYTHING_ON)
    assert KINDS.keys() - {args.typ for args in declared.declared} == set()


def found(token: str, properties: dict[str, Any], region: str | None = "eu-west-1", name: str = "x") -> str:
    return "\n".join(map(str, violations([Resource(token, name, properties, region)])))


@pytest.mark.parametrize(
    ("token", "properties", "message"),
    [
        ("aws:sns/topic:Topic", {"kmsMasterKeyId": "k", "region": "us-east-1"}, "its own region 'us-east-1'"),
        ("aws:sns/topic:Topic", {}, "set kmsMasterKeyId"),
        ("aws:sqs/queue:Queue", {"sqsManagedSseEnabled": True}, "set kmsMasterKeyId"),
        ("aws:cloudwatch/logGroup:LogGroup", {}, "set kmsKeyId"),
        ("aws:dynamodb/table:Table", {"serverSideEncryption": {"enabled": True}}, "kmsKeyArn"),
        (
            "aws:athena/workgroup:Workgroup",
            {"configuration": {"resultConfiguration": {"outputLocation": "s3://x/"}}},
            "encryptionConfiguration.kmsKeyArn",
        ),
        ("aws:kms/key:Key", {}, "set enableKeyRotation"),
        ("aws:ec2/internetGateway:InternetGateway", {}, "opens a way out"),
        ("aws:ec2/subnet:Subnet", {"mapPublicIpOnLaunch": True}, "public addresses"),
        ("aws:ec2/subnet:Subnet", {"availabilityZone": "eu-west-2a"}, "zone 'eu-west-2a' is outside"),
        ("aws:ec2/subnet:Subnet", {}, "tag it for-use-with-amazon-emr-managed-policies=true"),
        (
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            {"cidrIpv4": "0.0.0.0/0"},
            "whole internet",
        ),
        (
            "aws:ec2/securityGroup:SecurityGroup",
            {"ingress": [{"ipv6CidrBlocks": ["::/0"]}]},
            "whole internet",
        ),
        (
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            {"blockPublicAcls": True},
            "become public",
        ),
        ("aws:s3/bucket:Bucket", {}, "lacks BucketLifecycleConfiguration"),
        ("aws:s3/bucketAcl:BucketAcl", {"acl": "private"}, "opens a way out"),
        ("aws:s3/bucketObject:BucketObject", {"acl": "public-read"}, "opens what it holds to everybody"),
        (
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            {},
            "set kmsMasterKeyId",
        ),
        ("aws:lambda/permission:Permission", {"principal": "*"}, "allows everybody"),
        (
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
            "attaches AdministratorAccess",
        ),
        (PROVIDER, {"region": "eu-west-1", "defaultTags": '{"tags": {"stack": "x"}}'}, "managed-by, project"),
        (
            "aws:emr/securityConfiguration:SecurityConfiguration",
            {"configuration": "{}"},
            "set EnableInTransitEncryption",
        ),
    ],
)
def test_what_breaks_a_rule_is_told_with_its_remedy(
    token: str, properties: dict[str, Any], message: str
) -> None:
    assert message in found(token, properties)
    # A first preview knows few of a resource's properties; that hides nothing.
    beside_unknowns = {"name": UNKNOWN, "first": [UNKNOWN], "nested": {"arn": UNKNOWN}, **properties}
    assert message in found(token, beside_unknowns)


def test_every_kind_that_a_rule_names_exists() -> None:
    # The SDK holds its types as JSON text; importing all its modules would take minutes.
    tokens = re.findall(r'"(aws:(\w+)/\w+:(\w+))"', Path(pulumi_aws.__file__).read_text())
    known, modules, kinds = map(set, zip(*tokens, strict=True))
    assert {*LEADS_OUT, *ENCRYPTION_KEYS, *BUCKET_GUARDS} - kinds == set()
    assert KNOWN - known == set()
    assert WITHOUT_NETWORK - modules == set()


@pytest.mark.parametrize(
    ("urn", "prefix"),
    [
        ("urn:pulumi:eu::fruits::fruits:infra:Door$aws:ec2/route:Route::fruits-eu-door-0", "fruits-eu"),
        ("urn:pulumi:front-door::fruits::aws:ec2/vpc:Vpc::fruits-front-door", "fruits-front-door"),
        ("urn:pulumi:eu", None),
        ("", None),
    ],
)
def test_how_names_of_a_stack_begin_is_told_by_a_urn(urn: str, prefix: str | None) -> None:
    assert prefix_of(urn) == prefix


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"Action": "s3:*", "Resource": "arn:aws:s3:::b"}, "list the exact actions"),
        ({"Action": ["s3:Get*"], "Resource": ["arn:aws:s3:::b"]}, "list the exact actions"),
        ({"Action": "s3:GetObjec?", "Resource": "arn:aws:s3:::b"}, "list the exact actions"),
        ({"Action": "s3:GetObject", "Resource": "*"}, "name the ARNs"),
        ({"NotAction": "s3:GetObject", "Resource": "arn:aws:s3:::b"}, "all but a list"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b", "Principal": "*"}, "allows everybody"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b", "NotPrincipal": "x"}, "all but a list"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b", "Principal": {"AWS": "*"}}, "everybody"),
        ({"Action": "iam:PassRole", "Resource": "arn:aws:iam::1:role/x"}, "add iam:PassedToService"),
        ({"Action": "IAM:passrole", "Resource": "arn:aws:iam::1:role/x"}, "add iam:PassedToService"),
        ({"Action": "iam:PassRole", "Resource": "arn:aws:iam::1:role/*"}, "passes any role"),
    ],
)
def test_a_policy_that_allows_too_much_is_told_which_statement(
    statement: dict[str, Any], message: str
) -> None:
    document = json.dumps({"Statement": [{"Sid": "Lax", "Effect": "Allow", **statement}]})
    told = found("aws:iam/rolePolicy:RolePolicy", {"policy": document})
    assert "statement Lax" in told
    assert message in told


def test_a_policy_is_found_wherever_it_lies_and_however_it_is_written() -> None:
    lax = json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b"}})
    assert "statement number 0 allows s3:*" in found("aws:iam/rolePolicy:RolePolicy", {"policy": lax})
    inline = {"inlinePolicies": [{"name": "fine", "policy": None}, {"name": "lax", "policy": lax}]}
    assert "statement number 0 allows s3:*" in found("aws:iam/role:Role", inline)


def test_a_denial_may_be_as_wide_as_it_likes() -> None:
    everything = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    assert not found("aws:s3/bucketPolicy:BucketPolicy", {"policy": json.dumps({"Statement": [everything]})})


def test_a_wide_permission_may_be_narrowed_by_a_denial_under_a_condition() -> None:
    allow = {"Sid": "Stop", "Effect": "Allow", "Action": ["a:Stop"], "Resource": "*"}
    deny = {"Effect": "Deny", "Action": ["a:Stop"], "Resource": "arn:aws:a:eu-west-1:1:thing/*"}
    condition = {"StringNotEquals": {"aws:ResourceTag/stack": "ours"}}

    def told(*statements: dict[str, Any]) -> str:
        return found("aws:iam/rolePolicy:RolePolicy", {"policy": json.dumps({"Statement": statements})})

    assert "statement Stop allows a:Stop on every resource" in told(allow)
    assert "statement Stop allows a:Stop on every resource" in told(allow, deny)
    assert "Stop" not in told(allow, deny | {"Condition": condition})


@pytest.mark.parametrize("partition", ["aws-eusc", "aws-cn", "aws-us-gov"])
def test_an_arn_of_another_partition_is_found_anywhere(partition: str) -> None:
    properties = {"environment": {"variables": {"ROLES": f"x,arn:{partition}:iam::1:role/x"}}}
    assert f"partition {partition}," in found("aws:lambda/function:Function", properties)
    assert "partition" not in found("aws:sns/topicPolicy:TopicPolicy", {"arn": "arn:aws:sns:eu-west-1:1:x"})


def test_a_resource_without_a_known_region_is_a_violation() -> None:
    assert "the region is unknown" in found("aws:iam/role:Role", {}, region=None)


@given(st.text(max_size=20).filter(lambda text: text not in EU_REGIONS))
def test_no_region_but_the_allowed_ones_passes_on_provider_or_resource(region: str) -> None:
    assert "in-the-eu" in found("aws:iam/role:Role", {}, region=region)
    assert "in-the-eu" in found("aws:iam/role:Role", {"region": region})
