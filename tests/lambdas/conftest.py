"""Fixtures: a world of fakes, and one MiniStack for the tests of the real adapters."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from infra.local.emr import EmrEndpoint
from infra.local.emr.injected_failures import InjectedFailures
from infra.local.ministack import MiniStack, client
from infra.local.tls import TlsFiles, issue
from lambdas.cli.stack import connect
from lambdas.contract.settings import CommandSettings

from .deployed import CAPS, Deployed
from .functions import stack
from .preflights import buckets
from .submitting import bucket, photos
from .world import LEDGER_INDEX, World

__all__ = ["bucket", "buckets", "photos", "stack"]

NOT_OFFERED = frozenset({"r5.2xlarge"})


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return issue(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def ministack(tls: TlsFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    with MiniStack(tls=tls, folder=tmp_path_factory.mktemp("ministack"), region="eu-west-1") as running:
        yield running


@pytest.fixture(scope="session")
def emr(
    tls: TlsFiles, ministack: MiniStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmrEndpoint]:
    """Clusters that start for ever. (MiniStack's own EMR does not know which machines a cluster had.)"""
    folder = tmp_path_factory.mktemp("emr")
    failures = InjectedFailures(starting_seconds=3600, types_not_offered=NOT_OFFERED)
    with EmrEndpoint(tls=tls, environment=ministack.environment, folder=folder, injected=failures) as running:
        yield running


@pytest.fixture
def deployed(
    ministack: MiniStack,
    emr: EmrEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Deployed:
    unique = uuid.uuid4().hex[:12]
    bucket, table = f"data-{unique}", f"runs-{unique}"
    s3, iam = ministack.client("s3"), ministack.client("iam")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    ministack.client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        **LEDGER_INDEX,
    )
    iam.create_role(RoleName=unique, AssumeRolePolicyDocument="{}")
    profile = iam.create_instance_profile(InstanceProfileName=unique)["InstanceProfile"]["Arn"]
    iam.add_role_to_instance_profile(InstanceProfileName=unique, RoleName=unique)
    queue = ministack.client("sqs").create_queue(QueueName=f"failures-{unique}")["QueueUrl"]
    aws = ministack.environment | {"AWS_ENDPOINT_URL_EMR": emr.url}
    for name, value in aws.items():
        monkeypatch.setenv(name, value)
    settings = CommandSettings(bucket, table, "eu-west-1", queue, "fruits-test", *CAPS).to_env()
    stack = connect(settings)
    return Deployed(
        s3, client("emr", aws), bucket, stack.ledger, stack.runs.objects, settings, profile, capsys
    )


def unreachable_emr() -> Any:
    """A client of an EMR that does not answer."""
    return boto3.client(
        "emr",
        endpoint_url="https://localhost:9",
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
