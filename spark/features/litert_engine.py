"""The default engine: one Spark task per shard, objects fetched by the workers, LiteRT, exact PCA.

Only shard numbers and paths go from the JVM to the workers, and only counts and moments come back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial, reduce
from math import ceil
from operator import itemgetter

from pyspark import RDD
from pyspark.sql import SparkSession

from lambdas.contract.plan import Plan
from lambdas.contract.published import Part
from spark.components.exact_pca import Moments, PcaModel, feature_matrix, fit
from spark.datasets.index import ImageIndex, open_index
from spark.datasets.object_store import open_store
from spark.datasets.publication import DatasetManifest, Provenance, read_part
from spark.features.model import feature_extractor, fetch_verified
from spark.features.prefetch import Featurized, Stopwatch, featurize_images
from spark.features.python_worker import shorten_pauses
from spark.features.reuse import find_earlier_run, open_earlier_run
from spark.features.shards import ShardWork, finished_shard, write_shard

MOMENT_GROUPS = (8, 64)
"""Tasks of the PCA fit, at least and at most: fewer send fewer matrices, more work side by side. They depend
on the data alone, so that sums are formed in the same order on any cluster and a re-run gives the same
bytes."""
PARTS_A_GROUP = 32
MERGED_AT_ONCE = 8
"""Moments that one task merges; each is 13 MB (1280 x 1280 doubles). The driver receives one."""


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
    earlier_run = find_earlier_run(open_store(plan.root), plan, provenance)

    def run(numbers: Iterable[int]) -> Iterator[ShardWork]:
        shorten_pauses()
        for number in numbers:
            work = featurize_shard(plan, provenance, number, model.value, earlier_run)
            count(work)
            yield work

    return context.parallelize(range(index.shards), index.shards).mapPartitions(run).collect()


def featurize_shard(
    plan: Plan, provenance: Provenance, number: int, model: bytes, earlier_run: str | None
) -> ShardWork:
    """Make one shard, of new images and of what an earlier run knows; or find it done.

    Raises:
        StepFailedError: the store refuses or does not answer. A bad image is a quarantined row instead.
    """
    began = time.perf_counter()
    store, stopwatch = open_store(plan.root), Stopwatch()
    if result := finished_shard(store, plan, provenance, number):
        return ShardWork(result, resumed=result.images, seconds=time.perf_counter() - began)
    images = open_index(plan.root, plan.layout.index).shard(number)
    known: dict[str, Featurized] = {}
    if earlier_run:
        with stopwatch.timed("fetch"):
            known = open_earlier_run(plan.root, plan.dataset, earlier_run).features_of(images)
    new = [image for image in images if image.path not in known]
    extract = feature_extractor(model, plan.image_size)
    computed = iter(featurize_images(new, plan.image_size, extract, stopwatch))
    outcomes = [known.get(image.path) or next(computed) for image in images]
    with stopwatch.timed("write"):
        result = write_shard(store, plan, provenance, number, [i.path for i in images], outcomes)
    return ShardWork(
        result,
        computed=len(new),
        reused=len(known),
        seconds=time.perf_counter() - began,
        phase_seconds=dict(stopwatch.seconds),
        retries=stopwatch.retries,
    )


def fit_pca(spark: SparkSession, plan: Plan, features: DatasetManifest) -> PcaModel:
    """Fit the PCA of the plan in one pass over the published features."""
    prefix = plan.layout.features

    def moments(parts: Iterable[Part]) -> Iterator[Moments]:
        shorten_pauses()
        store = open_store(plan.root)
        yield reduce(Moments.merge, (Moments.of(feature_matrix(read_part(store, prefix, p))) for p in parts))

    fewest, most = MOMENT_GROUPS
    groups = max(fewest, min(most, len(features.parts) // PARTS_A_GROUP))
    tasks = min(groups, len(features.parts))
    of_groups = spark.sparkContext.parallelize(features.parts, tasks).mapPartitions(moments)
    return fit(merge_in_order(of_groups), plan.pca)


def merge_in_order(moments: RDD[Moments], at_once: int = MERGED_AT_ONCE) -> Moments:
    """The moments of all partitions (one each), merged level by level, so many in a task, on the workers.

    Unlike ``RDD.treeReduce``, which merges in the order of arrival, equal input gives equal bytes.
    """
    while (partitions := moments.getNumPartitions()) > 1:
        grouped = moments.mapPartitionsWithIndex(partial(_numbered, at_once))
        moments = grouped.groupByKey(ceil(partitions / at_once), int).map(_merged)
    return moments.first()


def _numbered(
    at_once: int, number: int, moments: Iterable[Moments]
) -> Iterator[tuple[int, tuple[int, Moments]]]:
    yield from ((number // at_once, (number, each)) for each in moments)


def _merged(group: tuple[int, Iterable[tuple[int, Moments]]]) -> Moments:
    ordered = sorted(group[1], key=itemgetter(0))
    return reduce(Moments.merge, (moments for _, moments in ordered))
