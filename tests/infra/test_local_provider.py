"""What every kind of resource in the local cloud must do, tried on each resource of the stack itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pulumi
import pytest

from infra.local import tls
from infra.local.cloud import CONFIG, REGION
from infra.local.deploy import deploy
from infra.local.emr import EmrEndpoint
from infra.local.ministack import MiniStack, client
from infra.local.provider.kinds import KINDS
from infra.local.provider.resource import no_update, same
from tests.infra.changes_in_place import (
    CHANGES,
)
from tests.infra.remembered_stack import Recorder, Stack

pytestmark = pytest.mark.slow

EXTRAS = {
    "fruits:alarmEmails": json.dumps(["operator@example.org"]),
    "fruits:workbenchCidrs": json.dumps(["203.0.113.0/24"]),
}
"""Settings by which the stack has resources of every kind."""

NEVER_TOLD: dict[str, set[str]] = {
    "aws:athena/workgroup:Workgroup": {"forceDestroy"},
    "aws:ec2/securityGroup:SecurityGroup": {"revokeRulesOnDelete"},
    "aws:kms/key:Key": {"deletionWindowInDays"},
    "aws:lambda/function:Function": {"code"},
    "aws:s3/bucket:Bucket": {"forceDestroy"},
    "aws:s3/bucketObjectv2:BucketObjectv2": {"source", "content"},
    # These are told by AWS, but not by MiniStack.
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": {"prefixListId"},
    "aws:ec2/vpcEndpoint:VpcEndpoint": {"policy", "privateDnsEnabled", "securityGroupIds"},
}
"""Inputs that are taken for unchanged, because nobody could say otherwise. So are prefixes of names."""

STAYS = {
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:emr/blockPublicAccessConfiguration:BlockPublicAccessConfiguration",
    # A bucket always encrypts (with S3's own keys, unless another way is set) and never forgets versions.
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
}
"""What goes with what it belongs to, or never."""


@pytest.fixture(scope="module")
def deploy_stack(tmp_path_factory: pytest.TempPathFactory, build: Path) -> Iterator[Callable[[str], Stack]]:
    folder = tmp_path_factory.mktemp("cloud")
    files = tls.issue(folder / "tls")
    with MiniStack(tls=files, folder=folder, region=REGION) as ministack:
        emr = EmrEndpoint(tls=files, environment=ministack.environment, folder=folder / "emr")
        emr.start()
        environment = {**ministack.environment, "AWS_ENDPOINT_URL_EMR": emr.url}

        def deploy_stack(name: str) -> Stack:
            recorder = Recorder(lambda service: client(service, environment))
            deploy(recorder, stack=name, config={**CONFIG, **EXTRAS}, build=build)
            assert recorder.stack is not None
            return recorder.stack

        yield deploy_stack
        emr.stop()


@pytest.fixture(scope="module")
def stack(deploy_stack: Callable[[str], Stack]) -> Stack:
    return deploy_stack("kept")


CHANGED_ELSEWHERE = {
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:s3/bucketObjectv2:BucketObjectv2",
}
"""Kinds that have a test of their own: no input of theirs is told and can be changed."""


@pytest.mark.parametrize("token", sorted(KINDS))
def test_a_new_resource_is_read_as_it_was_given(stack: Stack, token: str) -> None:
    for resource in stack.of(token):
        found = stack.inputs(resource)
        untold = resource.inputs.keys() - found.keys() - {f"{resource.kind.named}Prefix"}
        assert untold <= NEVER_TOLD.get(token, set()), resource.name
        for key, value in found.items():
            assert same(resource.inputs.get(key), value), f"{resource.name}: {key}"


@pytest.mark.parametrize("token", sorted(KINDS))
def test_outputs_are_read_as_they_were_when_the_resource_was_made(stack: Stack, token: str) -> None:
    for resource in stack.of(token):
        found = stack.read(resource)
        assert found is not None
        assert {key: resource.known.get(key) for key in found.outputs} == found.outputs


def test_every_kind_that_can_change_is_changed_here() -> None:
    changing = {token for token, kind in KINDS.items() if kind.update not in (None, no_update)}
    assert changing == CHANGES.keys() | CHANGED_ELSEWHERE


@pytest.mark.parametrize("token", sorted(CHANGES))
def test_a_change_in_place_is_found_by_whoever_knows_the_state_before_and_can_be_undone(
    stack: Stack, token: str
) -> None:
    resource = stack.of(token)[0]
    before, change = stack.inputs(resource), CHANGES[token](stack, resource.inputs)
    new = {key: value for key, value in {**resource.inputs, **change}.items() if value is not None}
    changed, replacing = resource.kind.changes(resource.inputs, new)
    assert set(changed) == change.keys()
    assert not replacing

    stack.apply(resource, resource.inputs, new)
    found = stack.inputs(resource)
    for key in change:
        assert not same(found.get(key), before.get(key)), key
        if key in new:
            assert same(found[key], new[key]), key
    assert {key: found.get(key) for key in before if key not in change} == {
        key: value for key, value in before.items() if key not in change
    }

    stack.apply(resource, new, resource.inputs)
    assert stack.inputs(resource) == before


def test_a_rule_that_somebody_adds_to_the_default_group_is_found_and_taken_away(stack: Stack) -> None:
    (group,) = stack.of("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    door = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    stack.aws.client("ec2").authorize_security_group_ingress(GroupId=group.id, IpPermissions=[door])
    (rule,) = stack.inputs(group)["ingress"]
    assert (rule["cidrIpv4"], rule["fromPort"], rule["toPort"]) == ("0.0.0.0/0", 22, 22)

    stack.apply(group, {**group.inputs, "ingress": [rule]}, group.inputs)
    assert "ingress" not in stack.inputs(group)


def test_other_content_of_an_object_is_another_version(stack: Stack, tmp_path: Path) -> None:
    objects = stack.of("aws:s3/bucketObjectv2:BucketObjectv2")
    resource = next(entry for entry in objects if "source" in entry.inputs)
    (tmp_path / "other").write_text("other")
    other = {**resource.inputs, "source": pulumi.FileAsset(str(tmp_path / "other"))}
    stack.apply(resource, resource.inputs, other)
    found = stack.read(resource)
    assert found is not None
    assert found.outputs["versionId"] != resource.known["versionId"]
    assert found.outputs["etag"] != resource.known["etag"]


def test_rules_for_two_prefix_lists_are_two_rules(stack: Stack) -> None:
    rules = [
        rule
        for rule in stack.of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
        if "prefixListId" in rule.inputs
    ]
    assert len({rule.id for rule in rules}) == len(rules) > 0


def test_whatever_is_deleted_in_reverse_order_is_gone(deploy_stack: Callable[[str], Stack]) -> None:
    stack = deploy_stack("gone")
    for resource in reversed(stack.resources):
        resource.kind.delete(stack.aws, resource.id, resource.known)
        if resource.token not in STAYS:
            assert stack.read(resource) is None, f"{resource.token} {resource.name}"
