"""What a completed run measured that the next estimates may rest on. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lambdas.contract.cost.estimate import InstanceUse
from lambdas.contract.cost.measured import MIN_RATE_SECONDS, MeasuredRate, MeasuredStart, relative_time
from lambdas.contract.cost.prices import INSTANCE_TYPES
from lambdas.contract.plan import Plan, RunPlan
from lambdas.contract.report import FeaturizeMetrics, StepReport
from lambdas.contract.run import RunRecord, RunState
from lambdas.runs.clocks import SECONDS_A_MINUTE

COMPUTING = "featurize"
"""The phase of a step's report in which images are computed."""


def of_run(
    record: RunRecord,
    plan: RunPlan | None,
    reports: Sequence[StepReport],
    machines: Sequence[InstanceUse],
    ended_at: float | None,
) -> tuple[MeasuredStart, MeasuredRate | None] | None:
    """Of a dataset's run that completed, by its last attempt; None of others. ``machines``: its cluster's,
    which ended at ``ended_at`` (Unix seconds; None: nobody says).

    The rate is left out where little was computed, or not on all slots, and where EC2 gave machines of
    several types: their speeds differ, and nobody measures them apart.
    """
    asked, began = _start(record)
    if not isinstance(plan, Plan) or record.state is not RunState.COMPLETED or asked is None or began is None:
        return None
    if began < asked:
        return None  # the last attempt's first step was not heard of
    computing = sum(report.seconds.get(COMPUTING, 0.0) for report in reports)
    # We may have heard of the end hours later.
    others = (ended_at or record.changed_at) - began - computing
    start = MeasuredStart(
        run_id=record.run_id,
        startup_minutes=(began - asked) / SECONDS_A_MINUTE,
        steps_minutes=max(0.0, others) / SECONDS_A_MINUTE,
    )
    measured = next((report.featurize for report in reports if report.featurize), None)
    types = {machine.instance_type for machine in machines}
    if measured is None or computing < MIN_RATE_SECONDS or len(types) != 1:
        return start, None
    return start, _rate(plan, measured, types.pop())


def _start(record: RunRecord) -> tuple[float | None, float | None]:
    """When the last attempt's cluster was asked for, and when its first step began (Unix seconds).

    By EMR's clock where it told both: what we heard of came with its events, which may be minutes late.
    """
    phases = record.phases
    if phases and phases.step_started is not None:
        return phases.asked, phases.step_started
    at = {change.state: change.at for change in record.history}
    return at.get(RunState.LAUNCHED), at.get(RunState.RUNNING)


def _rate(plan: Plan, measured: FeaturizeMetrics, instance_type: str) -> MeasuredRate | None:
    kind = INSTANCE_TYPES.get(instance_type)
    if kind is None or plan.cluster is None or measured.images_per_second <= 0:
        return None
    vcpus = plan.cluster.workers * kind.vcpus
    copied = measured.images_reused + measured.images_resumed
    if measured.shards < vcpus or measured.images_computed < copied:
        return None
    rate = measured.images_per_second * relative_time(plan.image_size) / vcpus
    return MeasuredRate(plan.run_id, plan.engine, instance_type, rate)
