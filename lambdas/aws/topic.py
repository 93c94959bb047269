"""The topic on which people are told, in SNS."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class SnsTopic:
    """Implements :class:`lambdas.runs.ports.Topic`."""

    def __init__(self, sns: SNSClient, arn: str) -> None:
        self._sns = sns
        self._arn = arn

    def publish(self, subject: str, message: str) -> None:
        self._sns.publish(TopicArn=self._arn, Subject=subject, Message=message)
