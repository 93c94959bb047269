"""Settings, changed on a stack that is up: they update what they should and replace no data."""

from __future__ import annotations

from pathlib import Path

import pytest
from pulumi.automation import CommandError, ConfigValue

from tests.engine.conftest import Deployment
from tests.infra.test_settings_of_the_program import CHANGES, changes


def test_settings_change_what_is_there_in_place_and_replace_no_data(live: Deployment, build: Path) -> None:
    """All of them at once; which of them changes what is shown where the program is looked at."""
    values = {key: value for key, (value, _) in CHANGES.items()}
    live.configure(**values)
    try:
        told = live.preview()
    finally:
        live.configure(**dict.fromkeys(values))
    assert set(told.steps) == set(changes(build, "live", values))
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
