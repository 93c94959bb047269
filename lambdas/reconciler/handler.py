"""Entry point of the reconciler: a schedule in, an agreeing world out."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import Counter
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.aws.composition import Composition
from lambdas.aws.telemetry import Telemetry
from lambdas.contract.metrics import Service
from lambdas.contract.settings import DoorSettings, LauncherSettings, ReconcilerSettings, TrackerSettings
from lambdas.reconciler.pass_metrics import of_pass
from lambdas.reconciler.reconcile import Reconciler


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # a bare tick
    """Repair, dispatch and measure once."""
    telemetry = _telemetry()
    telemetry.begin(context)
    pass_ = _reconciler().reconcile(time.time() + context.get_remaining_time_in_millis() / 1000)
    for repair in pass_.repairs:
        telemetry.info(f"repaired: {type(repair).__name__}", **dataclasses.asdict(repair))
    for run_id, outcome in pass_.dispatched.items():
        telemetry.info(f"dispatched: {outcome}", run_id=run_id)
    for run_id, why in pass_.skipped.items():
        telemetry.warning(f"skipped: {why}", run_id=run_id)
    repaired = dict(Counter(type(repair).__name__ for repair in pass_.repairs))
    dispatched = dict(Counter(pass_.dispatched.values()))
    telemetry.info(
        pass_.wait or "nothing waits", repaired=repaired, dispatched=dispatched, skipped=len(pass_.skipped)
    )
    telemetry.emit(of_pass(pass_))
    return {"repaired": repaired, "dispatched": dispatched, "skipped": len(pass_.skipped)}


@cache
def _telemetry() -> Telemetry:
    return Telemetry(Service.RECONCILER, TrackerSettings.from_env(os.environ).prefix)


@cache
def _reconciler() -> Reconciler:
    launching, tracking = LauncherSettings.from_env(os.environ), TrackerSettings.from_env(os.environ)
    own, door = ReconcilerSettings.from_env(os.environ), DoorSettings.from_env(os.environ)
    parts = Composition(data_bucket=launching.data_bucket, ledger_table=launching.ledger_table)
    return Reconciler(
        runs=parts.runs,
        clusters=parts.clusters,
        dispatcher=parts.dispatcher(launching, door),
        tracker=parts.tracker(tracking, door, _telemetry()),
        ledger_table=launching.ledger_table,
        certificate_expires_at=own.certificate_expires_at,
    )
