"""Entry point of the launcher: S3 events in, results out."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.aws.composition import Composition
from lambdas.aws.telemetry import Telemetry
from lambdas.contract.metrics import UPLOADS, Sample, Service
from lambdas.contract.settings import DoorSettings, LauncherSettings
from lambdas.launcher.accept import Acceptor, Result, Upload
from lambdas.launcher.events import heard_of
from lambdas.launcher.withdraw import Deletion, withdraw


def handler(event: dict[str, Any], context: LambdaContext) -> list[dict[str, Any]]:
    """Accept every uploaded manifest that ``event`` tells of, and withdraw every deleted one."""
    deadline = time.time() + context.get_remaining_time_in_millis() / 1000
    heard = heard_of(event)
    for why in heard.ignored:
        _telemetry().warning(f"ignored: {why}")
    results = [_handle(change, deadline, context) for change in heard.changes]
    return [{"outcome": result.outcome, "run_id": result.run_id} for result in results]


def _handle(change: Upload | Deletion, deadline: float, context: LambdaContext) -> Result:
    telemetry = _telemetry()
    telemetry.begin(context, manifest=change.key, version_id=change.version_id or "")
    if isinstance(change, Upload):
        result = _acceptor().accept(change, deadline)
    else:
        result = withdraw(_parts().runs, change)
    telemetry.info(result.detail, outcome=result.outcome, run_id=result.run_id)
    for run_id, outcome in result.others.items():
        telemetry.info(f"dispatched: {outcome}", run_id=run_id)
    run = {"dataset": result.dataset, "engine": result.engine}
    telemetry.emit([Sample(UPLOADS, 1, {**run, "outcome": result.outcome})])
    return result


@cache
def _telemetry() -> Telemetry:
    return Telemetry(Service.LAUNCHER, _settings().prefix)


@cache
def _settings() -> LauncherSettings:
    return LauncherSettings.from_env(os.environ)


@cache
def _parts() -> Composition:
    settings = _settings()
    return Composition(data_bucket=settings.data_bucket, ledger_table=settings.ledger_table)


@cache
def _acceptor() -> Acceptor:
    settings, parts = _settings(), _parts()
    dispatcher = parts.dispatcher(settings, DoorSettings.from_env(os.environ))
    return Acceptor(settings, parts.runs, parts.buckets, parts.clusters, dispatcher)
