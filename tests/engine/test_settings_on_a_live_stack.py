"""Each setting, changed by itself on a stack that is up: it updates what it should and replaces no data."""

from __future__ import annotations

import pytest
from pulumi.automation import CommandError, ConfigValue

from infra.settings import SETTINGS
from tests.engine.conftest import Deployment

FUNCTIONS = 3

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


def test_every_setting_is_tried() -> None:
    assert {*CHANGES, *ELSEWHERE} == {setting.key for setting in SETTINGS}


@pytest.mark.parametrize("key", CHANGES)
def test_a_setting_changes_what_it_should_and_nothing_else(live: Deployment, key: str) -> None:
    value, expected = CHANGES[key]
    live.configure(**{key: value})
    try:
        told = live.preview()
    finally:
        live.configure(**{key: None})
    assert dict(told.counts) == expected
    assert told.warnings == []


def test_an_address_that_moves_up_in_the_list_stays_subscribed(live: Deployment) -> None:
    sns, topic = live.client("sns"), live.output("alarm_topic")

    def told() -> list[str]:
        subscribed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        return sorted(subscription["Endpoint"] for subscription in subscribed)

    try:
        live.configure(alarmEmails='["a@example.org", "b@example.org"]')
        live.up()
        assert told() == ["a@example.org", "b@example.org"]
        live.configure(alarmEmails='["b@example.org"]')
        assert dict(live.up().counts) == {("delete", "TopicSubscription"): 1}
        assert told() == ["b@example.org"]
    finally:
        live.configure(alarmEmails=None)
        live.up()


@pytest.mark.parametrize("key", ["dataBucketName", "adopt"])
def test_another_name_for_the_data_bucket_of_a_live_stack_is_refused(live: Deployment, key: str) -> None:
    live.configure(**{key: "another-bucket", "keepDataOnDestroy": "true"})
    try:
        with pytest.raises(CommandError) as refused:
            live.preview()
    finally:
        live.configure(**{key: None, "keepDataOnDestroy": None})
    told, bucket = str(refused.value), live.output("data_bucket")
    assert f"fruits-live-data: is '{bucket}' and holds data; another name, 'another-bucket'" in told
    assert "Traceback" not in told


def test_the_name_that_the_data_bucket_has_is_accepted(live: Deployment) -> None:
    live.configure(dataBucketName=live.output("data_bucket"))
    try:
        assert live.preview().steps == []
    finally:
        live.configure(dataBucketName=None)


def test_another_region_for_a_live_stack_is_refused(live: Deployment) -> None:
    live.stack.set_config("aws:region", ConfigValue("eu-central-1"))
    try:
        with pytest.raises(CommandError) as refused:
            live.preview()
    finally:
        live.stack.set_config("aws:region", ConfigValue("eu-west-1"))
    assert "aws:region: this stack lives in eu-west-1 and cannot move to eu-central-1" in str(refused.value)
    assert "Traceback" not in str(refused.value)
