"""SQS: queues and their policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind, reported

_SECONDS = {
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}
_DEFAULTS = {"messageRetentionSeconds": 345_600, "visibilityTimeoutSeconds": 30}
"""Source: API reference of CreateQueue."""


def _attributes(inputs: Inputs) -> dict[str, str]:
    seconds = {theirs: str(int(inputs.get(ours, _DEFAULTS[ours]))) for ours, theirs in _SECONDS.items()}
    return {"KmsMasterKeyId": inputs.get("kmsMasterKeyId", ""), **seconds}


def _create(aws: Aws, _name: str, inputs: Inputs) -> Created:
    url = aws.client("sqs").create_queue(
        QueueName=inputs["name"], Attributes=_attributes(inputs), tags=dict(aws.tags)
    )["QueueUrl"]
    return Created(url, _outputs(aws, url))


def _outputs(aws: Aws, url: str) -> dict[str, Any]:
    return {"url": url, "arn": _all_attributes(aws, url)["QueueArn"]}


def _all_attributes(aws: Aws, url: str) -> Mapping[str, str]:
    answer = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return dict(answer["Attributes"])


def _read(aws: Aws, url: str, known: Inputs) -> Found:
    found = _all_attributes(aws, url)
    inputs = {
        "name": url.rpartition("/")[2],
        "kmsMasterKeyId": found.get("KmsMasterKeyId") or None,
        **{ours: int(found[theirs]) for ours, theirs in _SECONDS.items()},
    }
    return Found(reported(inputs, known, _DEFAULTS), {"url": url, "arn": found["QueueArn"]})


def _update(aws: Aws, url: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=_attributes(new))
    return {}


def _delete(aws: Aws, url: str, _known: Inputs) -> None:
    aws.client("sqs").delete_queue(QueueUrl=url)


def _create_policy(aws: Aws, _name: str, inputs: Inputs) -> Created:
    _put_policy(aws, inputs["queueUrl"], {}, inputs)
    return Created(inputs["queueUrl"])


def _put_policy(aws: Aws, url: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": new["policy"]})
    return {}


def _read_policy(aws: Aws, url: str, _known: Inputs) -> Found | None:
    policy = _all_attributes(aws, url).get("Policy")
    return Found({"queueUrl": url, "policy": policy}) if policy else None


def _delete_policy(aws: Aws, url: str, _known: Inputs) -> None:
    aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})


KINDS: dict[str, Kind] = {
    "aws:sqs/queue:Queue": Kind(
        _create, _read, _delete, _update, fixed=frozenset({"name", "namePrefix"}), named="name"
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Kind(
        _create_policy, _read_policy, _delete_policy, _put_policy, fixed=frozenset({"queueUrl"})
    ),
}
