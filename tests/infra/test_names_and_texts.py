"""Every name and free text of the whole program is one that AWS takes, whatever the stack is called."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import pulumi
import pytest

from infra.config import LONGEST_STACK_NAME, ConfigInvalid, validate
from infra.local.deploy import deploy
from infra.policies.rules import PROVIDER
from tests.infra.conftest import PREINSTALLED, RecordingProvider, preview
from tests.infra.test_policies import EVERYTHING_ON

PULUMIS_SUFFIX = "-0123456"
"""What Pulumi appends to a logical name to make a physical one. Source: Pulumi docs, "Autonaming"."""
BOTOCORE = botocore.session.get_session()


@dataclass(frozen=True)
class Limit:
    """What AWS takes: a full match of ``pattern`` of at most ``longest`` characters."""

    pattern: str
    longest: int
    source: str

    def refuses(self, text: str) -> bool:
        return len(text) > self.longest or not re.fullmatch(self.pattern, text)


def model(service: str, operation: str, *path: str) -> Limit:
    """The limit of an operation's parameter in botocore's model of a service; no pattern there means any."""
    shape: Any = BOTOCORE.get_service_model(service).operation_model(operation).input_shape
    for name in path:
        shape = shape.members[name]
        shape = shape.member if shape.type_name == "list" else shape
    pattern = shape.metadata.get("pattern", r"[\s\S]*")
    return Limit(pattern, shape.metadata["max"], f"botocore: {service} {operation} {path[-1]}")


GROUP_DESCRIPTION = Limit(
    r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]*", 255, "EC2 API reference, CreateSecurityGroup"
)
GROUP_NAME = Limit(
    r"(?!sg-)[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]+", 255, "EC2 API reference, CreateSecurityGroup"
)
BUCKET_NAME = Limit(
    r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9][a-z0-9.-]+[a-z0-9](?<!-s3alias)(?<!--ol-s3)",
    63,
    "S3 User Guide, General purpose bucket naming rules",
)
TRAIL_NAME = Limit(
    r"(?!.*[._-][._-])[a-zA-Z0-9][a-zA-Z0-9._-]+[a-zA-Z0-9]", 128, "CloudTrail API reference, CreateTrail"
)
SQL_NAME = Limit(r"[a-z0-9_]+", 255, "Athena User Guide, Name databases, tables, and columns")
BALANCER_NAME = Limit(
    r"(?!-|internal-)[A-Za-z0-9-]+(?<!-)", 32, "Elastic Load Balancing API reference, CreateLoadBalancer"
)
GLUE_DESCRIPTION = Limit(r"[\t\n\r\x20-\ud7ff]*", 2048, "Glue API reference, TableInput")

LIMITS: dict[tuple[str, str], Limit] = {
    ("CatalogDatabase", "description"): GLUE_DESCRIPTION,
    ("CatalogDatabase", "name"): SQL_NAME,
    ("CatalogTable", "description"): GLUE_DESCRIPTION,
    ("CatalogTable", "name"): SQL_NAME,
    ("Dashboard", "dashboardName"): Limit(r"[A-Za-z0-9_-]+", 255, "CloudWatch API reference, PutDashboard"),
    ("EventRule", "description"): model("events", "PutRule", "Description"),
    ("Function", "description"): model("lambda", "CreateFunction", "Description"),
    ("Key", "description"): model("kms", "CreateKey", "Description"),
    ("MetricAlarm", "alarmDescription"): model("cloudwatch", "PutMetricAlarm", "AlarmDescription"),
    ("MetricAlarm", "name"): model("cloudwatch", "PutMetricAlarm", "AlarmName"),
    ("Role", "description"): model("iam", "CreateRole", "Description"),
    ("SecurityGroup", "description"): GROUP_DESCRIPTION,
    ("Workgroup", "description"): model("athena", "CreateWorkGroup", "Description"),
}
"""By kind of resource and property, for what the program writes itself."""

NAMED_BY_PULUMI: dict[tuple[str, str], Limit] = {
    ("Bucket", "bucket"): BUCKET_NAME,
    ("EventRule", "name"): model("events", "PutRule", "Name"),
    # The model's limit is that of an ARN.
    ("Function", "name"): Limit(r"[a-zA-Z0-9_-]+", 64, "Lambda API reference, CreateFunction"),
    ("InstanceProfile", "name"): model("iam", "CreateInstanceProfile", "InstanceProfileName"),
    ("Permission", "statementId"): model("lambda", "AddPermission", "StatementId"),
    ("Queue", "name"): Limit(r"[A-Za-z0-9_-]+", 80, "SQS API reference, CreateQueue"),
    ("Role", "name"): model("iam", "CreateRole", "RoleName"),
    ("RolePolicy", "name"): model("iam", "PutRolePolicy", "PolicyName"),
    ("SecurityGroup", "name"): GROUP_NAME,
    ("Table", "name"): Limit(r"[a-zA-Z0-9_.-]{3,}", 255, "DynamoDB Developer Guide, Naming rules"),
    ("Topic", "name"): Limit(r"[A-Za-z0-9_-]+", 256, "SNS API reference, CreateTopic"),
    ("Trail", "name"): TRAIL_NAME,
    ("Workgroup", "name"): Limit(r"[a-zA-Z0-9._-]+", 128, "Athena API reference, CreateWorkGroup"),
}
"""Where the program gives none, Pulumi makes one of the logical name."""

TERRAFORMS_SUFFIX = "0123456789abcdef0123456789"
"""What the provider appends to a ``namePrefix``: 26 characters. Source: terraform-plugin-sdk, package id,
``UniqueIDSuffixLength``."""
NAMED_BY_PREFIX: dict[tuple[str, str], Limit] = {
    ("Alias", "namePrefix"): model("kms", "CreateAlias", "AliasName"),
    ("LoadBalancer", "namePrefix"): BALANCER_NAME,
    ("LogGroup", "namePrefix"): model("logs", "CreateLogGroup", "logGroupName"),
    ("SecurityConfiguration", "namePrefix"): Limit(
        r"[ -~]+", 10_280, "EMR API reference, CreateSecurityConfiguration"
    ),
    ("TargetGroup", "namePrefix"): BALANCER_NAME,
}

TABLES = {*LIMITS, *NAMED_BY_PULUMI, *NAMED_BY_PREFIX}
OTHERS = {
    # Part of something that has a name, or known to AWS by an id alone.
    *("BlockPublicAccessConfiguration", "BucketLifecycleConfiguration", "BucketLogging"),
    *("BucketNotification", "BucketObjectLockConfiguration", "BucketObjectv2", "BucketOwnershipControls"),
    *("BucketPolicy", "BucketPublicAccessBlock", "BucketServerSideEncryptionConfiguration"),
    *("BucketVersioning", "DefaultSecurityGroup", "EventTarget", "FunctionEventInvokeConfig", "QueuePolicy"),
    *("InternetGateway", "Listener", "Route"),
    *("RolePolicyAttachment", "RouteTable", "RouteTableAssociation", "Subnet", "TopicSubscription", "Vpc"),
    *("SecurityGroupEgressRule", "SecurityGroupIngressRule", "VpcEndpoint"),
}

SID = Limit(r"[A-Za-z0-9]+", 255, "IAM User Guide, Grammar of the IAM JSON policy language")
TAG_KEY = Limit(r"(?!aws:)[\w .:/=+\-@]+", 128, "Tagging AWS Resources User Guide, Tag naming limits")
TAG_VALUE = Limit(r"[\w .:/=+\-@]*", 256, TAG_KEY.source)
LIFECYCLE_RULE = Limit(r"[ -~]+", 255, "S3 API reference, LifecycleRule")
SELECTOR = model("cloudtrail", "PutEventSelectors", "AdvancedEventSelectors", "Name")
SIZES = {
    ("BucketPolicy", "policy"): 20_480,
    ("Key", "policy"): 32_768,
    ("Role", "assumeRolePolicy"): 2_048,
    ("RolePolicy", "policy"): 10_240,
    ("VpcEndpoint", "policy"): 20_480,
}
"""Characters of a policy. Sources: S3 User Guide, "Bucket policies"; KMS Developer Guide, "Quotas"; IAM User
Guide, "IAM and STS quotas"; AWS PrivateLink, "Endpoint policies"."""


@pytest.fixture(scope="module")
def everything(build: Path) -> RecordingProvider:
    """The program with every option, as a stack with the longest name that is allowed."""
    return preview(build, "s" * LONGEST_STACK_NAME, **EVERYTHING_ON)


def resources(provider: RecordingProvider) -> Iterator[tuple[str, pulumi.runtime.MockResourceArgs]]:
    for args in provider.declared:
        if args.custom and args.typ != PROVIDER:
            yield args.typ.rsplit(":", 1)[1], args


def limited_texts(provider: RecordingProvider) -> Iterator[tuple[str, str, Limit]]:
    """Where each text is, the text, and its limit."""
    for kind, args in resources(provider):
        for what, text, limit in (*names(kind, args), *texts_inside(kind, args.inputs)):
            yield f"{kind} {args.name} {what}", text, limit
    (of_provider,) = (args for args in provider.declared if args.typ == PROVIDER)
    for what, text, limit in tags(json.loads(of_provider.inputs["defaultTags"])["tags"]):
        yield f"default {what}", text, limit


def names(kind: str, args: pulumi.runtime.MockResourceArgs) -> Iterator[tuple[str, str, Limit]]:
    for (of, name), limit in LIMITS.items():
        if of == kind and name in args.inputs:
            yield name, args.inputs[name], limit
    for (of, name), limit in NAMED_BY_PULUMI.items():
        if of == kind:
            yield name, args.inputs.get(name, args.name + PULUMIS_SUFFIX), limit
    for (of, name), limit in NAMED_BY_PREFIX.items():
        if of == kind:
            yield name, args.inputs[name] + TERRAFORMS_SUFFIX, limit


def texts_inside(kind: str, inputs: dict[str, Any]) -> Iterator[tuple[str, str, Limit]]:
    for name in ("policy", "assumeRolePolicy"):
        for statement in json.loads(inputs.get(name, '{"Statement": []}'))["Statement"]:
            yield "Sid", statement["Sid"], SID
    yield from tags(inputs.get("tags", {}))
    if kind == "BucketLifecycleConfiguration":
        yield from (("rule", rule["id"], LIFECYCLE_RULE) for rule in inputs["rules"])
    for selector in inputs.get("advancedEventSelectors", []):
        yield "selector", selector["name"], SELECTOR


def tags(given: dict[str, str]) -> Iterator[tuple[str, str, Limit]]:
    for key, value in given.items():
        yield "tag", key, TAG_KEY
        yield f"tag {key}", value, TAG_VALUE


def test_aws_takes_every_name_and_free_text(everything: RecordingProvider) -> None:
    refused = [
        f"{where}: {text!r} ({limit.source})"
        for where, text, limit in limited_texts(everything)
        if limit.refuses(text)
    ]
    assert refused == []


def test_no_kind_of_resource_and_no_description_is_overlooked(everything: RecordingProvider) -> None:
    for kind, args in resources(everything):
        assert (kind in {of for of, _ in TABLES}) != (kind in OTHERS), (
            f"is a {kind} named, and by which rule?"
        )
        texts = {
            name
            for name in args.inputs
            if name in {"name", "namePrefix"} or name.lower().endswith("description")
        }
        assert {(kind, name) for name in texts} <= TABLES


def test_every_rule_of_the_tables_was_held_against_a_resource(everything: RecordingProvider) -> None:
    held = {(kind, what) for kind, args in resources(everything) for what, _, _ in names(kind, args)}
    assert held == TABLES


@pytest.mark.parametrize(("kind", "property_"), SIZES)
def test_every_policy_is_short_enough(everything: RecordingProvider, kind: str, property_: str) -> None:
    sizes = [len(args.inputs[property_]) for of, args in resources(everything) if of == kind]
    assert sizes
    assert max(sizes) < SIZES[kind, property_]


def test_the_settings_of_every_function_fit_into_its_environment(everything: RecordingProvider) -> None:
    # Lambda takes 4 KB. Source: Lambda Developer Guide, "Quotas". Real ARNs are longer than those here.
    for function in everything.all_of("Function"):
        variables = function["environment"]["variables"]
        assert sum(len(name) + len(value) for name, value in variables.items()) < 4096 * 0.6


def test_a_stack_name_may_be_as_long_as_the_shortest_limit_allows(everything: RecordingProvider) -> None:
    assert min(limit.longest - len(text) for _, text, limit in limited_texts(everything)) == 0


@pytest.mark.parametrize("stack", ["s" * (LONGEST_STACK_NAME + 1), "EU", "e_u", "e.u", "-eu", "eu-", "e--u"])
def test_a_stack_name_that_makes_impossible_names_fails_the_preview_with_a_sentence(
    build: Path, stack: str
) -> None:
    provider = RecordingProvider()
    with pytest.raises(ConfigInvalid, match=f"stack: {stack!r} becomes part of names .*`pulumi stack init"):
        deploy(provider, stack=stack, config=PREINSTALLED, build=build)
    assert provider.declared == []


@pytest.mark.parametrize("stack", ["eu", "local-2", "3", "s" * LONGEST_STACK_NAME])
def test_every_other_stack_name_is_taken(stack: str) -> None:
    assert validate({"aws:region": "eu-west-1"}, stack=stack, locked_spark="3.5.6")


@pytest.mark.parametrize("text", ["EMR's way", "ein Schlüssel", "x" * 256])
def test_the_table_knows_what_ec2_refuses(text: str) -> None:
    assert GROUP_DESCRIPTION.refuses(text)
