"""What `pulumi destroy` leaves behind: no bucket, unless the stack asks to keep its data."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime.mocks import MockMonitor

from infra.config import load
from infra.local.deploy import PROJECT
from infra.program import LOCK_FILE, deploy
from tests.infra.conftest import PREINSTALLED, RecordingProvider

ALWAYS_RETAINED = {
    # Holds for the whole account: other clusters must not become public with this stack's end.
    "BlockPublicAccessConfiguration",
    # Superseded artifacts stay for runs in flight; they go with their bucket.
    "BucketObjectv2",
}


class RetentionMonitor(MockMonitor):
    """Also notes what is to be left alone when the stack ends, which mocks are not told."""

    def __init__(self, provider: RecordingProvider) -> None:
        super().__init__(provider)
        self.retained: set[tuple[str, str]] = set()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  # the name is gRPC's
        if request.retainOnDelete:
            self.retained.add((request.type.rsplit(":", 1)[-1], request.name))
        return super().RegisterResource(request)


@functools.cache
def previewed(build: Path, *, keep: bool) -> tuple[RecordingProvider, set[tuple[str, str]]]:
    """What is declared, and kind and name of what outlives the stack."""
    provider = RecordingProvider()
    monitor = RetentionMonitor(provider)
    pulumi.runtime.set_mocks(provider, project=PROJECT, stack="eu", preview=False, monitor=monitor)
    pulumi.runtime.set_all_config(PREINSTALLED | {"fruits:keepDataOnDestroy": str(keep).lower()})
    pulumi.runtime.test(lambda: deploy(load(LOCK_FILE), build))()
    return provider, monitor.retained


def test_destroying_a_stack_leaves_no_bucket_behind(build: Path) -> None:
    declared, retained = previewed(build, keep=False)
    assert {kind for kind, _ in retained} == ALWAYS_RETAINED
    assert {bucket["forceDestroy"] for bucket in declared.all_of("Bucket")} == {True}


@pytest.mark.parametrize("bucket", ["data", "audit", "access-logs"])
def test_a_stack_that_asks_to_keep_its_data_keeps_each_bucket_with_all_its_guards(
    build: Path, bucket: str
) -> None:
    declared, retained = previewed(build, keep=True)
    assert declared.one("Bucket", f"-{bucket}")["forceDestroy"] is False
    of_bucket = {
        (args.typ.rsplit(":", 1)[-1], args.name)
        for args in declared.declared
        if args.custom and args.typ.startswith("aws:s3/") and args.name == f"fruits-eu-{bucket}"
    }
    assert {"Bucket", "BucketPolicy", "BucketPublicAccessBlock"} <= {kind for kind, _ in of_bucket}
    assert of_bucket <= retained


def test_kept_data_can_still_be_read_and_nothing_else_is_kept(build: Path) -> None:
    declared, retained = previewed(build, keep=True)
    others = {(kind, name) for kind, name in retained if not kind.startswith("Bucket")}
    assert others == {
        ("BlockPublicAccessConfiguration", "fruits-eu"),
        ("Key", "fruits-eu-audit"),
        ("Key", "fruits-eu-control"),
        ("Key", "fruits-eu-data"),
        # Of runs that are in the bucket, the next stack must know.
        ("Table", "fruits-eu-runs"),
    }
    assert declared.one("Table")["deletionProtectionEnabled"] is True
