"""Contract suites: the fakes and the AWS adapters (on MiniStack) behave alike."""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from infra.local.emr import EmrEndpoint
from infra.local.ministack import MiniStack, client
from lambdas.aws.buckets import S3Buckets
from lambdas.aws.clusters import EmrClusters
from lambdas.aws.objects import S3Objects
from lambdas.aws.topic import SnsTopic
from lambdas.runs.cluster_port import ClusterState, LaunchInDoubtError, LaunchRefusedError, StepState
from lambdas.runs.ports import BucketDenied, BucketMissing, Buckets, Objects

from .conftest import unreachable_emr
from .fakes import FakeBuckets, FakeObjects
from .test_planning import requested
from .world import SETTINGS


def region_of(ministack: MiniStack, service: str, region: str) -> Any:
    environment = ministack.environment
    return boto3.client(
        service,  # type: ignore[call-overload]  # the name is not a literal here
        endpoint_url=ministack.url,
        region_name=region,
        verify=environment["AWS_CA_BUNDLE"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def new_bucket(ministack: MiniStack, region: str = "eu-west-1") -> str:
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    region_of(ministack, "s3", region).create_bucket(Bucket=name, **where)
    return name


@pytest.fixture(params=["fake", "aws"])
def objects(request: pytest.FixtureRequest) -> Objects:
    if request.param == "fake":
        return FakeObjects()
    ministack: MiniStack = request.getfixturevalue("ministack")
    return S3Objects(ministack.client("s3"), new_bucket(ministack))


class TestObjects:
    def test_what_is_written_is_read(self, objects: Objects) -> None:
        objects.write("runs/ä b.json", "grün\n")
        assert objects.read("runs/ä b.json") == "grün\n".encode()
        assert objects.read("runs/ä b.json", max_bytes=3) == "grün".encode()[:3]

    def test_what_is_not_there_is_none(self, objects: Objects) -> None:
        assert objects.read("nothing") is None
        assert objects.read("nothing", version_id="3HL4kqtJvjVBH40Nrjfkd") is None

    def test_writing_replaces_and_creating_does_not(self, objects: Objects) -> None:
        assert objects.create("a", "1")
        assert not objects.create("a", "2")
        assert objects.read("a") == b"1"
        objects.write("a", "3")
        assert objects.read("a") == b"3"

    def test_an_empty_object_shows_that_something_can_be_written(self, objects: Objects) -> None:
        assert objects.refusal("a/.kept") is None
        assert objects.refusal("a/.kept") is None
        assert objects.read("a/.kept") == b""

    def test_deleting_twice_is_harmless(self, objects: Objects) -> None:
        objects.write("a", "1")
        objects.delete("a")
        objects.delete("a")
        assert objects.read("a") is None


def test_where_nothing_can_be_written_s3_says_why(ministack: MiniStack, stranger: dict[str, str]) -> None:
    bucket = new_bucket(ministack)
    closed = S3Objects(ministack.client("s3", **stranger), bucket)
    assert "AccessDenied" in (closed.refusal("a/.kept") or "")


def test_a_bucket_that_has_too_much_to_do_refuses_nothing_for_good(ministack: MiniStack) -> None:
    s3 = ministack.client("s3")
    with Stubber(s3) as busy:
        busy.add_client_error("put_object", "SlowDown", http_status_code=503)
        with pytest.raises(ClientError, match="SlowDown"):
            S3Objects(s3, "bucket").refusal("a/.kept")


def test_every_version_of_an_object_can_be_read_until_it_is_deleted(ministack: MiniStack) -> None:
    s3, bucket = ministack.client("s3"), new_bucket(ministack)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [s3.put_object(Bucket=bucket, Key="m.json", Body=body)["VersionId"] for body in (b"1", b"2")]
    marker = s3.delete_object(Bucket=bucket, Key="m.json")["VersionId"]
    objects = S3Objects(s3, bucket)
    assert [objects.read("m.json", version) for version in versions] == [b"1", b"2"]
    assert objects.read("m.json") is None
    assert objects.read("m.json", marker) is None
    s3.delete_object(Bucket=bucket, Key="m.json", VersionId=versions[0])
    assert objects.read("m.json", versions[0]) is None


@pytest.fixture(params=["fake", "aws"])
def filled_bucket(request: pytest.FixtureRequest) -> tuple[Buckets, str]:
    keys = ["a.jpg", "images/apple/1.jpg", "images/apple/2 ü.jpg", "images/pear/1.jpg"]
    if request.param == "fake":
        fake = FakeBuckets({"data-bucket": "eu-west-1"})
        fake.keys["data-bucket"] = keys
        return fake, "data-bucket"
    ministack: MiniStack = request.getfixturevalue("ministack")
    s3, bucket = ministack.client("s3"), new_bucket(ministack)
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    return S3Buckets(s3), bucket


class TestBuckets:
    def test_a_bucket_is_somewhere(self, filled_bucket: tuple[Buckets, str]) -> None:
        buckets, bucket = filled_bucket
        assert buckets.region(bucket) == "eu-west-1"

    def test_a_missing_bucket_is_missing(self, filled_bucket: tuple[Buckets, str]) -> None:
        with pytest.raises(BucketMissing):
            filled_bucket[0].region("no-such-bucket-anywhere")

    def test_keys_are_listed_in_order_below_a_prefix(self, filled_bucket: tuple[Buckets, str]) -> None:
        buckets, bucket = filled_bucket
        listed = [item.key for page in buckets.pages(bucket, "images/apple/") for item in page]
        assert listed == ["images/apple/1.jpg", "images/apple/2 ü.jpg"]
        assert [key for page in buckets.pages(bucket, "nothing/") for key in page] == []

    def test_folders_are_listed_one_level_deep(self, filled_bucket: tuple[Buckets, str]) -> None:
        buckets, bucket = filled_bucket
        assert buckets.folders(bucket, "images/") == ("images/apple/", "images/pear/")
        assert buckets.folders(bucket, "") == ("images/",)


def test_more_keys_than_fit_a_page_are_listed_page_by_page(ministack: MiniStack) -> None:
    s3, bucket = ministack.client("s3"), new_bucket(ministack)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: s3.put_object(Bucket=bucket, Key=f"{n:04d}.jpg", Body=b""), range(1005)))
    assert [len(page) for page in S3Buckets(s3).pages(bucket, "")] == [1000, 5]


def test_the_region_of_a_bucket_elsewhere_is_told(ministack: MiniStack) -> None:
    bucket = new_bucket(ministack, "us-east-1")
    assert S3Buckets(ministack.client("s3")).region(bucket) == "us-east-1"


@pytest.fixture
def stranger(ministack: MiniStack) -> dict[str, str]:
    """Credentials of a user who may do nothing."""
    iam, name = ministack.client("iam"), f"stranger-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
    }


def test_a_closed_bucket_is_denied_in_every_way(ministack: MiniStack, stranger: dict[str, str]) -> None:
    bucket = new_bucket(ministack)
    buckets = S3Buckets(ministack.client("s3", **stranger))
    attempts: list[Callable[[], object]] = [
        lambda: buckets.region(bucket),
        lambda: list(buckets.pages(bucket, "")),
        lambda: buckets.folders(bucket, ""),
    ]
    for attempt in attempts:
        with pytest.raises(BucketDenied) as denied:
            attempt()
        assert denied.value.region in ("eu-west-1", None)


def test_a_cluster_can_be_launched_found_and_described(ministack: MiniStack) -> None:
    emr = ministack.client("emr")
    clusters = EmrClusters(launching=emr, reading=emr)
    # A name of its own: other tests' clusters are in the same MiniStack.
    request = requested() | {"Name": f"fruits-{uuid.uuid4().hex}"}
    assert request["Name"] not in [cluster.name for cluster in clusters.list(created_after=0)]
    cluster_id = clusters.launch(request)
    (listed,) = [cluster for cluster in clusters.list(created_after=0) if cluster.name == request["Name"]]
    assert listed.cluster_id == cluster_id
    assert listed.created_at == pytest.approx(time.time(), abs=60)
    described = clusters.describe(cluster_id)
    assert described.name == request["Name"]
    assert described.tags["fruits:run_id"] == "fruits-0123456789ab"
    assert {step.name for step in described.steps} == {"featurize", "pca"}
    assert isinstance(described.state, ClusterState)
    assert all(isinstance(step.state, StepState) for step in described.steps)


def test_a_launch_without_an_answer_is_in_doubt(ministack: MiniStack) -> None:
    unreachable = unreachable_emr()
    clusters = EmrClusters(launching=unreachable, reading=unreachable)
    with pytest.raises(LaunchInDoubtError):
        clusters.launch(requested())


def test_a_launch_that_was_never_asked_for_is_refused_for_good() -> None:
    unreachable = unreachable_emr()
    clusters = EmrClusters(launching=unreachable, reading=unreachable)
    with pytest.raises(LaunchRefusedError, match='Unknown parameter in input: "Nam"'):
        clusters.launch({"Nam": "x", "Name": "y", "Instances": {}})


def test_a_launch_during_an_upgrade_is_tried_again_with_what_is_there_then(
    ministack: MiniStack, emr: EmrEndpoint
) -> None:
    api = client("emr", ministack.environment | {"AWS_ENDPOINT_URL_EMR": emr.url})
    replaced = dataclasses.replace(SETTINGS, security_configuration="replaced-by-an-upgrade")
    request = requested(replaced)
    with pytest.raises(LaunchInDoubtError, match="'replaced-by-an-upgrade' does not exist"):
        EmrClusters(launching=api, reading=api).launch(request)


def test_a_message_reaches_the_topic(ministack: MiniStack) -> None:
    sns, sqs = ministack.client("sns"), ministack.client("sqs")
    topic = sns.create_topic(Name="runs")["TopicArn"]
    queue = sqs.create_queue(QueueName="runs")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    SnsTopic(sns, topic).publish("COMPLETED: x", "all is well\n")
    received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2).get("Messages", [])
    assert [message["Body"] for message in received] == ["all is well\n"]
