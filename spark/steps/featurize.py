"""The featurize step: every image becomes 1,280 floats or a quarantined row, published with provenance."""

from __future__ import annotations

import dataclasses
import importlib
import logging
from collections import Counter
from collections.abc import Sequence
from types import ModuleType

from pyspark.sql import SparkSession

from lambdas.contract.listing_summary import HOW_TO_RESTORE, images_are
from lambdas.contract.plan import FEATURE_DIM, Plan
from lambdas.contract.report import TOLD_BEFORE, FeaturizeMetrics, QuarantineReason, StepError, StepReport
from spark.datasets.index import ensure_index
from spark.datasets.object_store import Store
from spark.datasets.publication import Provenance, publish
from spark.errors import StepFailedError
from spark.features import litert_engine
from spark.features.shards import FEATURES_SCHEMA, QUARANTINE_SCHEMA, ShardResult, ShardWork
from spark.steps.progress import StepMonitor
from spark.steps.shard_stats import ShardStats, ShardStatsParam

log = logging.getLogger(__name__)

WORST_REASONS = 3
"""Reasons that the message of a failed budget names."""


def featurize(
    spark: SparkSession, store: Store, plan: Plan, monitor: StepMonitor, report: StepReport
) -> StepReport:
    """Run the step and complete its report.

    The report of a run that has too many bad images says so in its error, and still counts them.

    Raises:
        StepFailedError: there is no image; or storage, model or limits fail.
    """
    with monitor.phase("list"):
        index = ensure_index(store, plan)
    so_far = spark.sparkContext.accumulator(ShardStats(), ShardStatsParam())
    monitor.track(index.images, lambda: so_far.value)

    def count(work: ShardWork) -> None:
        so_far.add(ShardStats.of(work))

    provenance = Provenance.of(plan)
    with monitor.phase("featurize"):
        works = engine_of(plan).featurize_shards(spark, plan, provenance, index, count)
    results = [work.result for work in works]
    featurized, reasons = reconcile(results, index.images)
    with monitor.phase("publish"):
        layout = plan.layout
        quarantine_parts = [result.quarantine for result in results]
        publish(store, layout.quarantine, QUARANTINE_SCHEMA, quarantine_parts, provenance, reasons)
        failure = too_many_quarantined(plan, index.images, reasons)
        if failure is None:
            features = [result.features for result in results]
            publish(store, layout.features, FEATURES_SCHEMA, features, provenance, reasons)
    log.info(
        "featurize: %d of %d images featurized, %d quarantined %s",
        featurized, index.images, sum(reasons.values()), reasons or "",
    )  # fmt: skip
    # Not what was counted on the way: of a task that Spark ran twice, the result is here once.
    metrics = sum(map(ShardStats.of, works), ShardStats()).metrics(monitor.seconds["featurize"])
    return dataclasses.replace(
        report,
        succeeded=failure is None,
        error=failure,
        outputs=(layout.quarantine,) if failure else (layout.features, layout.quarantine),
        images_in=index.images,
        images_featurized=featurized,
        images_quarantined=sum(reasons.values()),
        quarantine_reasons=reasons,
        images_skipped=index.listing.skipped,
        suffixes_skipped=index.listing.suffixes,
        feature_dim=FEATURE_DIM,
        notes=(*_notes(metrics, reasons), *index.listing.notes()),
        featurize=metrics,
    )


def _notes(metrics: FeaturizeMetrics, reasons: dict[str, int]) -> tuple[str, ...]:
    reused, archived = metrics.images_reused, reasons.get(QuarantineReason.ARCHIVED, 0)
    notes = (
        f"{images_are(reused)} unchanged since an earlier run, whose features were reused" if reused else "",
        f"{images_are(archived)} archived, hence without features: {HOW_TO_RESTORE}." if archived else "",
    )
    return tuple(filter(None, notes))


def engine_of(plan: Plan) -> ModuleType:
    """The module that computes for this plan; both have ``featurize_shards`` and ``fit_pca``."""
    if plan.engine == "fast":
        return litert_engine
    # Imported here because it brings pandas and MLlib, which the fast engine does without.
    return importlib.import_module("spark.features.reference_engine")


def reconcile(results: Sequence[ShardResult], images: int) -> tuple[int, dict[str, int]]:
    """Images featurized, and quarantined by reason, after checking that none was lost.

    Raises:
        StepFailedError: the counts do not add up, in a shard or in all.
    """
    unbalanced = [result.features.name for result in results if not result.balanced]
    accounted = sum(result.images for result in results)
    if unbalanced or accounted != images:
        raise StepFailedError(
            "ours",
            f"{accounted} of {images} images are accounted for; shards that do not add up: {unbalanced}",
            "run again; nothing was published",
        )
    reasons: Counter[str] = Counter()
    for result in results:
        reasons.update(result.reasons)
    return images - reasons.total(), dict(sorted(reasons.items()))


def too_many_quarantined(plan: Plan, images: int, reasons: dict[str, int]) -> StepError | None:
    """Why the step fails when none of the ``images`` was featurized, or too many were quarantined.

    What lies in how an object is stored (archived, a key that cannot be addressed) was told before the
    launch, and does not count as a bad image.
    """
    quarantined = sum(reasons.values())
    worst = ", ".join(f"{reason} {count}" for reason, count in Counter(reasons).most_common(WORST_REASONS))
    see = f"see {plan.root}/{plan.layout.quarantine} for each image's reason"
    if quarantined == images:
        return StepError("data", f"none of the images could be featurized ({worst})", see)
    limit = plan.max_quarantined_fraction
    bad = sum(count for reason, count in reasons.items() if reason not in TOLD_BEFORE)
    if bad <= limit * images:
        return None
    return StepError(
        "data",
        f"{bad} of {images} images ({bad / images:.1%}) could not be featurized, more "
        f"than limits.max_quarantined_fraction = {limit:g} allows; the worst reasons: {worst}",
        f"{see}; correct or remove those images, or raise the limit",
    )
