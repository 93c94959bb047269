"""What is measured of a run when it has ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lambdas.contract import metrics
from lambdas.contract.metrics import Metric, Sample
from lambdas.contract.report import PHASES, StepReport
from lambdas.contract.run import FailureKind, RunRecord, RunState, is_workbench
from lambdas.contract.status import Status

UNKNOWN_ENGINE = "unknown"
"""Of a run that has no plan."""


def of_ended_run(record: RunRecord, status: Status, reports: Iterable[StepReport]) -> tuple[Sample, ...]:
    """One sample of everything that is known of the run; nothing of what never happened."""
    return tuple(_samples(record, status, tuple(reports)))


def _samples(record: RunRecord, status: Status, reports: tuple[StepReport, ...]) -> Iterator[Sample]:
    engine = metrics.WORKBENCH if is_workbench(record.run_id) else status.engine or UNKNOWN_ENGINE
    run = {"dataset": status.dataset, "engine": engine}

    def sample(metric: Metric, value: float, **more: str) -> Sample:
        return Sample(metric, value, run | more)

    yield sample(metrics.RUNS, 1, state=record.state)
    if record.state is RunState.FAILED:
        yield sample(metrics.FAILURES, 1, kind=status.kind or FailureKind.OURS)
    known = (
        (metrics.TIME_TO_CLUSTER, seconds_to_cluster(record)),
        (metrics.ESTIMATED_EUR, status.estimated_eur),
        (metrics.ACTUAL_EUR, status.actual_eur),
        (metrics.IMAGES_FEATURIZED, status.images_featurized),
    )
    yield from (sample(metric, value) for metric, value in known if value is not None)
    for reason, images in status.quarantine_reasons.items():
        yield sample(metrics.IMAGES_QUARANTINED, images, reason=reason)
    for report in reports:
        if (measured := report.featurize) is None:
            continue
        if measured.images_computed:
            yield sample(metrics.IMAGES_PER_SECOND, measured.images_per_second)
        yield sample(metrics.STORE_RETRIES, measured.store_retries)
        seconds = report.seconds | measured.task_seconds
        for phase in (name for name in PHASES if name in seconds):
            yield sample(metrics.PHASE_SECONDS, seconds[phase], phase=phase)


def seconds_to_cluster(record: RunRecord) -> float | None:
    """From acceptance to the first step of the first attempt; None when no step began."""
    began = next((change.at for change in record.history if change.state is RunState.RUNNING), None)
    return None if began is None else began - record.accepted_at
