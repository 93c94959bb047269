"""A stack that keeps its data, the destroy that leaves it, and the stack that takes it over."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pulumi.automation import CommandError

from infra.local.engine.stack import program
from lambdas.contract.layout import FEATURES, KEPT
from tests.engine.conftest import Deployment, Told

STACK = "live"
RUN = "apples-0123456789ab"
RESULTS = f"{FEATURES}apples/{RUN}/"


@dataclass
class Story:
    """What happened to the stack, up to its second life."""

    deployment: Deployment
    bucket: str
    left: dict[str, list[str]]
    results: dict[str, str]
    """ETags of what a run of the first life published."""
    refused_alive: str
    refused: str
    broken_off: str
    taken_over: Told


@pytest.fixture(scope="module")
def story(live: Deployment, build: Path) -> Iterator[Story]:
    live.configure(keepDataOnDestroy="true")
    live.up()
    bucket, aws = live.bucket, live.aws
    a_run_happens(live)
    results = etags(live)

    thief = aws.deployment("thief", program(build))
    thief.configure(adopt=bucket, keepDataOnDestroy="true")
    with pytest.raises(CommandError) as alive:
        thief.preview()
    thief.stack.workspace.remove_stack("thief")

    live.destroy()
    left = live.resources()
    live.stack.workspace.remove_stack(STACK)

    live.stack = aws.deployment(STACK, program(build)).stack
    live.configure(keepDataOnDestroy="true", adopt=f"{bucket}-not")
    with pytest.raises(CommandError) as refused:
        live.preview()
    live.configure(adopt=bucket)
    # The first try breaks off: the ledger cannot be imported.
    with spoilt(live, bucket, ledger_table="nowhere"), pytest.raises(CommandError) as broken_off:
        live.up()
    told = str(alive.value), str(refused.value), str(broken_off.value)
    yield Story(live, bucket, left, results, *told, live.up())
    # As other tests expect it.
    live.configure(keepDataOnDestroy=None, adopt=None)
    live.up()


def a_run_happens(deployment: Deployment) -> None:
    """What is left of one. (Of a real one that is kept, the document's story tells.)"""
    for name in ("part-00000.parquet", "_SUCCESS"):
        deployment.client("s3").put_object(Bucket=deployment.bucket, Key=RESULTS + name, Body=name.encode())
    item = {"run_id": {"S": RUN}, "state": {"S": "COMPLETED"}}
    deployment.client("dynamodb").put_item(TableName=deployment.output("ledger_table"), Item=item)


@contextlib.contextmanager
def spoilt(deployment: Deployment, bucket: str, **parts: str) -> Iterator[None]:
    """What was kept is written down wrongly."""
    s3 = deployment.client("s3")
    right = s3.get_object(Bucket=bucket, Key=KEPT)["Body"].read()
    s3.put_object(Bucket=bucket, Key=KEPT, Body=json.dumps({**json.loads(right), **parts}))
    try:
        yield
    finally:
        s3.put_object(Bucket=bucket, Key=KEPT, Body=right)


def etags(deployment: Deployment) -> dict[str, str]:
    listed = deployment.client("s3").list_objects_v2(Bucket=deployment.bucket, Prefix=RESULTS)
    return {item["Key"]: item["ETag"] for item in listed["Contents"]}


def test_only_buckets_ledger_and_the_keys_of_their_content_outlive_the_stack(story: Story) -> None:
    assert {kind: len(names) for kind, names in story.left.items()} == {"bucket": 3, "table": 1, "key": 3}
    assert story.bucket in story.left["bucket"]
    assert not any("Disks" in key for key in story.left["key"])


def test_a_bucket_that_no_stack_kept_cannot_be_taken_over(story: Story) -> None:
    assert (
        f"adopt: '{story.bucket}-not' cannot be taken over: s3://{story.bucket}-not/{KEPT}" in story.refused
    )
    assert "Correct the name, or remove the setting" in story.refused
    assert "Traceback" not in story.refused


def test_a_bucket_whose_stack_lives_cannot_be_taken_over(story: Story) -> None:
    assert f"adopt: '{story.bucket}' still belongs to a stack" in story.refused_alive
    assert "`pulumi destroy` that one first" in story.refused_alive
    assert "Traceback" not in story.refused_alive


def test_the_next_stack_takes_over_what_was_kept_and_makes_the_rest_anew(story: Story) -> None:
    assert "aws:dynamodb:Table (fruits-live-runs)" in story.broken_off
    counts = story.taken_over.counts
    # The rest was imported before the first try broke off, or is now; nothing of it is made anew.
    assert counts["import", "Table"] == 1
    assert not {("create", kind) for kind in ("Bucket", "Table")} & counts.keys()
    assert counts["create", "Key"] <= 1  # that of the nodes' disks, which is never kept
    assert story.taken_over.operations <= {"create", "import", "update"}
    assert story.deployment.bucket == story.bucket
    there = story.deployment.resources()
    assert there["bucket"] == story.left["bucket"]
    assert there["table"] == story.left["table"]
    assert set(story.left["key"]) < set(there["key"])
    assert len(there["key"]) == 4


def test_what_an_earlier_stack_published_is_there_and_known(story: Story) -> None:
    assert etags(story.deployment) == story.results
    s3 = story.deployment.client("s3")
    for key in story.results:
        s3.get_object(Bucket=story.bucket, Key=key)["Body"].read()
    table = story.deployment.output("ledger_table")
    record = story.deployment.client("dynamodb").get_item(TableName=table, Key={"run_id": {"S": RUN}})
    assert record["Item"]["state"]["S"] == "COMPLETED"


def test_the_setting_may_go_once_the_data_is_taken_over(story: Story) -> None:
    story.deployment.configure(adopt=None)
    try:
        assert story.deployment.preview().steps == []
    finally:
        story.deployment.configure(adopt=story.bucket)


def test_a_table_that_holds_runs_cannot_be_deleted_by_hand(story: Story) -> None:
    table = story.deployment.client("dynamodb").describe_table(
        TableName=story.deployment.output("ledger_table")
    )
    assert table["Table"]["DeletionProtectionEnabled"] is True
