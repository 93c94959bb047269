"""A user's mistakes get an answer that names the field and the remedy, and launch nothing.

What is a mistake is told by the tests of the contract and of the launcher. Here is what the deployed stack
adds: that the answer reaches the user, and what the launcher's role learns of buckets that are not ours.
"""

from __future__ import annotations

import json
from typing import Any

from infra.local.ministack import client
from lambdas.contract.run import cluster_name, run_id

from .conftest import Happened, User


def refused(user: User, name: str, prefix: str) -> dict[str, Any]:
    """The only fault that is found in a manifest for images below ``prefix``."""
    before = len(user.clusters())
    snapshot = user.waits_for(user.uploads_manifest(name, "bad", images={"prefixes": [prefix]}))
    assert snapshot.rejection is not None, snapshot
    assert len(user.clusters()) == before, "a refused manifest launched a cluster"
    (fault,) = snapshot.rejection["faults"]
    return dict(fault)


def test_a_mistyped_key_is_answered_with_the_nearest_known_one_and_launches_nothing(
    happened: Happened,
) -> None:
    user = happened.user
    answer = json.load(user.s3.get_object(Bucket=user.bucket, Key="manifests-rejected/mistyped.json")["Body"])
    (fault,) = answer["faults"]
    assert fault["path"] == "$.engin"
    assert fault["nearest"] == "engine"
    assert fault["remedy"]
    manifest = answer["manifest"]
    identity = run_id("fruits", user.bucket, manifest["key"], manifest["version_id"])
    assert cluster_name(identity) not in {cluster["Name"] for cluster in user.clusters()}


def test_a_bucket_outside_the_eu_is_refused(user: User) -> None:
    american = client(
        "s3", {**user.cloud.environment, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    )
    american.create_bucket(Bucket="american-fruits")
    fault = refused(user, "outside-eu", "s3://american-fruits/images/")
    assert "us-east-1" in fault["problem"]
    assert "eu-west-1" in fault["remedy"]


def test_a_bucket_that_does_not_exist_is_refused(user: User) -> None:
    fault = refused(user, "no-bucket", "s3://no-such-bucket-anywhere/images/")
    assert fault["path"] == "$.images.prefixes[0]"
    assert "no-such-bucket-anywhere" in fault["problem"]


def test_a_run_whose_every_image_is_broken_fails_and_says_so(happened: Happened) -> None:
    snapshot = happened.user.looks_at(happened.broken)
    assert snapshot.status is not None
    assert snapshot.status["state"] == "FAILED"
    assert "unreadable_format 1" in snapshot.status["message"]
    assert "quarantine/broken/" in snapshot.status["remedy"]
    assert snapshot.cluster_state == "TERMINATED_WITH_ERRORS"
