"""Entry point of the reconciler: a schedule in, an agreeing world out."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.aws.clusters import emr_clusters
from lambdas.aws.ledger import DynamoLedger
from lambdas.aws.objects import S3Objects
from lambdas.aws.topic import SnsTopic
from lambdas.books import Books
from lambdas.contract.settings import LauncherSettings, TrackerSettings
from lambdas.launcher.dispatch import LAUNCH_CALL_SECONDS, Dispatched, Dispatcher
from lambdas.reconciler.reconcile import Reconciler
from lambdas.telemetry import Telemetry
from lambdas.tracker.track import Tracker


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # a bare tick
    """Repair, dispatch and measure once."""
    telemetry = _telemetry()
    telemetry.begin(context)
    pass_ = _reconciler().reconcile(time.time() + context.get_remaining_time_in_millis() / 1000)
    telemetry.info(
        pass_.wait or "nothing waits", repaired=dict(pass_.repaired), dispatched=dict(pass_.dispatched)
    )
    gauges = pass_.gauges
    telemetry.gauge(
        ReconcilerHeartbeat=1,
        QueuedRuns=gauges.queued,
        RunningRuns=gauges.on_cluster,
        OldestRunSeconds=gauges.oldest_seconds,
        OrphanClusters=gauges.orphans,
        LaunchesInDoubt=pass_.dispatched.get(Dispatched.IN_DOUBT, 0),
    )
    return {"repaired": dict(pass_.repaired), "dispatched": dict(pass_.dispatched)}


@cache
def _telemetry() -> Telemetry:
    return Telemetry("reconciler")


@cache
def _reconciler() -> Reconciler:
    launching, tracking = LauncherSettings.from_env(os.environ), TrackerSettings.from_env(os.environ)
    books = Books(
        objects=S3Objects(boto3.client("s3"), launching.data_bucket),
        ledger=DynamoLedger(boto3.resource("dynamodb").Table(launching.ledger_table)),
        now=time.time,
    )
    clusters = emr_clusters(LAUNCH_CALL_SECONDS)
    topic = SnsTopic(boto3.client("sns"), tracking.topic_arn)
    return Reconciler(Dispatcher(launching, books, clusters, time.sleep), Tracker(books, clusters, topic))
