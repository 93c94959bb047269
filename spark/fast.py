"""The default engine: one Spark task a shard, objects fetched by the workers, LiteRT, exact PCA.

Only shard numbers and paths go from the JVM to the workers, and only counts and moments come back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import reduce

from pyspark.sql import SparkSession

from lambdas.contract.plan import Plan
from spark.dataset import DatasetManifest, Part, Provenance, read_part
from spark.index import ImageIndex, ImageRef
from spark.model import feature_extractor, fetch_verified
from spark.pca_model import Moments, PcaModel, feature_matrix, fit
from spark.shards import ShardResult, featurize_shard
from spark.storage import open_store

MOMENT_GROUPS = 8
"""Tasks of the PCA fit. Fixed, so that the sums are formed in the same order on any cluster and a re-run
gives the same bytes; few, because each sends 13 MB (1280 x 1280 doubles) to the driver."""


def featurize_shards(
    spark: SparkSession,
    plan: Plan,
    provenance: Provenance,
    index: ImageIndex,
    count: Callable[[ShardResult], None],
) -> list[ShardResult]:
    """Featurize and write all shards of the index; ``count`` is told of each in the worker."""
    context = spark.sparkContext
    model = context.broadcast(fetch_verified(plan.model.uri, plan.model.sha256))

    def run(shards: Iterable[tuple[int, list[ImageRef]]]) -> Iterator[ShardResult]:
        extract = feature_extractor(model.value, plan.image_size)
        for number, images in shards:
            result = featurize_shard(plan, provenance, number, images, extract)
            count(result)
            yield result

    shards = [(number, index.shard(number)) for number in range(index.shards)]
    return context.parallelize(shards, len(shards)).mapPartitions(run).collect()


def fit_pca(spark: SparkSession, plan: Plan, features: DatasetManifest) -> PcaModel:
    """Fit the PCA of the plan in one pass over the published features."""
    prefix = plan.layout.features

    def moments(parts: Iterable[Part]) -> Iterator[Moments]:
        store = open_store(plan.root)
        yield reduce(Moments.merge, (Moments.of(feature_matrix(read_part(store, prefix, p))) for p in parts))

    groups = min(MOMENT_GROUPS, len(features.parts))
    collected = spark.sparkContext.parallelize(features.parts, groups).mapPartitions(moments).collect()
    return fit(reduce(Moments.merge, collected), plan.pca)
