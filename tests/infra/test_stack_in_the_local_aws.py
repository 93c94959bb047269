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

from infra.local import tls
from infra.local.deploy import deploy, run
from infra.local.ministack import ACCOUNT_ID, MiniStack
from infra.local.provider import LocalProvider, UnknownResourceTypeError

CONFIG = {"aws:region": "eu-west-1", "fruits:nodePackages": "preinstalled"}
WAIT_SECONDS = 20.0


class Stack:
    """A deployed stack and its administrator."""

    def __init__(self, ministack: MiniStack, outputs: dict[str, str]) -> None:
        self.ministack = ministack
        self.outputs = outputs
        self.bucket = outputs["data_bucket"]
        self.s3 = ministack.client("s3")

    def as_role(self, part_of_name: str, service: str) -> Any:
        roles = self.ministack.client("iam").list_roles()["Roles"]
        (arn,) = [role["Arn"] for role in roles if part_of_name in role["RoleName"]]
        session = self.ministack.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return self.ministack.client(
            service,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    folder = tmp_path_factory.mktemp("ministack")
    with MiniStack(tls=tls.issue(folder / "tls"), folder=folder, region="eu-west-1") as running:
        yield running


@pytest.fixture(scope="module")
def stack(ministack: MiniStack, build: Path) -> Stack:
    provider = LocalProvider(ministack.client, ACCOUNT_ID)
    return Stack(ministack, deploy(provider, stack="local", config=CONFIG, build=build))


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
    with urllib3.PoolManager(ca_certs=stack.ministack.environment["AWS_CA_BUNDLE"]) as stranger:
        answer = stranger.request("GET", f"{stack.ministack.url}/{stack.bucket}/runs/stub/seen.json")
    assert answer.status == 403


def test_a_wrong_secret_is_refused(ministack: MiniStack) -> None:
    iam = ministack.client("iam")
    iam.create_user(UserName="somebody")
    key = iam.create_access_key(UserName="somebody")["AccessKey"]["AccessKeyId"]
    stranger = ministack.client("s3", aws_access_key_id=key, aws_secret_access_key="guessed")
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
    assert is_refused(lambda: node.list_objects_v2(Bucket=bucket))
    assert is_refused(
        lambda: stack.as_role("emr-nodes", "dynamodb").scan(TableName=stack.outputs["ledger_table"])
    )


def test_the_launcher_cannot_read_images_or_touch_results(stack: Stack) -> None:
    bucket, launcher = stack.bucket, stack.as_role("launcher", "s3")
    stack.s3.put_object(Bucket=bucket, Key="images/a/1.jpg", Body=b"x")
    launcher.head_bucket(Bucket=bucket)
    launcher.put_object(Bucket=bucket, Key="manifests-rejected/x.json", Body=b"{}")
    launcher.delete_object(Bucket=bucket, Key="manifests-rejected/x.json")
    assert is_refused(lambda: launcher.get_object(Bucket=bucket, Key="images/a/1.jpg"))
    assert is_refused(lambda: launcher.put_object(Bucket=bucket, Key="Results/x", Body=b"x"))
    assert is_refused(lambda: launcher.put_object(Bucket=bucket, Key="manifests/loop.json", Body=b"x"))


def test_the_tracker_cannot_claim_runs(stack: Stack) -> None:
    tracker = stack.as_role("tracker", "dynamodb")
    row = {"run_id": {"S": "r"}}
    tracker.get_item(TableName=stack.outputs["ledger_table"], Key=row)
    assert is_refused(lambda: tracker.put_item(TableName=stack.outputs["ledger_table"], Item=row))


def test_emr_events_are_routed_to_the_tracker(stack: Stack) -> None:
    events = stack.ministack.client("events")
    (rule,) = [rule for rule in events.list_rules()["Rules"] if "emr" in rule["Name"]]
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"].endswith(f":function:{stack.outputs['tracker_function']}")


def test_a_resource_type_that_the_local_cloud_does_not_know_is_an_error(ministack: MiniStack) -> None:
    def program() -> dict[str, pulumi.Output[str]]:
        return {"stream": pulumi_aws.kinesis.Stream("clicks").arn}

    with pytest.raises(UnknownResourceTypeError, match=r"cannot create aws:kinesis/stream:Stream.*'clicks'"):
        run(LocalProvider(ministack.client, ACCOUNT_ID), stack="local", config=CONFIG, program=program)
