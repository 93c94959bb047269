"""Who may do what, tried as each role of the stack in a local AWS with IAM enforced."""

from __future__ import annotations

import pytest
import urllib3
from botocore.exceptions import ClientError

from infra.components.ledger import ACTIVE_INDEX
from infra.local.cloud import LocalCloud
from lambdas.contract.settings import secrets_of
from lambdas.contract.workbench import PORT
from tests.infra.conftest import SEEN
from tests.infra.deployed import Stack, is_refused


@pytest.fixture
def stack(cloud: LocalCloud) -> Stack:
    return Stack(cloud)


def test_nobody_gets_in_without_credentials(stack: Stack) -> None:
    with urllib3.PoolManager(ca_certs=stack.cloud.environment["AWS_CA_BUNDLE"]) as stranger:
        answer = stranger.request(
            "GET", f"{stack.cloud.environment['AWS_ENDPOINT_URL']}/{stack.bucket}/{SEEN}"
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


def test_functions_make_and_forget_passwords_of_workbenches_and_read_none(stack: Stack) -> None:
    name = secrets_of("fruits-local") + "workbench.x-1"
    for role in ("launcher", "reconciler"):
        vault = stack.as_role(role, "secretsmanager")
        made = vault.create_secret(Name=f"{name}-{role}", SecretString="x")  # of a test
        vault.put_secret_value(SecretId=made["Name"], SecretString="y")  # of a test
        assert is_refused(lambda vault=vault: vault.create_secret(Name="fruits-other/workbench/x"))
    for role in ("launcher", "tracker", "reconciler", "emr-nodes"):
        vault = stack.as_role(role, "secretsmanager")
        assert is_refused(lambda vault=vault: vault.get_secret_value(SecretId=f"{name}-launcher"))
    for role in ("tracker", "reconciler"):
        secret = f"{name}-{'launcher' if role == 'tracker' else 'reconciler'}"
        stack.as_role(role, "secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


def test_the_launcher_tries_whether_notebooks_can_be_kept_and_changes_none(stack: Stack) -> None:
    launcher = stack.as_role("launcher", "s3")
    launcher.put_object(Bucket=stack.bucket, Key="notebooks/explore/.kept", Body=b"")
    for key in ("notebooks/explore/a.ipynb", "notebooks/.kept.ipynb"):
        assert is_refused(lambda key=key: launcher.put_object(Bucket=stack.bucket, Key=key, Body=b"x"))
        assert is_refused(lambda key=key: launcher.get_object(Bucket=stack.bucket, Key=key))
    stack.as_role("emr-nodes", "s3").put_object(
        Bucket=stack.bucket, Key="notebooks/explore/a.ipynb", Body=b"x"
    )


def test_who_follows_clusters_attends_the_door_and_nobody_else(stack: Stack) -> None:
    (group,) = stack.cloud.client("elbv2").describe_target_groups()["TargetGroups"]
    behind = {"TargetGroupArn": group["TargetGroupArn"], "Targets": [{"Id": "10.0.0.9", "Port": PORT}]}
    for role in ("tracker", "reconciler"):
        balancer = stack.as_role(role, "elbv2")
        balancer.register_targets(**behind)
        balancer.deregister_targets(**behind)
    for role in ("launcher", "emr-nodes"):
        assert is_refused(lambda role=role: stack.as_role(role, "elbv2").register_targets(**behind))


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
