"""What the tasks of a step have done, added up: for the progress while they run, then for the report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pyspark.accumulators import AccumulatorParam

from lambdas.contract.report import FeaturizeMetrics, ShardSeconds
from spark.features.shards import ShardWork

SLOWEST_SHARDS = 5
"""Shards that progress and report name."""


@dataclass(frozen=True)
class ShardStats:
    """Of any number of shards. They add up in any order; the empty one is ``ShardStats()``.

    ``phase_seconds``: busy time by phase, over all threads. ``slowest``: at most ``SLOWEST_SHARDS``.
    """

    shards: int = 0
    images: int = 0
    quarantined: int = 0
    computed: int = 0
    resumed: int = 0
    reused: int = 0
    retries: int = 0
    phase_seconds: dict[str, float] = field(default_factory=dict)
    slowest: tuple[ShardSeconds, ...] = ()

    @classmethod
    def of(cls, work: ShardWork) -> ShardStats:
        """Of one shard."""
        result = work.result
        return cls(
            shards=1,
            images=result.images,
            quarantined=result.quarantine.rows,
            computed=work.computed,
            resumed=work.resumed,
            reused=work.reused,
            retries=work.retries,
            phase_seconds=work.phase_seconds,
            slowest=(ShardSeconds(result.features.name, result.images, round(work.seconds, 3)),),
        )

    def __add__(self, other: ShardStats) -> ShardStats:
        phases = Counter(self.phase_seconds)
        phases.update(other.phase_seconds)
        slowest = sorted({*self.slowest, *other.slowest}, key=lambda shard: (-shard.seconds, shard.name))
        return ShardStats(
            shards=self.shards + other.shards,
            images=self.images + other.images,
            quarantined=self.quarantined + other.quarantined,
            computed=self.computed + other.computed,
            resumed=self.resumed + other.resumed,
            reused=self.reused + other.reused,
            retries=self.retries + other.retries,
            phase_seconds=dict(phases),
            slowest=tuple(slowest[:SLOWEST_SHARDS]),
        )

    def metrics(self, wall_seconds: float) -> FeaturizeMetrics:
        """For the report of a step whose tasks took ``wall_seconds`` in all."""
        return FeaturizeMetrics(
            images_computed=self.computed,
            images_resumed=self.resumed,
            images_reused=self.reused,
            images_per_second=round(self.computed / max(wall_seconds, 1e-3), 1),
            shards=self.shards,
            task_seconds=self.rounded_seconds(),
            store_retries=self.retries,
            slowest_shards=self.slowest,
        )

    def rounded_seconds(self) -> dict[str, float]:
        """``phase_seconds`` to the millisecond, sorted by phase."""
        return {phase: round(seconds, 3) for phase, seconds in sorted(self.phase_seconds.items())}


class ShardStatsParam(AccumulatorParam[ShardStats]):
    """How Spark adds up what its tasks tell."""

    def zero(self, value: ShardStats) -> ShardStats:
        return type(value)()

    def addInPlace(self, value1: ShardStats, value2: ShardStats) -> ShardStats:  # noqa: N802  # PySpark's name
        return value1 + value2
