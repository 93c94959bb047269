"""The default engine: one Spark task a shard, objects fetched by the workers, LiteRT, exact PCA.

Only shard numbers and paths go from the JVM to the workers, and only counts and moments come back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import reduce

from pyspark.sql import SparkSession

from lambdas.contract.plan import Plan
from spark.dataset import DatasetManifest, Part, Provenance, read_part
from spark.index import ImageIndex, open_index
from spark.model import feature_extractor, fetch_verified
from spark.pca_model import Moments, PcaModel, feature_matrix, fit
from spark.pipeline import Meter, featurize_images
from spark.shards import ShardWork, finished_shard, write_shard
from spark.storage import open_store

MOMENT_GROUPS = 8
"""Tasks of the PCA fit. Fixed, so that the sums are formed in the same order on any cluster and a re-run
gives the same bytes; few, because each sends 13 MB (1280 x 1280 doubles) to the driver."""


def featurize_shards(
    spark: SparkSession,
    plan: Plan,
    provenance: Provenance,
    index: ImageIndex,
    count: Callable[[ShardWork], None],
) -> list[ShardWork]:
    """Featurize and write all shards of the index that are not done yet; ``count`` is told of each in the
    worker."""
    context = spark.sparkContext
    model = context.broadcast(fetch_verified(plan.model.uri, plan.model.sha256))

    def run(numbers: Iterable[int]) -> Iterator[ShardWork]:
        for number in numbers:
            work = featurize_shard(plan, provenance, number, model.value)
            count(work)
            yield work

    return context.parallelize(range(index.shards), index.shards).mapPartitions(run).collect()


def featurize_shard(plan: Plan, provenance: Provenance, number: int, model: bytes) -> ShardWork:
    """Make one shard, or find it done.

    Raises:
        StepFailedError: the store refuses or does not answer. A bad image is a quarantined row instead.
    """
    began = time.perf_counter()
    store, meter = open_store(plan.root), Meter()
    result = finished_shard(store, plan, provenance, number)
    resumed = result is not None
    if result is None:
        images = open_index(plan.root, plan.layout.index).shard(number)
        extract = feature_extractor(model, plan.image_size)
        outcomes = featurize_images(images, plan.image_size, extract, meter)
        with meter.timed("write"):
            result = write_shard(store, plan, provenance, number, [i.path for i in images], outcomes)
    return ShardWork(
        result,
        computed=0 if resumed else result.images,
        resumed=result.images if resumed else 0,
        seconds=time.perf_counter() - began,
        phase_seconds=dict(meter.seconds),
        retries=meter.retries,
    )


def fit_pca(spark: SparkSession, plan: Plan, features: DatasetManifest) -> PcaModel:
    """Fit the PCA of the plan in one pass over the published features."""
    prefix = plan.layout.features

    def moments(parts: Iterable[Part]) -> Iterator[Moments]:
        store = open_store(plan.root)
        yield reduce(Moments.merge, (Moments.of(feature_matrix(read_part(store, prefix, p))) for p in parts))

    groups = min(MOMENT_GROUPS, len(features.parts))
    collected = spark.sparkContext.parallelize(features.parts, groups).mapPartitions(moments).collect()
    return fit(reduce(Moments.merge, collected), plan.pca)
