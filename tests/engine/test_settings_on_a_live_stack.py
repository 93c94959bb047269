"""Settings, changed on a stack that is up: they update what they should and replace no data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pulumi.automation import CommandError

from tests.engine.conftest import Deployment, Told, set_config
from tests.infra.test_settings_of_the_program import CHANGES, changes


def test_settings_change_what_is_there_in_place_and_replace_no_data(live: Deployment, build: Path) -> None:
    """All of them at once; which of them changes what is shown where the program is looked at."""
    values = {key: value for key, (value, _) in CHANGES.items()}
    live.configure(**values)
    try:
        told = live.preview()
    finally:
        live.configure(**dict.fromkeys(values))
    # The engine shows components, too.
    assert set(told.steps) == {*changes(build, "live", values), ("create", "Door", "fruits-live-door")}
    assert told.warnings == []


@dataclass
class Story:
    """Two addresses, and a door to workbenches for one network; then one address, and no door."""

    opened: Told
    subscribed: list[str]
    let_in: list[tuple[str, int, int]]
    closed: Told
    left: dict[str, list[str]]
    still_subscribed: list[str]


@pytest.fixture(scope="module")
def story(live: Deployment) -> Iterator[Story]:
    sns, topic = live.client("sns"), live.output("alarm_topic")

    def subscribed() -> list[str]:
        told = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        return sorted(subscription["Endpoint"] for subscription in told)

    try:
        live.configure(alarmEmails='["a@example.org", "b@example.org"]', workbenchCidrs='["203.0.113.0/24"]')
        opened, first, let_in = live.up(), subscribed(), networks_let_in(live)
        live.configure(alarmEmails='["b@example.org"]', workbenchCidrs=None)
        closed, left = live.up(), live.resources()
        yield Story(opened, first, let_in, closed, left, subscribed())
    finally:
        live.configure(alarmEmails=None, workbenchCidrs=None)
        live.up()


def networks_let_in(live: Deployment) -> list[tuple[str, int, int]]:
    rules = live.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    ours = live.resources()["security group"]
    return [
        (rule["CidrIpv4"], rule["FromPort"], rule["ToPort"])
        for rule in rules
        if rule["GroupId"] in ours and "CidrIpv4" in rule and not rule["IsEgress"]
    ]


def test_an_address_that_moves_up_in_the_list_stays_subscribed(story: Story) -> None:
    assert story.subscribed == ["a@example.org", "b@example.org"]
    assert story.still_subscribed == ["b@example.org"]
    assert story.closed.counts["delete", "TopicSubscription"] == 1
    assert "create" not in story.closed.operations


def test_the_door_to_workbenches_comes_and_goes_with_its_networks(story: Story) -> None:
    assert story.opened.counts["create", "LoadBalancer"] == 1
    assert story.let_in == [("203.0.113.0/24", 9443, 9443)]
    of_door = {step[1:] for step in story.opened.steps if step[0] == "create" and "-door" in step[2]}
    assert of_door <= {step[1:] for step in story.closed.steps if step[0] == "delete"}
    assert not {"load balancer", "target group", "internet gateway"} & story.left.keys()
    assert len(story.left["subnet"]) == 2


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
    set_config(live.stack, {"aws:region": "eu-central-1"})
    try:
        with pytest.raises(CommandError) as refused:
            live.preview()
    finally:
        set_config(live.stack, {"aws:region": "eu-west-1"})
    assert "aws:region: this stack lives in eu-west-1 and cannot move to eu-central-1" in str(refused.value)
    assert "Traceback" not in str(refused.value)
