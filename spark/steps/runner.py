"""Runs one step and leaves its report, whatever happens."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable

from pyspark.sql import SparkSession

from lambdas.contract.plan import Plan
from lambdas.contract.report import STEPS as REPORTED
from lambdas.contract.report import RunMetrics, StepReport
from spark.datasets.object_store import Store, exists, open_store, read, write
from spark.errors import StepFailedError, as_step_failure
from spark.steps.featurize import featurize
from spark.steps.pca import pca
from spark.steps.progress import StepMonitor
from spark.steps.spark_failures import explain, headline

Step = Callable[[SparkSession, Store, Plan, StepMonitor, StepReport], StepReport]

STEPS: dict[str, Step] = {"featurize": featurize, "pca": pca}


def run_step(step: str, plan: Plan, spark: SparkSession) -> StepReport:
    """Run ``step``, write its report to ``plan.layout.step_report(step)`` and renew the run's metrics.

    A failure is in the report, not raised; of one of Spark's, or a defect of ours, the traceback goes to
    standard error.

    Raises:
        StepFailedError: the report itself cannot be written.
    """
    store = open_store(plan.root)
    monitor = StepMonitor(store, plan, step, spark.sparkContext.cancelAllJobs)
    report = StepReport(
        step=step,
        run_id=plan.run_id,
        succeeded=True,
        engine=plan.engine,
        weights=plan.model.weights,
        weights_sha256=plan.model.weights_sha256,
        model_sha256=plan.model.sha256,
        seconds={},
    )
    try:
        with monitor:
            report = STEPS[step](spark, store, plan, monitor, report)
    except Exception as error:  # the report is where people look, so everything must end up in it
        failure = as_step_failure(error)
        if failure is None:
            traceback.print_exc()
            failure = explain(error) or StepFailedError(
                "ours",
                f"{step} failed: {headline(error)}",
                "see the traceback in the step's log, and report it",
            )
        report = dataclasses.replace(report, succeeded=False, error=failure.error)
    report = dataclasses.replace(report, seconds=monitor.seconds)
    write(store, plan.layout.step_report(step), report.to_json().encode())
    metrics = RunMetrics.of(plan.dataset, [*_earlier_reports(store, plan, step), report])
    write(store, plan.layout.metrics, metrics.to_json().encode())
    return report


def _earlier_reports(store: Store, plan: Plan, step: str) -> list[StepReport]:
    names = REPORTED[: REPORTED.index(step)]
    found = [plan.layout.step_report(name) for name in names if exists(store, plan.layout.step_report(name))]
    return [StepReport.from_json(read(store, key)) for key in found]
