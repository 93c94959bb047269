"""What goes wrong at AWS' services while a load test lasts, and who was told of what all the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import urllib3

from infra.local.cloud import LocalCloud
from infra.local.service_failures import PATH, ServiceFailure

_CALLS: Mapping[str, str] = {"dynamodb": "call of DynamoDB", "s3": "call of S3", "sns": "message"}
_QUEUE = "chaos-inbox"
MESSAGES_AT_ONCE = 10
"""SQS' limit."""


class Services:
    """In a running local cloud, whose topic is listened to from now on."""

    def __init__(self, cloud: LocalCloud) -> None:
        environment = cloud.environment
        self._url = f"{environment['AWS_ENDPOINT_URL']}{PATH}"
        self._http = urllib3.PoolManager(ca_certs=environment["AWS_CA_BUNDLE"], retries=False)
        self._sqs = cloud.client("sqs")
        self._inbox: str = self._sqs.create_queue(QueueName=_QUEUE)["QueueUrl"]
        topic = cloud.outputs["notification_topic"]
        wanted = {"QueueUrl": self._inbox, "AttributeNames": ["QueueArn"]}
        arn = self._sqs.get_queue_attributes(**wanted)["Attributes"]["QueueArn"]
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self._sqs.set_queue_attributes(QueueUrl=self._inbox, Attributes={"Policy": policy})
        cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        self._told: set[str] = set()

    def fail(self, scripts: Mapping[str, Sequence[ServiceFailure | None]]) -> None:
        """Let each service's next calls fail by its script."""
        self._control("PUT", json.dumps(scripts).encode())

    def recover(self) -> None:
        """Let all be well from now on."""
        self.fail({})

    def failures(self, drawn: Mapping[str, Sequence[ServiceFailure | None]]) -> dict[str, int]:
        """How often each failure that was drawn took effect."""
        happened = self._control("GET")
        return {
            f"{_CALLS[service]} {failure}": happened.get(service, {}).get(failure, 0)
            for service, script in drawn.items()
            for failure in ServiceFailure
            if failure in script
        }

    def told(self) -> frozenset[str]:
        """The runs that messages were about."""
        while messages := self._receive():
            for message in messages:
                subject = json.loads(message["Body"])["Subject"]
                self._told.add(subject.rpartition(": ")[2])
                self._sqs.delete_message(QueueUrl=self._inbox, ReceiptHandle=message["ReceiptHandle"])
        return frozenset(self._told)

    def _receive(self) -> list[Any]:
        answer = self._sqs.receive_message(QueueUrl=self._inbox, MaxNumberOfMessages=MESSAGES_AT_ONCE)
        return list(answer.get("Messages", ()))

    def _control(self, method: str, body: bytes | None = None) -> dict[str, dict[str, int]]:
        answer = self._http.request(method, self._url, body=body)
        return dict(json.loads(answer.data))
