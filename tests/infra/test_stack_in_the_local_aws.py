"""The very program, applied to a real local AWS with IAM enforced; the Lambdas are stubs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws
import pytest
import urllib3
from botocore.exceptions import ClientError

from infra.components.ledger import ACTIVE_INDEX
from infra.local.cloud import CONFIG, LocalCloud
from infra.local.deploy import run
from infra.local.provider import LocalProvider, UnknownResourceTypeError

WAIT_SECONDS = 20.0


class Stack:
    """A deployed stack and its administrator."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.outputs = cloud.outputs
        self.bucket = cloud.bucket
        self.s3 = cloud.client("s3")

    def as_role(self, part_of_name: str, service: str) -> Any:
        roles = self.cloud.client("iam").list_roles()["Roles"]
        (arn,) = [role["Arn"] for role in roles if part_of_name in role["RoleName"]]
        session = self.cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return self.cloud.client(
            service,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )

    def make_user(self, name: str, actions: list[str]) -> Any:
        """An S3 client of a new user who may do ``actions`` to everything."""
        iam = self.cloud.client("iam")
        iam.create_user(UserName=name)
        allow = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return self.cloud.client(
            "s3",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, build: Path) -> Iterator[Stack]:
    with LocalCloud(tmp_path_factory.mktemp("cloud"), build=build) as cloud:
        yield Stack(cloud)


def eventually(read: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return read()
        except ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException", "403"}
    return False


def test_an_uploaded_manifest_reaches_the_launcher_with_its_version(stack: Stack) -> None:
    uploaded = stack.s3.put_object(Bucket=stack.bucket, Key="manifests/my fruits.json", Body=b"{}")
    seen = eventually(lambda: stack.s3.get_object(Bucket=stack.bucket, Key="runs/stub/seen.json"))
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


def test_nobody_gets_in_without_credentials(stack: Stack) -> None:
    with urllib3.PoolManager(ca_certs=stack.cloud.environment["AWS_CA_BUNDLE"]) as stranger:
        answer = stranger.request(
            "GET", f"{stack.cloud.environment['AWS_ENDPOINT_URL']}/{stack.bucket}/runs/stub/seen.json"
        )
    assert answer.status == 403


def test_a_wrong_secret_is_refused(stack: Stack) -> None:
    iam = stack.cloud.client("iam")
    iam.create_user(UserName="somebody")
    key = iam.create_access_key(UserName="somebody")["AccessKey"]["AccessKeyId"]
    stranger = stack.cloud.client("s3", aws_access_key_id=key, aws_secret_access_key="guessed")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stranger.list_buckets()


def test_nodes_read_images_and_write_results_and_nothing_else(stack: Stack) -> None:
    bucket, node = stack.bucket, stack.as_role("emr-nodes", "s3")
    stack.s3.put_object(Bucket=bucket, Key="images/a/1.jpg", Body=b"x")
    stack.s3.put_object(Bucket=bucket, Key="manifests-rejected/x.json", Body=b"{}")

    node.get_object(Bucket=bucket, Key="images/a/1.jpg")["Body"].close()
    node.list_objects_v2(Bucket=bucket, Prefix="images/a/")
    for key in (
        "Results/d/r/part-0.parquet",
        "Results_CSV/d/r/p.csv",
        "quarantine/d/r/p",
        "runs/r/status.json",
    ):
        node.put_object(Bucket=bucket, Key=key, Body=b"x")

    assert is_refused(lambda: node.put_object(Bucket=bucket, Key="manifests/again.json", Body=b"{}"))
    assert is_refused(lambda: node.put_object(Bucket=bucket, Key="images/a/1.jpg", Body=b"y"))
    assert is_refused(lambda: node.put_object(Bucket=bucket, Key="artifacts/job.zip", Body=b"y"))
    assert is_refused(lambda: node.get_object(Bucket=bucket, Key="manifests-rejected/x.json"))
    assert is_refused(lambda: node.delete_object(Bucket=bucket, Key="images/a/1.jpg"))
    assert is_refused(lambda: node.list_objects_v2(Bucket=bucket, Prefix="manifests/"))
    assert is_refused(
        lambda: stack.as_role("emr-nodes", "dynamodb").scan(TableName=stack.outputs["ledger_table"])
    )


def test_nodes_are_told_that_an_object_is_missing_and_not_that_it_is_forbidden(stack: Stack) -> None:
    node = stack.as_role("emr-nodes", "s3")
    with pytest.raises(node.exceptions.NoSuchKey):
        node.get_object(Bucket=stack.bucket, Key="runs/r/index.parquet")


def test_the_launcher_cannot_read_images_or_touch_results(stack: Stack) -> None:
    bucket, launcher = stack.bucket, stack.as_role("launcher", "s3")
    stack.s3.put_object(Bucket=bucket, Key="images/a/1.jpg", Body=b"x")
    launcher.head_bucket(Bucket=bucket)
    launcher.put_object(Bucket=bucket, Key="manifests-rejected/x.json", Body=b"{}")
    launcher.delete_object(Bucket=bucket, Key="manifests-rejected/x.json")
    assert is_refused(lambda: launcher.get_object(Bucket=bucket, Key="images/a/1.jpg"))
    assert is_refused(lambda: launcher.put_object(Bucket=bucket, Key="Results/x", Body=b"x"))
    assert is_refused(lambda: launcher.put_object(Bucket=bucket, Key="manifests/loop.json", Body=b"x"))


def test_nobody_can_delete_from_the_ledger(stack: Stack) -> None:
    for role in ("launcher", "tracker", "reconciler"):
        table = stack.as_role(role, "dynamodb")
        row = {"TableName": stack.outputs["ledger_table"], "Key": {"run_id": {"S": "r"}}}
        table.get_item(**row)
        assert is_refused(lambda table=table, row=row: table.delete_item(**row))


def test_only_the_reconciler_can_stop_clusters(stack: Stack) -> None:
    (profile,) = stack.cloud.client("iam").list_instance_profiles()["InstanceProfiles"]
    cluster = stack.cloud.client("emr").run_job_flow(
        Name="a",
        Instances={"InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True},
        JobFlowRole=profile["InstanceProfileName"],
    )["JobFlowId"]
    for role in ("launcher", "tracker", "emr-nodes"):
        weaker = stack.as_role(role, "emr")
        assert is_refused(lambda emr=weaker: emr.terminate_job_flows(JobFlowIds=[cluster]))
    reconciler = stack.as_role("reconciler", "emr")
    reconciler.set_termination_protection(JobFlowIds=[cluster], TerminationProtected=False)
    reconciler.terminate_job_flows(JobFlowIds=[cluster])


def test_active_runs_can_be_listed_by_the_launcher(stack: Stack) -> None:
    listed = stack.as_role("launcher", "dynamodb").query(
        TableName=stack.outputs["ledger_table"],
        IndexName=ACTIVE_INDEX,
        KeyConditionExpression="active = :state",
        ExpressionAttributeValues={":state": {"S": "QUEUED"}},
    )
    assert listed["Items"] == []


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
    assert len(uploaded) == 5
    for name in uploaded:
        assert stack.s3.head_object(Bucket=stack.bucket, Key=name)["SSEKMSKeyId"] == key


def test_nobody_uses_a_key_past_the_service_that_it_is_for(stack: Stack) -> None:
    (data_key,) = [
        alias["TargetKeyId"]
        for alias in stack.cloud.client("kms").list_aliases()["Aliases"]
        if "-data-" in alias["AliasName"]
    ]
    for role in ("emr-nodes", "launcher", "tracker"):
        kms = stack.as_role(role, "kms")
        assert is_refused(lambda kms=kms: kms.generate_data_key(KeyId=data_key, KeySpec="AES_256"))


def test_nodes_unlock_their_disks_with_the_nodes_key_alone(stack: Stack) -> None:
    keys = {
        alias["AliasName"].rsplit("-", 2)[1]: alias["TargetKeyId"]
        for alias in stack.cloud.client("kms").list_aliases()["Aliases"]
    }
    node = stack.as_role("emr-nodes", "kms")
    sealed = node.generate_data_key(KeyId=keys["nodes"], KeySpec="AES_256")["CiphertextBlob"]
    node.decrypt(CiphertextBlob=sealed)
    for purpose in ("control", "audit"):
        key = keys[purpose]
        assert is_refused(lambda key=key: node.generate_data_key(KeyId=key, KeySpec="AES_256"))
    tracker = stack.as_role("tracker", "kms")
    assert is_refused(lambda: tracker.decrypt(CiphertextBlob=sealed))


def test_every_key_rotates(stack: Stack) -> None:
    kms = stack.cloud.client("kms")
    keys = [key["KeyId"] for key in kms.list_keys()["Keys"]]
    assert len(keys) == 4
    assert all(kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] for key in keys)


def test_the_trail_records_and_no_role_touches_it(stack: Stack) -> None:
    trails = stack.cloud.client("cloudtrail")
    (trail,) = trails.describe_trails()["trailList"]
    assert trails.get_trail_status(Name=trail["Name"])["IsLogging"]
    assert len(trails.get_event_selectors(TrailName=trail["Name"])["AdvancedEventSelectors"]) == 3
    for role in ("launcher", "tracker", "emr-nodes"):
        s3, cloudtrail = stack.as_role(role, "s3"), stack.as_role(role, "cloudtrail")
        bucket = trail["S3BucketName"]
        assert is_refused(lambda s3=s3, b=bucket: s3.put_object(Bucket=b, Key="AWSLogs/forged", Body=b"x"))
        assert is_refused(lambda s3=s3, b=bucket: s3.list_objects_v2(Bucket=b))
        assert is_refused(lambda it=cloudtrail, name=trail["Name"]: it.stop_logging(Name=name))


def test_even_an_administrator_cannot_forge_or_delete_what_is_in_the_audit_bucket(stack: Stack) -> None:
    (trail,) = stack.cloud.client("cloudtrail").describe_trails()["trailList"]
    bucket = trail["S3BucketName"]
    administrator = stack.make_user("administrator", ["s3:*"])
    assert is_refused(lambda: administrator.put_object(Bucket=bucket, Key="AWSLogs/forged", Body=b"x"))
    # Root stands for CloudTrail, which has no voice of its own here.
    kept = stack.s3.put_object(Bucket=bucket, Key="AWSLogs/kept", Body=b"x")["VersionId"]
    for bypass in (False, True):
        assert is_refused(
            lambda bypass=bypass: administrator.delete_object(
                Bucket=bucket, Key="AWSLogs/kept", VersionId=kept, BypassGovernanceRetention=bypass
            )
        )


def test_the_network_has_no_way_out_and_no_open_port(stack: Stack) -> None:
    ec2 = stack.cloud.client("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.0.0.0/16"]}])["Vpcs"]
    ours = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    routes = [
        route.get("GatewayId", "")
        for table in ec2.describe_route_tables(Filters=ours)["RouteTables"]
        for route in table["Routes"]
    ]
    assert all(target == "local" or target.startswith("vpce-") for target in routes)
    for group in ec2.describe_security_groups(Filters=ours)["SecurityGroups"]:
        for rule in group["IpPermissions"] + group["IpPermissionsEgress"]:
            assert not rule["IpRanges"] + rule["Ipv6Ranges"], group["GroupName"]


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
