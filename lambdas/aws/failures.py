"""The queue of events that a Lambda could not handle, and their way back."""

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
    """Something in the queue that Lambda did not put there."""

    message_id: str
    sent_at: float


class SqsFailures:
    """The on-failure destination of the stack's Lambdas."""

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
        )
        return answer.get("Messages", [])


def _read(message: MessageTypeDef) -> FailedEvent | UnreadableMessage:
    """See "Adding a destination" in the AWS Lambda developer guide for the record's form."""
    sent_at = int(message["Attributes"]["SentTimestamp"]) / 1000
    try:
        record = json.loads(message["Body"])
        function, payload = record["requestContext"]["functionArn"], record["requestPayload"]
    except (ValueError, KeyError, TypeError):
        return UnreadableMessage(message["MessageId"], sent_at)
    response = record.get("responsePayload") or {}
    error = response.get("errorMessage") or record["requestContext"].get("condition", "unknown error")
    return FailedEvent(function, payload, error, sent_at, message["ReceiptHandle"])
