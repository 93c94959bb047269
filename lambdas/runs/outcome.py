"""What a cluster's state means for its run. Pure.

Steps and the cluster's reason code are read together: a cluster can end TERMINATED, and with the code
ALL_STEPS_COMPLETED, although a step failed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.contract.cost.estimate import InstanceUse, Usage
from lambdas.contract.report import STEPS, StepReport
from lambdas.contract.retry import STEP_FAILURE, attempts_allowed
from lambdas.contract.run import (
    ON_CLUSTER,
    ClusterPhases,
    Ending,
    FailureKind,
    RunRecord,
    RunState,
    is_terminal,
    is_workbench,
    moved,
)
from lambdas.runs.clocks import SECONDS_A_MINUTE
from lambdas.runs.cluster_port import ClusterSnapshot, ClusterState, StepState
from lambdas.runs.workbench import is_set_up, setup_failure

_ENDED = frozenset({ClusterState.TERMINATED, ClusterState.TERMINATED_WITH_ERRORS})

_NEVER_BEGUN = frozenset({StepState.PENDING, StepState.CANCEL_PENDING, StepState.CANCELLED})

_AGAIN = "Upload the manifest again for a new run; finished parts are not lost."

_BY_REQUEST = Ending("USER_REQUEST", "The cluster was terminated by request.", _AGAIN, FailureKind.USER)

# Codes of ClusterStateChangeReason in the Amazon EMR API reference.
_CLUSTER_FAILURES: Mapping[str, tuple[FailureKind, str, str]] = {
    "BOOTSTRAP_FAILURE": (
        FailureKind.OURS,
        "A node could not install the job's packages",
        "Read the bootstrap action's stderr in the logs, then build and deploy the stack again.",
    ),
    "VALIDATION_ERROR": (
        FailureKind.CONFIG,
        "EMR could not create the cluster as it was asked for",
        "Check cluster.instance_types, the account's quotas and the stack's roles and subnets.",
    ),
    "INSTANCE_FLEET_TIMEOUT": (
        FailureKind.CAPACITY,
        "AWS had not enough machines of the wanted types in time",
        "Name more cluster.instance_types, use market on_demand, or try again later.",
    ),
    "INSTANCE_FAILURE": (FailureKind.AWS, "A machine of the cluster failed", _AGAIN),
    "INTERNAL_ERROR": (FailureKind.AWS, "EMR had an internal error", _AGAIN),
}


_NO_CAPACITY = "INSTANCE_FLEET_TIMEOUT"
_MAY_HIDE_NO_CAPACITY = frozenset({"INTERNAL_ERROR", "VALIDATION_ERROR"})
_NO_CAPACITY_WORDS = re.compile(
    r"(insufficient|(not|n't)\s+(have\s+)?(enough|sufficient)\s|lack\s+of\s|(?<![a-z])no[\s_])"
    r"[\s_]*([\w.-]+[\s_]+){0,2}\w*capacity(?!\s+scheduler)",
    re.IGNORECASE,
)
"""How EC2's want of machines reads where EMR hands its words on. Sources: Amazon EC2 API reference, "Error
codes" (InsufficientInstanceCapacity and others); EMR Management Guide, "Internal error codes"
(INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ, INTERNAL_ERROR_SPOT_NO_CAPACITY_PRIMARY) and "Responding to
insufficient instance capacity events" (an Availability Zone that doesn't have enough capacity)."""


@dataclass(frozen=True)
class Decision:
    """The state that the run should be in; ``ending`` is set when that is a terminal one."""

    state: RunState
    ending: Ending | None = None


def advance(
    record: RunRecord,
    cluster: ClusterSnapshot,
    reports: Iterable[StepReport],
    used: Usage | None,
    now: float,
    phases: ClusterPhases | None = None,
) -> RunRecord:
    """The run's record as it should be, given its cluster, what that used, and how far it came (None: nobody
    asked). ``now`` is Unix seconds."""
    if is_terminal(record.state):
        if record.closed or record.cluster_id is not None or cluster.state not in _ENDED:
            return record
        # It was cancelled in the midst of its launch, which made this cluster all the same.
        return dataclasses.replace(record, cluster_id=cluster.cluster_id, **_totals(record, used))
    if record.state not in ON_CLUSTER:
        # The cluster proves a launch, even one that nobody has recorded (yet).
        record = moved(record, RunState.LAUNCHED, now, cluster_id=cluster.cluster_id)
    found = decide_workbench(cluster) if is_workbench(record.run_id) else decide(cluster, reports)
    decision = _as_stopped(record, found)
    if decision.ending is None:
        begins = decision.state is RunState.RUNNING and record.state is RunState.LAUNCHED
        return moved(record, RunState.RUNNING, now, phases=phases) if begins else record
    seconds = record.earlier_seconds + cluster.seconds(now)
    changes = dataclasses.asdict(decision.ending) | {"earlier_seconds": seconds} | _totals(record, used)
    changes["phases"] = phases or record.phases
    failed = decision.state is RunState.FAILED and record.stopping is None
    has_time = seconds < record.max_runtime_minutes * SECONDS_A_MINUTE
    attempts = attempts_allowed(decision.ending.reason, decision.ending.kind)
    if failed and has_time and record.attempt < attempts:
        again = {"attempt": record.attempt + 1, "cluster_id": None, "phases": None, "door": None}
        return moved(record, RunState.QUEUED, now, **{**changes, **again})
    return moved(record, decision.state, now, **changes)


def has_begun(cluster: ClusterSnapshot) -> bool:
    """Whether one of its steps has. A step may be pending or cancelled while the cluster ends (a failed
    bootstrap): its run never ran."""
    return any(step.state not in _NEVER_BEGUN for step in cluster.steps)


def phases_of(cluster: ClusterSnapshot, machines: Iterable[InstanceUse]) -> ClusterPhases:
    """How far the cluster came. Machines that replaced others came after it was ready, and do not count."""
    ready = cluster.ready_at
    there = [machine.began_at for machine in machines if ready is None or machine.began_at <= ready]
    started = [step.began_at for step in cluster.steps if step.began_at is not None]
    return ClusterPhases(
        asked=cluster.created_at,
        provisioned=max(there, default=None),
        bootstrapped=ready,
        step_started=min(started, default=None),
    )


def _totals(record: RunRecord, used: Usage | None) -> dict[str, Any]:
    """The usage of all attempts; not known as soon as that of one is not."""
    if used is None:
        return {"instance_hours": None, "actual_eur": None}
    return {
        "instance_hours": (record.instance_hours or 0.0) + used.instance_hours,
        "actual_eur": None if used.eur is None else (record.actual_eur or 0.0) + used.eur,
    }


def _as_stopped(record: RunRecord, decision: Decision) -> Decision:
    """A cluster that we stopped ourselves says only "by request"; the record knows why. What a person
    cancelled is cancelled, also where the cluster failed, or even completed, before the stop took effect."""
    if decision.ending is None or record.stopping is None or record.reason is None:
        return decision
    if RunState.CANCELLED not in (decision.state, record.stopping):
        return decision
    ending = Ending(record.reason, record.message or "", record.remedy, record.kind)
    return Decision(record.stopping, ending)


def decide(cluster: ClusterSnapshot, reports: Iterable[StepReport]) -> Decision:
    """The run's state by what EMR shows and the steps report."""
    if cluster.state not in _ENDED:
        return Decision(RunState.RUNNING if has_begun(cluster) else RunState.LAUNCHED)
    by_step = {report.step: report for report in reports}
    for step in cluster.steps:
        if step.state is StepState.FAILED:
            return Decision(RunState.FAILED, _step_failure(step.name, step.failure, by_step.get(step.name)))
    if all(name in by_step and by_step[name].succeeded for name in STEPS):
        return Decision(RunState.COMPLETED, Ending("COMPLETED", "All steps completed."))
    if cluster.reason_code == "USER_REQUEST":
        return Decision(RunState.CANCELLED, _BY_REQUEST)
    if cluster.reason_code == STEP_FAILURE:
        # EMR's list of steps lags behind: it is the first one that did not succeed.
        failed = next(name for name in STEPS if name not in by_step or not by_step[name].succeeded)
        return Decision(RunState.FAILED, _step_failure(failed, "", by_step.get(failed)))
    return Decision(RunState.FAILED, _cluster_failure(cluster))


def decide_workbench(cluster: ClusterSnapshot) -> Decision:
    """The same of a workbench, which has nothing to complete: it is open once its cluster is set up, and ends
    by itself only where something went wrong."""
    if cluster.state not in _ENDED:
        return Decision(RunState.RUNNING if is_set_up(cluster.steps) else RunState.LAUNCHED)
    for step in cluster.steps:
        if step.state is StepState.FAILED:
            return Decision(RunState.FAILED, setup_failure(step.failure))
    if cluster.reason_code == "USER_REQUEST":
        return Decision(RunState.CANCELLED, _BY_REQUEST)
    if cluster.reason_code == STEP_FAILURE:
        return Decision(RunState.FAILED, setup_failure(""))
    if cluster.reason_code in _CLUSTER_FAILURES:
        return Decision(RunState.FAILED, _cluster_failure(cluster))
    return Decision(RunState.FAILED, _ended_too_early(cluster))


def _step_failure(name: str, failure: str, report: StepReport | None) -> Ending:
    if report and report.error:
        error = report.error
        return Ending(STEP_FAILURE, f"Step {name}: {error.message}", error.remedy, error.kind)
    detail = f": {failure}" if failure else ""
    return Ending(
        STEP_FAILURE,
        f"Step {name} failed without leaving a report{detail}",
        f"Read the stderr of step {name} in the logs.",
        FailureKind.OURS,
    )


def _tells_of_no_capacity(cluster: ClusterSnapshot) -> bool:
    """Whether EC2 had too few machines, which EMR tells under more than one code."""
    hidden = cluster.reason_code in _MAY_HIDE_NO_CAPACITY
    return hidden and _NO_CAPACITY_WORDS.search(cluster.reason_message) is not None


def _cluster_failure(cluster: ClusterSnapshot) -> Ending:
    if cluster.reason_code in _CLUSTER_FAILURES:
        as_code = _NO_CAPACITY if _tells_of_no_capacity(cluster) else cluster.reason_code
        kind, message, remedy = _CLUSTER_FAILURES[as_code]
        detail = f": {cluster.reason_message}" if cluster.reason_message else "."
        return Ending(cluster.reason_code, f"{message}{detail}", remedy, kind)
    if all(step.state is StepState.COMPLETED for step in cluster.steps):
        return Ending(
            "REPORT_MISSING",
            "EMR says that all steps completed, but not every step left a report of success.",
            "Read the steps' stderr in the logs, and do not use the results.",
            FailureKind.OURS,
        )
    return _ended_too_early(cluster)


def _ended_too_early(cluster: ClusterSnapshot) -> Ending:
    what = "it was stopped" if is_set_up(cluster.steps) else "its steps did"
    return Ending(
        cluster.reason_code or "UNKNOWN",
        f"The cluster ended before {what}: {cluster.reason_message or 'EMR gave no reason'}",
        _AGAIN,
        FailureKind.AWS,
    )
