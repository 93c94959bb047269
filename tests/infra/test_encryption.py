"""What is declared to keep data encrypted, private and no longer than wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.infra.conftest import ACCOUNT_ID, RecordingProvider, preview, statements_of

BUCKETS = ("data", "audit", "access-logs")
PURPOSES = ("data", "nodes", "control", "audit")


def key(purpose: str) -> str:
    return f"arn:test:kms/key:::fruits-eu-{purpose}"


@pytest.mark.parametrize("name", BUCKETS)
def test_nothing_of_a_bucket_can_become_public(declared: RecordingProvider, name: str) -> None:
    block = declared.one("BucketPublicAccessBlock", f"-{name}")
    assert [block[rule] for rule in ("blockPublicAcls", "blockPublicPolicy")] == [True, True]
    assert [block[rule] for rule in ("ignorePublicAcls", "restrictPublicBuckets")] == [True, True]
    ownership = declared.one("BucketOwnershipControls", f"-{name}")
    assert ownership["rule"]["objectOwnership"] == "BucketOwnerEnforced"


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_refuses_plain_http(declared: RecordingProvider, name: str) -> None:
    statement = statements_of(declared.one("BucketPolicy", f"-{name}")["policy"])["TlsOnly"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", ["s3:*"])
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    bucket, objects = statement["Resource"]
    assert objects == f"{bucket}/*"


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_is_versioned_and_forgets_what_was_replaced(declared: RecordingProvider, name: str) -> None:
    assert declared.one("BucketVersioning", f"-{name}")["versioningConfiguration"]["status"] == "Enabled"
    rule = declared.one("BucketLifecycleConfiguration", f"-{name}")["rules"][0]
    assert rule["noncurrentVersionExpiration"]["noncurrentDays"] == 30
    assert rule["abortIncompleteMultipartUpload"]["daysAfterInitiation"] == 7


@pytest.mark.parametrize("name", ["data", "audit"])
def test_objects_are_encrypted_with_the_buckets_own_key(declared: RecordingProvider, name: str) -> None:
    (rule,) = declared.one("BucketServerSideEncryptionConfiguration", f"-{name}")["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {
        "sseAlgorithm": "aws:kms",
        "kmsMasterKeyId": key(name),
    }
    assert rule["bucketKeyEnabled"] is True


def test_the_data_bucket_takes_no_object_under_another_key(declared: RecordingProvider) -> None:
    statements = statements_of(declared.one("BucketPolicy", "-data")["policy"])
    for sid in ("NoWeakerEncryption", "NoOtherKey", "NoCustomerKey"):
        assert (statements[sid]["Effect"], statements[sid]["Action"]) == ("Deny", ["s3:PutObject"])
    named = statements["NoOtherKey"]["Condition"]["StringNotEquals"]
    assert named == {"s3:x-amz-server-side-encryption-aws-kms-key-id": key("data")}


def test_access_logs_have_the_only_encryption_that_s3_delivers_them_with(declared: RecordingProvider) -> None:
    (rule,) = declared.one("BucketServerSideEncryptionConfiguration", "-access-logs")["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_key_rotates_and_is_used_only_through_the_services_of_its_purpose(
    declared: RecordingProvider, purpose: str
) -> None:
    declaration = declared.one("Key", f"-{purpose}")
    assert declaration["enableKeyRotation"] is True
    for sid, statement in statements_of(declaration["policy"]).items():
        if sid == "Administer":
            uses = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant"}
            assert not uses & set(statement["Action"])
        elif sid != "UseByNodes":
            assert statement["Condition"]


@pytest.mark.parametrize(
    ("purpose", "sid", "grants"),
    [
        ("control", "UseThroughDynamodb", True),
        ("control", "EncryptLogs", False),
        ("nodes", "UseThroughEc2", True),
    ],
)
def test_a_service_that_encrypts_by_itself_may_do_all_that_its_guide_asks_for(
    declared: RecordingProvider, purpose: str, sid: str, grants: bool
) -> None:
    statement = statements_of(declared.one("Key", f"-{purpose}")["policy"])[sid]
    asked = "Decrypt Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo"
    actions = [*asked.split(), *(["CreateGrant", "DescribeKey"] if grants else [])]
    assert set(statement["Action"]) == {f"kms:{action}" for action in actions}


def test_there_is_one_key_a_purpose(declared: RecordingProvider) -> None:
    assert len(declared.all_of("Key")) == len(declared.all_of("Alias")) == len(PURPOSES)


def test_the_trail_encrypts_with_its_key_for_itself_alone(declared: RecordingProvider) -> None:
    statement = statements_of(declared.one("Key", "-audit")["policy"])["EncryptTrail"]
    assert statement["Condition"] == {
        "ArnLike": {"aws:SourceArn": f"arn:aws:cloudtrail:eu-west-1:{ACCOUNT_ID}:trail/fruits-eu-*"}
    }


def test_ledger_topic_logs_and_settings_are_encrypted_with_the_control_key(
    declared: RecordingProvider,
) -> None:
    assert declared.one("Table")["serverSideEncryption"] == {"enabled": True, "kmsKeyArn": key("control")}
    assert {topic["kmsMasterKeyId"] for topic in declared.all_of("Topic")} == {key("control")}
    assert {group["kmsKeyId"] for group in declared.all_of("LogGroup")} == {key("control")}
    assert {function["kmsKeyArn"] for function in declared.all_of("Function")} == {key("control")}


def test_lambda_may_lend_the_control_key_to_functions_for_who_deploys_them(
    declared: RecordingProvider,
) -> None:
    statement = statements_of(declared.one("Key", "-control")["policy"])["UseThroughLambda"]
    assert set(statement["Action"]) == {"kms:CreateGrant", "kms:Decrypt", "kms:Encrypt"}
    assert statement["Condition"] == {"StringEquals": {"kms:ViaService": "lambda.eu-west-1.amazonaws.com"}}


def test_cluster_logs_expire_with_the_other_logs_and_data_stays_unless_configured(
    build: Path, declared: RecordingProvider
) -> None:
    assert expiries(declared) == {"logs/": 30, "queries/": 7}
    limited = expiries(preview(build, **{"fruits:dataRetentionDays": "90"}))
    assert {limited[prefix] for prefix in ("images/", "Results/", "quarantine/", "runs/")} == {90}
    assert not {"manifests/", "artifacts/"} & limited.keys()


def expiries(declared: RecordingProvider) -> dict[str, int]:
    rules = declared.one("BucketLifecycleConfiguration", "-data")["rules"]
    return {rule["filter"]["prefix"]: rule["expiration"]["days"] for rule in rules if "expiration" in rule}


def test_clusters_are_encrypted_at_rest_and_in_transit_and_use_imdsv2(declared: RecordingProvider) -> None:
    document = json.loads(declared.one("SecurityConfiguration")["configuration"])
    encryption = document["EncryptionConfiguration"]
    assert encryption["EnableAtRestEncryption"] is encryption["EnableInTransitEncryption"] is True
    at_rest = encryption["AtRestEncryptionConfiguration"]
    assert at_rest["S3EncryptionConfiguration"] == {"EncryptionMode": "SSE-KMS", "AwsKmsKey": key("data")}
    assert at_rest["LocalDiskEncryptionConfiguration"]["AwsKmsKey"] == key("nodes")
    assert at_rest["LocalDiskEncryptionConfiguration"]["EnableEbsEncryption"] is True
    certificates = encryption["InTransitEncryptionConfiguration"]["TLSCertificateConfiguration"]
    assert certificates["S3Object"].startswith(
        "s3://fruits-eu-data/certificates/node-certificates-eu-west-1-"
    )
    assert document["InstanceMetadataServiceConfiguration"] == {
        "MinimumInstanceMetadataServiceVersion": 2,
        "HttpPutResponseHopLimit": 1,
    }
