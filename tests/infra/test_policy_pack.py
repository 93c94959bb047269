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

from infra.policies.rules import PROVIDER, RULES
from infra.program import REPOSITORY
from tests.infra.conftest import RecordingProvider

PACK = REPOSITORY / "infra" / "policies" / "pack"
ANSWER_SECONDS = 20.0


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
        type=token, name=name, properties=struct(properties), provider=provider
    )
    return list(pack.Analyze(request, timeout=ANSWER_SECONDS).diagnostics)


def test_the_pack_has_every_rule(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = pack.GetAnalyzerInfo(Empty(), timeout=ANSWER_SECONDS)
    assert {policy.name for policy in info.policies} == {*(rule.name for rule in RULES), "guarded-buckets"}


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


def test_an_unguarded_bucket_stops_the_stack(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    bucket = analyzer_pb2.AnalyzerResource(type="aws:s3/bucket:Bucket", name="bare", properties=struct({}))
    answer = pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=[bucket]), timeout=ANSWER_SECONDS)
    (said,) = answer.diagnostics
    assert "bare lacks BucketLifecycleConfiguration" in said.message
