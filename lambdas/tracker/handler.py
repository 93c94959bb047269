"""Entry point of the tracker: EMR's state events in, the run's new state out."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.aws.clusters import emr_clusters
from lambdas.aws.ledger import DynamoLedger
from lambdas.aws.objects import S3Objects
from lambdas.aws.telemetry import Telemetry
from lambdas.aws.topic import SnsTopic
from lambdas.contract.metrics import Service
from lambdas.contract.settings import TrackerSettings
from lambdas.runs.run_service import RunService
from lambdas.runs.tracking import Ignored, Tracker

READ_SECONDS = 25
"""The tracker launches nothing; its calls get the launcher's time."""


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str | None]:
    """Bring up to date the run whose cluster or step changed its state."""
    change = EventBridgeEvent(event)
    cluster_id = change.detail["clusterId"]
    telemetry = _telemetry()
    telemetry.begin(context, cluster_id=cluster_id, event_type=change.detail_type)
    status = _tracker().track(cluster_id)
    if isinstance(status, Ignored):
        telemetry.info(f"ignored: {status.detail}")
        return {"run_id": None, "state": None}
    telemetry.info(status.message or status.state, run_id=status.run_id, state=status.state)
    return {"run_id": status.run_id, "state": status.state}


@cache
def _telemetry() -> Telemetry:
    return Telemetry(Service.TRACKER, _settings().prefix)


def _settings() -> TrackerSettings:
    return TrackerSettings.from_env(os.environ)


@cache
def _tracker() -> Tracker:
    settings = _settings()
    runs = RunService(
        objects=S3Objects(boto3.client("s3"), settings.data_bucket),
        ledger=DynamoLedger(boto3.resource("dynamodb").Table(settings.ledger_table)),
        now=time.time,
    )
    topic = SnsTopic(boto3.client("sns"), settings.topic_arn)
    return Tracker(runs, emr_clusters(READ_SECONDS), topic, _telemetry())
