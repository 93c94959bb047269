"""Each setting, changed by itself: what it changes in what the program declares, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.settings import SETTINGS
from tests.infra.conftest import RecordingProvider, preview

FUNCTIONS = 3

DOOR = (
    *("InternetGateway", "Listener", "LoadBalancer", "Route", "RouteTable", "SecurityGroup"),
    *("SecurityGroupEgressRule", "TargetGroup"),
)
CHANGES: dict[str, tuple[str, dict[tuple[str, str], int]]] = {
    # Nodes and launcher may read the bucket, and its endpoint lets them.
    "imageBuckets": ('["more-photos"]', {("update", "RolePolicy"): 2, ("update", "VpcEndpoint"): 1}),
    "logRetentionDays": (
        "60",
        {("update", "LogGroup"): FUNCTIONS, ("update", "BucketLifecycleConfiguration"): 1},
    ),
    "auditRetentionDays": (
        "30",
        {("update", "BucketLifecycleConfiguration"): 2, ("update", "BucketObjectLockConfiguration"): 1},
    ),
    "dataRetentionDays": ("90", {("update", "BucketLifecycleConfiguration"): 1}),
    "notificationEmail": ("me@example.org", {("create", "TopicSubscription"): 1}),
    "alarmEmails": ('["a@example.org", "b@example.org"]', {("create", "TopicSubscription"): 2}),
    "keepDataOnDestroy": (
        "true",
        {("update", "Bucket"): 3, ("update", "Table"): 1, ("create", "BucketObjectv2"): 1},
    ),
    # Both functions that launch.
    "maxClusters": ("3", {("update", "Function"): 2}),
    "maxEurPerDay": ("12.5", {("update", "Function"): 2}),
    "launchesPerSecond": ("0.25", {("update", "Function"): 2}),
    "gravitonSpeed": ("1.25", {("update", "Function"): 2}),
    # The door, and who makes, follows and keeps what is behind it.
    "workbenchCidrs": (
        '["203.0.113.0/24"]',
        {("create", kind): 1 for kind in DOOR}
        | {("create", kind): 2 for kind in ("RouteTableAssociation", "SecurityGroupIngressRule", "Subnet")}
        | {("create", "BucketObjectv2"): 6, ("update", "Function"): 3, ("update", "Key"): 1}
        | {("update", "RolePolicy"): 4},
    ),
}
"""A value that is not the default, and how many resources of which kind see what."""
ELSEWHERE = {
    "dataBucketName": "refused on a live stack",
    "adopt": "refused on a live stack",
    "releaseLabel": "only one release fits the lock file",
    "nodePackages": "uploads the wheels; see the upgrade",
    "emulatorEndpoint": "only stacks named local... take it, and nothing but the provider changes",
    "emulatorEmrEndpoint": "the same",
}


def declared_by(provider: RecordingProvider) -> dict[tuple[str, str], Any]:
    """The inputs of each resource, by the kind and the name that the engine shows."""
    return {
        (args.typ.rsplit(":", 1)[-1], args.name): {key: plain(value) for key, value in args.inputs.items()}
        for args in provider.declared
        if args.custom
    }


def plain(value: Any) -> Any:
    """Assets compare by their content."""
    return (type(value), vars(value)) if isinstance(value, pulumi.Asset | pulumi.Archive) else value


def changes(build: Path, stack: str, settings: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """What the engine has to do when these settings change from their defaults: operation, kind and name."""
    before = declared_by(preview(build, stack))
    after = declared_by(preview(build, stack, **{f"fruits:{key}": value for key, value in settings.items()}))
    assert before.keys() <= after.keys(), "a setting that takes something away"
    for of, inputs in after.items():
        if of not in before:
            yield ("create", *of)
        elif before[of] != inputs:
            yield ("update", *of)


def test_every_setting_is_tried() -> None:
    assert {*CHANGES, *ELSEWHERE} == {setting.key for setting in SETTINGS}


@pytest.mark.parametrize("key", CHANGES)
def test_a_setting_changes_what_it_should_and_nothing_else(build: Path, key: str) -> None:
    value, expected = CHANGES[key]
    changed = Counter((operation, kind) for operation, kind, _ in changes(build, "eu", {key: value}))
    assert dict(changed) == expected
