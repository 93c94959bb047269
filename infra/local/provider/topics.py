"""SNS: topics and who gets what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind, reported


def _create(aws: Aws, _name: str, inputs: Inputs) -> Created:
    key = {"KmsMasterKeyId": inputs["kmsMasterKeyId"]} if "kmsMasterKeyId" in inputs else {}
    made = aws.client("sns").create_topic(Name=inputs["name"], Attributes=key, Tags=aws.tag_list)
    return Created(made["TopicArn"], {"arn": made["TopicArn"]})


def _read(aws: Aws, topic: str, known: Inputs) -> Found:
    found = aws.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    inputs = {"name": topic.rpartition(":")[2], "kmsMasterKeyId": found.get("KmsMasterKeyId") or None}
    return Found(reported(inputs, known), {"arn": topic})


def _update(aws: Aws, topic: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    # An empty value takes the encryption away.
    aws.client("sns").set_topic_attributes(
        TopicArn=topic,
        AttributeName="KmsMasterKeyId",
        AttributeValue=new.get("kmsMasterKeyId", ""),
    )
    return {}


def _delete(aws: Aws, topic: str, _known: Inputs) -> None:
    aws.client("sns").delete_topic(TopicArn=topic)


def _subscribe(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("sns").subscribe(
        TopicArn=inputs["topic"],
        Protocol=inputs["protocol"],
        Endpoint=inputs["endpoint"],
        ReturnSubscriptionArn=True,
    )
    return Created(made["SubscriptionArn"], {"arn": made["SubscriptionArn"]})


def _read_subscription(aws: Aws, subscription: str, _known: Inputs) -> Found:
    found = aws.client("sns").get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    inputs = {"topic": found["TopicArn"], "protocol": found["Protocol"], "endpoint": found["Endpoint"]}
    return Found(inputs, {"arn": subscription})


def _unsubscribe(aws: Aws, subscription: str, _known: Inputs) -> None:
    aws.client("sns").unsubscribe(SubscriptionArn=subscription)


KINDS: dict[str, Kind] = {
    "aws:sns/topic:Topic": Kind(
        _create, _read, _delete, _update, fixed=frozenset({"name", "namePrefix"}), named="name"
    ),
    "aws:sns/topicSubscription:TopicSubscription": Kind(_subscribe, _read_subscription, _unsubscribe),
}
