"""``runs/<run_id>/status.json``: all that a person or a program wants to know of a run, in one object.

``docs/status.md`` describes its fields for those who read it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lambdas.contract.layout import LOGS
from lambdas.contract.plan import ManifestRef, Plan, WorkbenchPlan
from lambdas.contract.report import StepReport
from lambdas.contract.retry import attempts_allowed
from lambdas.contract.run import ON_CLUSTER, RunRecord, RunState
from lambdas.contract.workbench import PORT

STATUS_VERSION = 1
"""The major version of the schema, see :mod:`lambdas.contract.documents`: added fields do not change it."""


def sentences(first: str, *further: str | None) -> str:
    """One after the other, whether they are kept as sentences or as parts of one: a step's remedy begins
    small and has no full stop."""
    begun = [first, *(text[0].upper() + text[1:] for text in further if text)]
    return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in begun)


@dataclass(frozen=True)
class QueuePlace:
    """Where a queued run stands: 1 is next, None is far behind. ``waits_for`` is a sentence."""

    position: int | None
    waits_for: str | None


@dataclass(frozen=True)
class Entered:
    """The run entered ``state`` ``at`` that time; ``cluster_id`` where it got a cluster."""

    state: RunState
    at: str
    cluster_id: str | None


@dataclass(frozen=True)
class Trouble:
    """The stack could not deal with the run, so many times in a row (``count``), the last time of ``reason``;
    it tries again from ``not_before`` on."""

    count: int
    reason: str
    not_before: str


@dataclass(frozen=True)
class Phases:
    """When the present attempt's cluster got where, see :class:`lambdas.contract.run.ClusterPhases`."""

    asked: str
    provisioned: str | None
    bootstrapped: str | None
    step_started: str | None


@dataclass(frozen=True)
class WorkbenchStatus:
    """``address`` is where a browser opens it, which answers while its state is ``RUNNING`` alone.
    ``ends_at``: when its hours are over; None while it has no cluster."""

    name: str
    address: str
    idle_minutes: int
    ends_at: str | None


@dataclass(frozen=True)
class Status:
    """What is not known, or was not measured yet, is None (or empty). Times are ISO 8601, UTC."""

    run_id: str
    dataset: str
    state: RunState
    history: tuple[Entered, ...]
    """Every state so far, the present one last."""
    attempt: int
    """Each has a cluster of its own."""
    attempts_allowed: int
    """After too little capacity or a fault of AWS the run is tried again, see
    :mod:`lambdas.contract.retry`."""
    queue_position: int | None
    """1 is next. Only while it is ``QUEUED``, and when it is known."""
    waits_for: str | None
    """Why a queued run does not start."""
    reason: str | None
    """A short code: EMR's (``STEP_FAILURE``) or ours."""
    kind: str | None
    """Whose move it is when the run failed, see :class:`~lambdas.contract.run.FailureKind`."""
    message: str | None
    remedy: str | None
    manifest: ManifestRef
    cluster_id: str | None
    cluster_phases: Phases | None
    """Once a step has begun or the cluster has ended."""
    logs: str | None
    """Where EMR keeps the cluster's logs."""
    engine: str | None
    weights: str | None
    weights_sha256: str | None
    model_sha256: str | None
    images_in: int | None
    images_featurized: int | None
    images_quarantined: int | None
    quarantine_reasons: dict[str, int]
    images_skipped: dict[str, int]
    """Listed objects that are no images, by :class:`~lambdas.contract.object_keys.Kind`."""
    suffixes_skipped: dict[str, int]
    """Of those that were left out for it, by suffix."""
    notes: tuple[str, ...]
    """What a person should know, a sentence each: what the launcher saw, or what the steps did."""
    feature_dim: int | None
    pca_components: int | None
    explained_variance: float | None
    """Fraction of the total variance that the kept components hold, 0-1."""
    estimated_minutes: float | None
    estimated_eur: float | None
    """What the launcher expected, see :mod:`lambdas.contract.cost.estimate`."""
    instance_hours: float | None
    actual_eur: float | None
    """What the cluster used, and its price by the price list: still an estimate of the bill."""
    prices_as_of: str | None
    """Year and month of the price list."""
    seconds: dict[str, float]
    """Wall time by phase, named ``<step>.<phase>``."""
    outputs: tuple[str, ...]
    """``s3://`` prefixes that hold finished results."""
    updated_at: str
    trouble: Trouble | None = None
    workbench: WorkbenchStatus | None = None
    """None of a run of a dataset."""
    version: int = STATUS_VERSION

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


def timestamp(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def compose_status(
    record: RunRecord,
    plan: Plan | WorkbenchPlan | None,
    reports: Iterable[StepReport],
    updated_at: str,
    place: QueuePlace | None = None,
) -> Status:
    """The status as of now, from the ledger, the plan (None: there is none) and the steps' own reports.

    A later report's figure goes before an earlier one's. ``place`` matters only to a queued run.
    """
    place = place if place and record.state is RunState.QUEUED else QueuePlace(None, None)
    reports = tuple(reports)
    measured: dict[str, Any] = {
        name: next(
            (value for report in reversed(reports) if (value := getattr(report, name)) is not None), None
        )
        for name in (
            "images_in",
            "images_featurized",
            "images_quarantined",
            "feature_dim",
            "pca_components",
            "explained_variance",
        )
    }
    bucket = record.manifest_bucket
    estimate = plan.estimate if plan else None
    computing = plan if isinstance(plan, Plan) else None
    return Status(
        run_id=record.run_id,
        dataset=record.dataset,
        state=record.state,
        history=tuple(
            Entered(change.state, timestamp(change.at), change.cluster_id) for change in record.history
        ),
        attempt=record.attempt,
        attempts_allowed=max(record.attempt, attempts_allowed(record.reason, record.kind)),
        queue_position=place.position,
        waits_for=place.waits_for,
        reason=record.reason,
        kind=record.kind,
        message=record.message,
        remedy=record.remedy,
        manifest=ManifestRef(bucket, record.manifest_key, record.manifest_version_id),
        cluster_id=record.cluster_id,
        cluster_phases=_phases(record),
        logs=f"s3://{bucket}/{LOGS}{record.cluster_id}/" if record.cluster_id else None,
        engine=computing.engine if computing else None,
        weights=computing.model.weights if computing else None,
        weights_sha256=computing.model.weights_sha256 if computing else None,
        model_sha256=computing.model.sha256 if computing else None,
        estimated_minutes=estimate.minutes if estimate else None,
        estimated_eur=estimate.eur if estimate else None,
        instance_hours=record.instance_hours,
        actual_eur=record.actual_eur,
        prices_as_of=estimate.prices_as_of if estimate else None,
        quarantine_reasons=next((r.quarantine_reasons for r in reports if r.quarantine_reasons), {}),
        images_skipped=next((r.images_skipped for r in reports if r.images_skipped), {}),
        suffixes_skipped=next((r.suffixes_skipped for r in reports if r.suffixes_skipped), {}),
        notes=_notes(plan, reports),
        seconds={f"{r.step}.{phase}": seconds for r in reports for phase, seconds in r.seconds.items()},
        outputs=tuple(
            f"s3://{bucket}/{key}" for report in reports if report.succeeded for key in report.outputs
        ),
        updated_at=updated_at,
        trouble=_trouble(record),
        workbench=_workbench(record, plan),
        **measured,
    )


def _workbench(record: RunRecord, plan: Plan | WorkbenchPlan | None) -> WorkbenchStatus | None:
    if not isinstance(plan, WorkbenchPlan):
        return None
    spec = plan.workbench
    launched = [change.at for change in record.history if change.state is RunState.LAUNCHED]
    asked = launched[-1] if launched and record.state in ON_CLUSTER else None
    left = record.max_runtime_minutes * 60 - record.earlier_seconds
    return WorkbenchStatus(
        name=record.dataset,
        address=f"https://{spec.address}:{PORT}/",
        idle_minutes=spec.idle_minutes,
        ends_at=None if asked is None else timestamp(asked + left),
    )


def _notes(plan: Plan | WorkbenchPlan | None, reports: tuple[StepReport, ...]) -> tuple[str, ...]:
    has_listed = any(report.images_in is not None for report in reports)
    seen = plan.notes if plan and not has_listed else ()
    return tuple(dict.fromkeys([*seen, *(note for report in reports for note in report.notes)]))


def _phases(record: RunRecord) -> Phases | None:
    if (phases := record.phases) is None:
        return None
    later = (phases.provisioned, phases.bootstrapped, phases.step_started)
    return Phases(timestamp(phases.asked), *(None if at is None else timestamp(at) for at in later))


def _trouble(record: RunRecord) -> Trouble | None:
    """Of a run that has ended, only the telling may fail, which is no business of whoever reads this."""
    setback = None if record.closed else record.setback
    return Trouble(setback.count, setback.reason, timestamp(setback.not_before)) if setback else None
