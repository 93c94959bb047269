"""Entry point of the tracker: EMR's state events in, the run's new state out."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.aws.composition import Composition
from lambdas.aws.telemetry import Telemetry
from lambdas.contract.metrics import Service
from lambdas.contract.settings import DoorSettings, TrackerSettings
from lambdas.runs.tracking import Ignored, Tracker


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str | None]:
    """Bring up to date the run whose cluster or step changed its state."""
    change = EventBridgeEvent(event)
    cluster_id = change.detail["clusterId"]
    telemetry = _telemetry()
    telemetry.begin(context, cluster_id=cluster_id, event_type=change.detail_type)
    status = _tracker().hear(cluster_id)
    if isinstance(status, Ignored):
        telemetry.info(f"ignored: {status.detail}")
        return {"run_id": None, "state": None}
    telemetry.info(status.message or status.state, run_id=status.run_id, state=status.state)
    return {"run_id": status.run_id, "state": status.state}


@cache
def _telemetry() -> Telemetry:
    return Telemetry(Service.TRACKER, _settings().prefix)


@cache
def _settings() -> TrackerSettings:
    return TrackerSettings.from_env(os.environ)


@cache
def _tracker() -> Tracker:
    settings = _settings()
    parts = Composition(data_bucket=settings.data_bucket, ledger_table=settings.ledger_table)
    return parts.tracker(settings, DoorSettings.from_env(os.environ), _telemetry())
