"""The stack's own metrics: what the Lambdas emit, and what dashboard and alarms are made of.

Every metric has the stack as its first dimension: several stacks in one account and region share the
namespace, and without it one's heartbeat would hide the other's silence.

Dimensions are few and their values repeat. Ids are never among them: each would be a metric of its own, paid
for by itself and found by nobody. Ids belong in logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

NAMESPACE = "Fruits"
STACK = "stack"
"""The dimension that every metric has. Its value begins the names of the stack's resources: ``fruits-eu``."""


WORKBENCH = "workbench"
"""The value of the dimension ``engine`` for workbenches, whose ``dataset`` is their name."""


class Unit(StrEnum):
    """CloudWatch's units. Source: API reference of ``MetricDatum``."""

    COUNT = "Count"
    SECONDS = "Seconds"
    PER_SECOND = "Count/Second"
    NONE = "None"
    """Also for euros: CloudWatch has no unit for money."""


class Service(StrEnum):
    """The value of the dimension ``service``, for what is measured of the stack and not of a run."""

    LAUNCHER = "launcher"
    TRACKER = "tracker"
    RECONCILER = "reconciler"


@dataclass(frozen=True)
class Metric:
    """A metric and the names of its dimensions beside :data:`STACK`."""

    name: str
    unit: Unit
    dimensions: tuple[str, ...]

    @property
    def schema(self) -> tuple[str, ...]:
        """All its dimensions, by which CloudWatch tells it from others of its name."""
        return (STACK, *self.dimensions)


@dataclass(frozen=True)
class Sample:
    """One value of a metric, with a text for each of its dimensions. The meter knows the stack.

    Raises:
        ValueError: the dimensions are not those of the metric.
    """

    metric: Metric
    value: float
    dimensions: Mapping[str, str]

    def __post_init__(self) -> None:
        if set(self.dimensions) != set(self.metric.dimensions):
            raise ValueError(
                f"{self.metric.name} has the dimensions {', '.join(self.metric.dimensions)}, "
                f"not {', '.join(self.dimensions)}"
            )


_RUN = ("dataset", "engine")
_SERVICE = ("service",)

UPLOADS = Metric("Uploads", Unit.COUNT, (*_RUN, "outcome"))
"""Manifests that were uploaded or deleted, by what became of them."""

RUNS = Metric("Runs", Unit.COUNT, (*_RUN, "state"))
"""Runs that ended, by their last state."""
FAILURES = Metric("Failures", Unit.COUNT, (*_RUN, "kind"))
"""Runs that failed, by :class:`~lambdas.contract.run.FailureKind`."""
TIME_TO_CLUSTER = Metric("TimeToClusterSeconds", Unit.SECONDS, _RUN)
"""From the run's acceptance to the first step that its cluster began."""
ESTIMATED_EUR = Metric("EstimatedEur", Unit.NONE, _RUN)
ACTUAL_EUR = Metric("ActualEur", Unit.NONE, _RUN)
IMAGES_FEATURIZED = Metric("ImagesFeaturized", Unit.COUNT, _RUN)
IMAGES_QUARANTINED = Metric("ImagesQuarantined", Unit.COUNT, (*_RUN, "reason"))
IMAGES_PER_SECOND = Metric("ImagesPerSecond", Unit.PER_SECOND, _RUN)
"""Images computed over the wall time of computing them; runs that computed none have no such value."""
PHASE_SECONDS = Metric("PhaseSeconds", Unit.SECONDS, (*_RUN, "phase"))
"""By :data:`~lambdas.contract.report.PHASES`; busy time is summed over all threads of all tasks."""
STORE_RETRIES = Metric("StoreRetries", Unit.COUNT, _RUN)
"""Reads of images that were tried again after a transient error."""

HEARTBEAT = Metric("ReconcilerHeartbeat", Unit.NONE, _SERVICE)
LAUNCHING_PAUSED = Metric("LaunchingPaused", Unit.NONE, _SERVICE)
"""1 while people have paused launching, else 0."""
QUEUED_RUNS = Metric("QueuedRuns", Unit.NONE, _SERVICE)
RUNNING_RUNS = Metric("RunningRuns", Unit.NONE, _SERVICE)
OLDEST_RUN_SECONDS = Metric("OldestRunSeconds", Unit.NONE, _SERVICE)
SKIPPED_RUNS = Metric("SkippedRuns", Unit.NONE, _SERVICE)
"""Runs that one pass of the reconciler could not deal with, or left alone after such a failure."""
ORPHAN_CLUSTERS = Metric("OrphanClusters", Unit.NONE, _SERVICE)
"""Clusters of this stack without a run, that were found and stopped."""
OVERDUE_CLUSTERS = Metric("OverdueClusters", Unit.NONE, _SERVICE)
"""Clusters that were found older than their run allows, and stopped."""
LAUNCHES_IN_DOUBT = Metric("LaunchesInDoubt", Unit.NONE, _SERVICE)
"""Launches that EMR throttled or gave no clear answer to, in one pass of the reconciler."""
NODE_CERTIFICATE_DAYS = Metric("NodeCertificateDaysLeft", Unit.NONE, _SERVICE)
"""How long the certificate holds that new clusters are given."""

METRICS: tuple[Metric, ...] = (
    UPLOADS,
    RUNS,
    FAILURES,
    TIME_TO_CLUSTER,
    ESTIMATED_EUR,
    ACTUAL_EUR,
    IMAGES_FEATURIZED,
    IMAGES_QUARANTINED,
    IMAGES_PER_SECOND,
    PHASE_SECONDS,
    STORE_RETRIES,
    HEARTBEAT,
    LAUNCHING_PAUSED,
    QUEUED_RUNS,
    RUNNING_RUNS,
    OLDEST_RUN_SECONDS,
    SKIPPED_RUNS,
    ORPHAN_CLUSTERS,
    OVERDUE_CLUSTERS,
    LAUNCHES_IN_DOUBT,
    NODE_CERTIFICATE_DAYS,
)
