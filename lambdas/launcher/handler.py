"""Entry point of the launcher: S3 events in, results out."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any
from urllib.parse import unquote_plus

import boto3
from aws_lambda_powertools.utilities.data_classes import S3Event
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from lambdas.aws.buckets import S3Buckets
from lambdas.aws.clusters import EmrClusters
from lambdas.aws.ledger import DynamoLedger
from lambdas.aws.objects import S3Objects
from lambdas.contract.layout import manifest_name
from lambdas.contract.settings import LauncherSettings
from lambdas.launcher.launch import LAUNCH_CALL_SECONDS, LaunchDelayedError, Launcher, Result, Upload
from lambdas.telemetry import Telemetry

CONNECT_SECONDS = 5

_ONCE = Config(
    retries={"total_max_attempts": 1},
    connect_timeout=CONNECT_SECONDS,
    read_timeout=LAUNCH_CALL_SECONDS - CONNECT_SECONDS,
)
_PATIENTLY = Config(retries={"mode": "standard", "total_max_attempts": 5})


def handler(event: dict[str, Any], context: LambdaContext) -> list[dict[str, Any]]:
    """Launch every uploaded manifest that ``event`` tells of.

    Raises:
        LaunchDelayedError: so that Lambda delivers the event again, in a minute.
    """
    deadline = time.time() + context.get_remaining_time_in_millis() / 1000
    results = [_launch(upload, deadline, context) for upload in _uploads(event)]
    return [{"outcome": result.outcome, "run_id": result.run_id} for result in results]


def _launch(upload: Upload, deadline: float, context: LambdaContext) -> Result:
    telemetry = _telemetry()
    telemetry.begin(context, manifest=upload.key, version_id=upload.version_id)
    try:
        result = _launcher().launch(upload, deadline)
    except LaunchDelayedError as error:
        telemetry.warning(str(error))
        telemetry.count("LaunchDelayed")
        raise
    telemetry.info(result.detail, outcome=result.outcome, run_id=result.run_id)
    telemetry.count("Uploads", dataset=result.dataset, engine=result.engine, outcome=result.outcome)
    return result


def _uploads(event: dict[str, Any]) -> list[Upload]:
    # S3 sends a test event without records when a notification is configured.
    records = S3Event(event).records if "Records" in event else ()
    uploads = []
    for record in records:
        key = unquote_plus(record.s3.get_object.key)
        try:
            manifest_name(key)
        except ValueError as error:
            _telemetry().warning(f"ignored: {error}")
            continue
        # The bucket is versioned by the stack; S3 calls the version from before that "null".
        version_id = record.s3.get_object.version_id or "null"
        uploads.append(Upload(key, version_id, record.event_time))
    return uploads


@cache
def _telemetry() -> Telemetry:
    return Telemetry("launcher")


@cache
def _launcher() -> Launcher:
    settings = LauncherSettings.from_env(os.environ)
    s3 = boto3.client("s3")
    return Launcher(
        settings=settings,
        objects=S3Objects(s3, settings.data_bucket),
        buckets=S3Buckets(s3),
        ledger=DynamoLedger(boto3.resource("dynamodb").Table(settings.ledger_table)),
        clusters=EmrClusters(
            launching=boto3.client("emr", config=_ONCE),
            reading=boto3.client("emr", config=_PATIENTLY),
        ),
        now=time.time,
    )
