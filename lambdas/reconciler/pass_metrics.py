"""What is measured in each pass of the reconciler: it sees the whole stack. Pure."""

from __future__ import annotations

from lambdas.contract import metrics
from lambdas.contract.metrics import Sample, Service
from lambdas.reconciler.reconcile import Reconciliation
from lambdas.runs.dispatch import Outcome


def of_pass(pass_: Reconciliation) -> tuple[Sample, ...]:
    """The state of the stack after a pass, and that there was one."""
    gauges = pass_.gauges
    in_doubt = sum(outcome is Outcome.IN_DOUBT for outcome in pass_.dispatched.values())
    values = {
        metrics.HEARTBEAT: 1,
        metrics.LAUNCHING_PAUSED: None if gauges.paused is None else int(gauges.paused),
        metrics.QUEUED_RUNS: gauges.queued,
        metrics.RUNNING_RUNS: gauges.on_cluster,
        metrics.OLDEST_RUN_SECONDS: gauges.oldest_seconds,
        metrics.SKIPPED_RUNS: gauges.skipped,
        metrics.ORPHAN_CLUSTERS: gauges.orphans,
        metrics.OVERDUE_CLUSTERS: gauges.overdue,
        metrics.LAUNCHES_IN_DOUBT: in_doubt,
        metrics.NODE_CERTIFICATE_DAYS: gauges.certificate_days,
    }
    service = {"service": Service.RECONCILER}
    return tuple(Sample(metric, value, service) for metric, value in values.items() if value is not None)
