"""The featurize step: every image becomes 1,280 floats or a quarantined row, published with provenance."""

from __future__ import annotations

import dataclasses
import importlib
import logging
from collections import Counter
from collections.abc import Sequence
from types import ModuleType

from pyspark.sql import SparkSession

from lambdas.contract.plan import FEATURE_DIM, Plan
from lambdas.contract.report import StepReport
from spark import fast
from spark.dataset import Provenance, publish
from spark.errors import StepFailedError
from spark.index import ensure_index
from spark.progress import StepMonitor
from spark.shards import FEATURES_SCHEMA, QUARANTINE_SCHEMA, ShardResult
from spark.storage import Store

log = logging.getLogger(__name__)


def featurize(
    spark: SparkSession, store: Store, plan: Plan, monitor: StepMonitor, report: StepReport
) -> StepReport:
    """Run the step and complete its report.

    Raises:
        StepFailedError: there is no image, or none that can be featurized; or storage, model or limits fail.
    """
    with monitor.phase("index"):
        index = ensure_index(store, plan)
    done, quarantined = spark.sparkContext.accumulator(0), spark.sparkContext.accumulator(0)
    monitor.track(index.images, lambda: (done.value, quarantined.value))

    def count(result: ShardResult) -> None:
        done.add(result.images)
        quarantined.add(result.quarantine.rows)

    provenance = Provenance.of(plan)
    with monitor.phase("featurize"):
        results = engine_of(plan).featurize_shards(spark, plan, provenance, index, count)
    featurized, reasons = reconcile(results, index.images)
    with monitor.phase("publish"):
        layout = plan.layout
        quarantine_parts = [result.quarantine for result in results]
        publish(store, layout.quarantine, QUARANTINE_SCHEMA, quarantine_parts, provenance, reasons)
        require_features(plan, featurized, reasons)
        publish(store, layout.features, FEATURES_SCHEMA, [r.features for r in results], provenance, reasons)
    log.info(
        "featurize: %d of %d images featurized, %d quarantined %s",
        featurized, index.images, sum(reasons.values()), reasons or "",
    )  # fmt: skip
    return dataclasses.replace(
        report,
        outputs=(layout.features, layout.quarantine),
        images_in=index.images,
        images_featurized=featurized,
        images_quarantined=sum(reasons.values()),
        quarantine_reasons=reasons,
        feature_dim=FEATURE_DIM,
    )


def engine_of(plan: Plan) -> ModuleType:
    """The module that computes for this plan; both have ``featurize_shards`` and ``fit_pca``."""
    if plan.engine == "fast":
        return fast
    # Imported here because it brings pandas and MLlib, which the fast engine does without.
    return importlib.import_module("spark.reference")


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


def require_features(plan: Plan, featurized: int, reasons: dict[str, int]) -> None:
    """Raise StepFailedError when every image was quarantined."""
    if not featurized:
        counts = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
        raise StepFailedError(
            "data",
            f"none of the images could be featurized ({counts})",
            f"see {plan.root}/{plan.layout.quarantine} for each image's reason",
        )
