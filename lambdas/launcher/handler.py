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

from lambdas.aws.buckets import S3Buckets
from lambdas.aws.clusters import emr_clusters
from lambdas.aws.ledger import DynamoLedger
from lambdas.aws.objects import S3Objects
from lambdas.aws.telemetry import Telemetry
from lambdas.contract.layout import manifest_name
from lambdas.contract.metrics import UPLOADS, Sample, Service
from lambdas.contract.settings import LauncherSettings
from lambdas.launcher.accept import Deletion, Launcher, Result, Upload
from lambdas.runs.dispatch import LAUNCH_CALL_SECONDS, Dispatcher
from lambdas.runs.run_service import RunService


def handler(event: dict[str, Any], context: LambdaContext) -> list[dict[str, Any]]:
    """Launch every uploaded manifest that ``event`` tells of, and withdraw every deleted one."""
    deadline = time.time() + context.get_remaining_time_in_millis() / 1000
    results = [_handle(change, deadline, context) for change in _changes(event)]
    return [{"outcome": result.outcome, "run_id": result.run_id} for result in results]


def _handle(change: Upload | Deletion, deadline: float, context: LambdaContext) -> Result:
    telemetry = _telemetry()
    telemetry.begin(context, manifest=change.key, version_id=change.version_id or "")
    launcher = _launcher()
    result = launcher.launch(change, deadline) if isinstance(change, Upload) else launcher.delete(change)
    telemetry.info(result.detail, outcome=result.outcome, run_id=result.run_id)
    for run_id, outcome in result.others.items():
        telemetry.info(f"dispatched: {outcome}", run_id=run_id)
    run = {"dataset": result.dataset, "engine": result.engine}
    telemetry.emit([Sample(UPLOADS, 1, {**run, "outcome": result.outcome})])
    return result


def _changes(event: dict[str, Any]) -> list[Upload | Deletion]:
    # S3 sends a test event without records when a notification is configured.
    records = S3Event(event).records if "Records" in event else ()
    changes: list[Upload | Deletion] = []
    for record in records:
        s3_object = record.s3.get_object
        key = unquote_plus(s3_object.key)
        try:
            manifest_name(key)
        except ValueError as error:
            _telemetry().warning(f"ignored: {error}")
            continue
        # The bucket is versioned by the stack; S3 calls the version from before that "null".
        version_id, sequencer = s3_object.version_id or "null", str(s3_object.get("sequencer") or "")
        if record.event_name.startswith("ObjectCreated:"):
            changes.append(Upload(key, version_id, record.event_time, sequencer))
        else:
            # A delete marker hides every version; its own id names none of them.
            marker = record.event_name == "ObjectRemoved:DeleteMarkerCreated"
            changes.append(Deletion(key, None if marker else version_id, sequencer))
    return changes


@cache
def _telemetry() -> Telemetry:
    return Telemetry(Service.LAUNCHER, _settings().prefix)


def _settings() -> LauncherSettings:
    return LauncherSettings.from_env(os.environ)


@cache
def _launcher() -> Launcher:
    settings = _settings()
    s3 = boto3.client("s3")
    runs = RunService(
        objects=S3Objects(s3, settings.data_bucket),
        ledger=DynamoLedger(boto3.resource("dynamodb").Table(settings.ledger_table)),
        now=time.time,
    )
    clusters = emr_clusters(LAUNCH_CALL_SECONDS)
    return Launcher(settings, runs, S3Buckets(s3), Dispatcher(settings, runs, clusters, time.sleep))
