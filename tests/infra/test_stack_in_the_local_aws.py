"""The very program, applied to a real local AWS; the Lambdas are stubs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_aws
import pytest
from botocore.exceptions import ClientError

from infra.local.cloud import CONFIG, LocalCloud
from infra.local.deploy import run
from infra.local.provider import LocalProvider, UnknownResourceTypeError
from lambdas.contract.workbench import PORT
from tests.infra.conftest import GUESTS, SEEN
from tests.infra.deployed import Stack, is_refused

WAIT_SECONDS = 20.0


@pytest.fixture
def stack(cloud: LocalCloud) -> Stack:
    return Stack(cloud)


def eventually(read: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return read()
        except ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_an_uploaded_manifest_reaches_the_launcher_with_its_version(stack: Stack) -> None:
    stack.s3.delete_object(Bucket=stack.bucket, Key=SEEN)
    uploaded = stack.s3.put_object(Bucket=stack.bucket, Key="manifests/my fruits.json", Body=b"{}")
    seen = eventually(lambda: stack.s3.get_object(Bucket=stack.bucket, Key=SEEN))
    (record,) = json.load(seen["Body"])["Records"]
    assert record["s3"]["object"]["key"] == "manifests/my+fruits.json"
    assert record["s3"]["object"]["versionId"] == uploaded["VersionId"]


def test_the_bucket_is_as_private_as_declared(stack: Stack) -> None:
    block = stack.s3.get_public_access_block(Bucket=stack.bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert stack.s3.get_bucket_versioning(Bucket=stack.bucket)["Status"] == "Enabled"
    tags = stack.s3.get_bucket_tagging(Bucket=stack.bucket)["TagSet"]
    assert {"Key": "stack", "Value": "local"} in tags
    notification = stack.s3.get_bucket_notification_configuration(Bucket=stack.bucket)
    (target,) = notification["LambdaFunctionConfigurations"]
    rules = {rule["Name"].lower(): rule["Value"] for rule in target["Filter"]["Key"]["FilterRules"]}
    assert rules == {"prefix": "manifests/", "suffix": ".json"}


def test_the_reconciler_is_scheduled(stack: Stack) -> None:
    events = stack.cloud.client("events")
    (rule,) = [rule for rule in events.list_rules()["Rules"] if "reconcile" in rule["Name"]]
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert rule["ScheduleExpression"] == "rate(5 minutes)"
    assert target["Arn"].endswith(f":function:{stack.outputs['reconciler_function']}")


def test_emr_events_are_routed_to_the_tracker(stack: Stack) -> None:
    events = stack.cloud.client("events")
    (rule,) = [rule for rule in events.list_rules()["Rules"] if "emr" in rule["Name"]]
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"].endswith(f":function:{stack.outputs['tracker_function']}")


def test_objects_are_encrypted_with_the_data_key_and_weaker_puts_are_refused(stack: Stack) -> None:
    bucket, node = stack.bucket, stack.as_role("emr-nodes", "s3")
    stored = node.put_object(Bucket=bucket, Key="Results/d/r/encrypted", Body=b"x")
    assert stored["ServerSideEncryption"] == "aws:kms"
    (rule,) = stack.s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert stored["SSEKMSKeyId"] == rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    assert is_refused(
        lambda: node.put_object(
            Bucket=bucket, Key="Results/d/r/weak", Body=b"x", ServerSideEncryption="AES256"
        )
    )


def test_what_the_stack_uploads_itself_is_encrypted_with_the_data_key_too(stack: Stack) -> None:
    (rule,) = stack.s3.get_bucket_encryption(Bucket=stack.bucket)["ServerSideEncryptionConfiguration"][
        "Rules"
    ]
    key = rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    uploaded = [
        item["Key"]
        for prefix in ("artifacts/", "certificates/")
        for item in stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=prefix)["Contents"]
    ]
    assert len(uploaded) == 11
    for name in uploaded:
        assert stack.s3.head_object(Bucket=stack.bucket, Key=name)["SSEKMSKeyId"] == key


def test_every_key_rotates(stack: Stack) -> None:
    kms = stack.cloud.client("kms")
    keys = [key["KeyId"] for key in kms.list_keys()["Keys"]]
    assert len(keys) == 4
    assert all(kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] for key in keys)


def test_the_network_has_no_way_out_and_no_open_port_but_the_doors(stack: Stack) -> None:
    ec2 = stack.cloud.client("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.0.0.0/16"]}])["Vpcs"]
    ours = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    routes = [
        (route["DestinationCidrBlock"], route["GatewayId"].partition("-")[0])
        for table in ec2.describe_route_tables(Filters=ours)["RouteTables"]
        for route in table["Routes"]
        if "DestinationCidrBlock" in route
    ]
    assert set(routes) == {("10.0.0.0/16", "local"), (GUESTS, "igw")}
    open_to = [
        (group["GroupName"].rpartition("-")[0], rule["FromPort"], rule["ToPort"], entry["CidrIp"])
        for group in ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
        for rule in group["IpPermissions"] + group["IpPermissionsEgress"]
        for entry in rule["IpRanges"] + rule["Ipv6Ranges"]
    ]
    assert open_to == [("fruits-local-door", PORT, PORT, GUESTS)]


def test_clusters_can_name_the_security_configuration_and_none_that_is_missing(stack: Stack) -> None:
    function = stack.cloud.client("lambda").get_function_configuration(
        FunctionName=stack.outputs["launcher_function"]
    )
    name = function["Environment"]["Variables"]["FRUITS_SECURITY_CONFIGURATION"]
    emr = stack.cloud.client("emr")
    described = emr.describe_security_configuration(Name=name)["SecurityConfiguration"]
    assert json.loads(described)["EncryptionConfiguration"]["EnableInTransitEncryption"]
    with pytest.raises(ClientError, match="'other' does not exist"):
        emr.run_job_flow(Name="x", Instances={}, SecurityConfiguration="other")


def test_a_resource_type_that_the_local_cloud_does_not_know_is_an_error(stack: Stack) -> None:
    def program() -> dict[str, pulumi.Output[str]]:
        return {"stream": pulumi_aws.kinesis.Stream("clicks").arn}

    with pytest.raises(UnknownResourceTypeError, match=r"cannot create aws:kinesis/stream:Stream.*'clicks'"):
        run(LocalProvider(stack.cloud.client), stack="local", config=CONFIG, program=program)
