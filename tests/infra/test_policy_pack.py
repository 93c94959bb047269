"""The pack as Pulumi starts it: a server of its own, asked about each resource of a preview."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from infra.policies.rules import PROVIDER, RULES, STACK_RULES
from infra.program import REPOSITORY
from tests.infra.conftest import RecordingProvider

pytestmark = pytest.mark.slow

PACK = REPOSITORY / "infra" / "policies" / "pack"
ANSWER_SECONDS = 20.0
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWN_BOOLEAN = "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7"
"""How the engine says that a preview does not know a value. Source: pulumi/sdk, ``plugin/rpc.go``."""


@pytest.fixture(scope="module")
def pack() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    subprocess.run(["make", "--silent", "policy-pack"], cwd=REPOSITORY, check=True)
    options = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text())["runtime"]["options"]
    python = (PACK / options["virtualenv"]).resolve() / "bin" / "python"
    with subprocess.Popen([python, PACK], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        with (
            contextlib.ExitStack() as stack,
            grpc.insecure_channel(f"127.0.0.1:{server.stdout.readline().strip()}") as channel,
        ):
            stack.callback(server.terminate)
            yield analyzer_pb2_grpc.AnalyzerStub(channel)


def struct(properties: Any) -> Struct:
    return ParseDict(properties, Struct())


def urn_of(token: str, name: str) -> str:
    return f"urn:pulumi:eu::fruits::{token}::{name}"


def asked(
    pack: analyzer_pb2_grpc.AnalyzerStub,
    token: str,
    properties: dict[str, Any],
    *,
    name: str = "x",
    region: str = "eu-west-1",
) -> list[Any]:
    """What the pack says of a resource whose provider is in ``region``."""
    provider = analyzer_pb2.AnalyzerProviderResource(type=PROVIDER, properties=struct({"region": region}))
    request = analyzer_pb2.AnalyzeRequest(
        type=token, name=name, urn=urn_of(token, name), properties=struct(properties), provider=provider
    )
    return list(pack.Analyze(request, timeout=ANSWER_SECONDS).diagnostics)


def test_the_pack_has_every_rule(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = pack.GetAnalyzerInfo(Empty(), timeout=ANSWER_SECONDS)
    assert [policy.name for policy in info.policies] == [rule.name for rule in (*RULES, *STACK_RULES)]


def test_the_program_passes(pack: analyzer_pb2_grpc.AnalyzerStub, declared: RecordingProvider) -> None:
    for args in declared.declared:
        # Files are assets, which no rule looks at and plain JSON cannot hold.
        properties = {key: value for key, value in args.inputs.items() if key not in ("source", "code")}
        if args.custom:
            assert asked(pack, args.typ, properties, name=args.name) == [], args.name


def test_a_violation_stops_the_deployment_and_says_why(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    (said,) = asked(pack, "aws:sns/topic:Topic", {})
    assert said.policyName == "encrypted"
    assert "set kmsMasterKeyId" in said.message
    assert said.enforcementLevel == analyzer_pb2.MANDATORY


def test_a_resource_that_leaves_the_region_of_its_provider_is_stopped(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    (said,) = asked(pack, "aws:iam/role:Role", {"region": "us-east-1"})
    assert said.policyName == "in-the-eu"
    (said,) = asked(pack, "aws:iam/role:Role", {}, region="eu-west-2")
    assert "London" in said.message


def test_what_a_preview_does_not_know_is_neither_a_violation_nor_an_advisory(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    assert asked(pack, "aws:sns/topic:Topic", {"kmsMasterKeyId": UNKNOWN_TEXT}) == []
    assert asked(pack, "aws:kms/key:Key", {"enableKeyRotation": UNKNOWN_BOOLEAN}) == []
    assert asked(pack, "aws:sqs/queue:Queue", {"kmsMasterKeyId": "k", "tags": {"of": [UNKNOWN_TEXT]}}) == []


def test_an_unknown_value_switches_no_rule_off_for_the_known_ones(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    block = {"bucket": UNKNOWN_TEXT, "blockPublicAcls": False, "blockPublicPolicy": UNKNOWN_BOOLEAN}
    (said,) = asked(pack, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", block)
    assert said.enforcementLevel == analyzer_pb2.MANDATORY
    assert said.message.endswith("set blockPublicAcls, ignorePublicAcls, restrictPublicBuckets")


def test_a_policy_of_which_nothing_is_known_stops_the_deployment(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    (said,) = asked(pack, "aws:iam/rolePolicy:RolePolicy", {"policy": UNKNOWN_TEXT})
    assert said.enforcementLevel == analyzer_pb2.MANDATORY
    assert "policy is unknown as a whole" in said.message


def test_a_provider_whose_region_is_unknown_stops_the_deployment(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    (said,) = asked(pack, "aws:iam/role:Role", {}, region=UNKNOWN_TEXT)
    assert "the region is unknown" in said.message


def test_an_unguarded_bucket_stops_the_stack(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    properties = struct({"arn": UNKNOWN_TEXT})
    bucket = analyzer_pb2.AnalyzerResource(type="aws:s3/bucket:Bucket", name="bare", properties=properties)
    answer = pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=[bucket]), timeout=ANSWER_SECONDS)
    (said,) = answer.diagnostics
    assert "bare lacks BucketLifecycleConfiguration" in said.message


def test_a_rule_with_the_doors_name_stops_the_stack_on_any_group_but_the_doors(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    ingress = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    group = "aws:ec2/securityGroup:SecurityGroup"

    def said(joined: str) -> list[str]:
        rule = analyzer_pb2.AnalyzerResource(
            type=ingress,
            name="fruits-eu-door-0",
            urn=urn_of(ingress, "fruits-eu-door-0"),
            properties=struct({"cidrIpv4": "203.0.113.0/24", "securityGroupId": UNKNOWN_TEXT}),
            propertyDependencies={
                "securityGroupId": analyzer_pb2.AnalyzerPropertyDependencies(urns=[urn_of(group, joined)])
            },
        )
        groups = [
            analyzer_pb2.AnalyzerResource(type=group, name=name, urn=urn_of(group, name))
            for name in ("fruits-eu-door", "fruits-eu-nodes")
        ]
        request = analyzer_pb2.AnalyzeStackRequest(resources=[*groups, rule])
        return [one.message for one in pack.AnalyzeStack(request, timeout=ANSWER_SECONDS).diagnostics]

    assert said("fruits-eu-door") == []
    (told,) = said("fruits-eu-nodes")
    assert "fruits-eu-door-0 securityGroupId is fruits-eu-nodes; make it that of fruits-eu-door" in told
