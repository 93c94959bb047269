"""The functions as they are deployed: their resources, and what they print."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import quote_plus

import pytest

from infra.local.emr import EmrEndpoint
from infra.local.ministack import MiniStack, client
from lambdas.contract.metrics import METRICS
from lambdas.contract.settings import ReconcilerSettings, TrackerSettings
from lambdas.launcher import handler as launcher
from lambdas.reconciler import handler as reconciler
from lambdas.tracker import handler as tracker

from .world import LEDGER_INDEX, SETTINGS

NAMES = {metric.name for metric in METRICS}


@dataclass
class Context:
    """What the handlers use of Lambda's context object."""

    aws_request_id: str = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


@dataclass(frozen=True)
class Stack:
    """The deployed resources, as a user and as AWS see them."""

    s3: Any
    emr: Any
    bucket: str
    instance_profile: str

    def upload(self, key: str, body: bytes) -> dict[str, Any]:
        """Put a manifest; the event that S3 sends for it."""
        version = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)["VersionId"]
        created = {
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-01-02T03:04:05.678Z",
            "s3": {
                "bucket": {"name": self.bucket},
                "object": {"key": quote_plus(key, safe="/"), "versionId": version, "sequencer": "01"},
            },
        }
        return {"Records": [created]}

    def json(self, key: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        return document

    def clusters(self, name: str) -> list[str]:
        return [c["Id"] for c in self.emr.list_clusters()["Clusters"] if c["Name"] == name]


@pytest.fixture
def stack(ministack: MiniStack, emr: EmrEndpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    unique = uuid.uuid4().hex[:12]
    bucket, table = f"data-{unique}", f"runs-{unique}"
    s3 = ministack.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="images/apple/1.jpg", Body=b"")
    ministack.client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        **LEDGER_INDEX,
    )
    topic = ministack.client("sns").create_topic(Name=f"runs-{unique}")["TopicArn"]
    iam = ministack.client("iam")
    iam.create_role(RoleName=unique, AssumeRolePolicyDocument="{}")
    profile = iam.create_instance_profile(InstanceProfileName=unique)["InstanceProfile"]["Arn"]
    iam.add_role_to_instance_profile(InstanceProfileName=unique, RoleName=unique)
    cloud = ministack.environment | {"AWS_ENDPOINT_URL_EMR": emr.url}
    clusters = client("emr", cloud)
    clusters.create_security_configuration(Name=unique, SecurityConfiguration="{}")
    settings = dataclasses.replace(
        SETTINGS,
        data_bucket=bucket,
        ledger_table=table,
        instance_profile_arn=profile,
        security_configuration=unique,
    )
    tracking = TrackerSettings(settings.prefix, bucket, table, topic)
    own = ReconcilerSettings("2030-01-01T00:00:00+00:00")
    environment = cloud | settings.to_env() | tracking.to_env() | own.to_env()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield Stack(s3, clusters, bucket, profile)
    for module in (launcher, tracker, reconciler):
        forget(module)


def forget(module: ModuleType) -> None:
    """The function's process ends, with all that it remembers."""
    for remembered in vars(module).values():
        if hasattr(remembered, "cache_clear"):
            remembered.cache_clear()


def metrics(output: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]
