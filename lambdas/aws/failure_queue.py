"""The queue of events that a Lambda could not handle, or was not handed, and their way back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

RECEIVE_WAIT_SECONDS = 2
"""Long polling asks all of SQS' servers: an empty answer means an empty queue."""
BATCH = 10
_TARGET, _ERROR = "TARGET_ARN", "ERROR_MESSAGE"
"""Message attributes that EventBridge sets."""


@dataclass(frozen=True)
class FailedEvent:
    """An event, the function that failed on it, and the last error. ``sent_at``: Unix seconds."""

    function: str
    payload: Any
    error: str
    sent_at: float
    receipt: str


@dataclass(frozen=True)
class UnreadableMessage:
    """Something in the queue that neither Lambda nor EventBridge put there."""

    message_id: str
    sent_at: float


class SqsFailures:
    """The on-failure destination of the stack's Lambdas, and the dead-letter queue of its rules."""

    def __init__(self, sqs: SQSClient, functions: LambdaClient, queue_url: str) -> None:
        self._sqs = sqs
        self._functions = functions
        self._queue_url = queue_url

    def waiting(self) -> Iterator[FailedEvent | UnreadableMessage]:
        """What waits now, each once; whoever asks meanwhile does not get them."""
        while messages := self._receive():
            yield from map(_read, messages)

    def give_back(self, failed: FailedEvent) -> None:
        """Invoke the function with the very event again, then forget the message.

        In this order nothing is lost if this process ends in between: the event is given back twice then,
        which the functions, whose events may come twice anyway, do not mind.
        """
        self._functions.invoke(
            FunctionName=failed.function, InvocationType="Event", Payload=json.dumps(failed.payload)
        )
        self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=failed.receipt)

    def _receive(self) -> list[MessageTypeDef]:
        answer = self._sqs.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=RECEIVE_WAIT_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=[_TARGET, _ERROR],
        )
        return answer.get("Messages", [])


def _read(message: MessageTypeDef) -> FailedEvent | UnreadableMessage:
    """What Lambda, or else EventBridge, says of an event.

    Sources: "Adding a destination" in the AWS Lambda developer guide; "Using dead-letter queues to process
    undelivered events" in the Amazon EventBridge user guide.
    """
    sent_at = int(message["Attributes"]["SentTimestamp"]) / 1000
    attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
    try:
        record = json.loads(message["Body"])
        if _TARGET in attributes:
            function, payload = attributes[_TARGET], record
            error = attributes.get(_ERROR, "it was not delivered")
        else:
            function, payload = record["requestContext"]["functionArn"], record["requestPayload"]
            response = record.get("responsePayload") or {}
            error = response.get("errorMessage") or record["requestContext"].get("condition", "unknown error")
    except (ValueError, KeyError, TypeError):
        return UnreadableMessage(message["MessageId"], sent_at)
    return FailedEvent(function, payload, error, sent_at, message["ReceiptHandle"])
