"""The reference engine: the brief's own recipe, as the yardstick of the fast one.

Spark's ``binaryFile`` source, a shuffle to 48 partitions, an iterator pandas UDF around Keras'
MobileNetV2 with broadcast weights, ``write.parquet``, then MLlib's StandardScaler and PCA. What it
computes is published by the same code as the fast engine's, so that results are comparable byte for
name. Departures from the recipe, none of which touches a figure:

- ``predict_on_batch`` instead of ``predict``, which sets up an input pipeline at each call: 29 images/s
  instead of 24 on two cores. As in the recipe, each partition builds the model anew.
- MLlib's PCA does not subtract the mean when it transforms. The scaler therefore always centres (and
  divides by the standard deviation only when the plan says so), and scores are formed from its and the
  PCA's fitted vectors by :class:`spark.components.exact_pca.PcaModel`, centred and with settled signs.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # it ships no types
from pyspark.ml.feature import PCA, StandardScaler
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col
from pyspark.sql.pandas.functions import pandas_udf

from lambdas.contract.documents import dataclass_from_dict
from lambdas.contract.listing_summary import key_of
from lambdas.contract.object_keys import key_problem
from lambdas.contract.plan import FEATURE_DIM, Plan
from lambdas.contract.report import QuarantineReason
from spark.components.exact_pca import PcaModel, require_variance, truncated
from spark.datasets.index import ImageIndex
from spark.datasets.object_store import join_uri, open_store, read, read_uri
from spark.datasets.publication import DatasetManifest, Provenance
from spark.datasets.unreadable import ObjectUnreadableError, require_addressable
from spark.features.model import fetch_verified
from spark.features.prefetch import Decoded, Featurized, Refused, decode_fetched, inferred
from spark.features.shards import ShardWork, write_shard
from spark.images.decoding import Flaw, Rejected, scale
from spark.images.resize import pillow_bicubic

PARTITIONS = 48
BATCH_IMAGES = 32
FETCHING_THREADS = 16
INDEXED = "path string, shard int, position int"
OUTCOME = "features array<float>, sha256 string, flaw string, reason string, detail string, size_bytes long"
_GLOB = frozenset("*?[]{}\\")


def featurize_shards(
    spark: SparkSession,
    plan: Plan,
    provenance: Provenance,
    index: ImageIndex,
    count: Callable[[ShardWork], None],
) -> list[ShardWork]:
    """Featurize and write all shards of the index; ``count`` is told of each in the worker."""
    weights = fetch_verified(plan.model.weights_uri, plan.model.weights_sha256)
    shared = spark.sparkContext.broadcast(weights)
    weights_name = plan.model.weights_uri.rpartition("/")[2]
    # A record batch of photos must fit into memory; the default is 10,000 rows.
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", BATCH_IMAGES)

    def outcomes(contents: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        network = None  # for as long as there are no images: few do not reach all partitions
        for content in contents:
            network = network or _keras_model(shared.value, weights_name, plan.image_size)
            yield pd.DataFrame(_outcomes(network, content, plan.image_size))

    def publish(rows: pd.DataFrame) -> pd.DataFrame:
        ordered = rows.sort_values("position")
        found = [_from_row(row) for row in ordered.itertuples()]
        number = int(ordered["shard"].iloc[0])
        store = open_store(plan.root)
        result = write_shard(store, plan, provenance, number, list(ordered["path"]), found)
        work = ShardWork(result, computed=result.images)
        count(work)
        return pd.DataFrame({"work": [json.dumps(dataclasses.asdict(work))]})

    with TemporaryDirectory(prefix="fruits-") as scratch:
        images = index_with_content(spark, plan, index).repartition(PARTITIONS)
        network = pandas_udf(outcomes, OUTCOME)  # type: ignore[call-overload]  # its stubs predate type hints
        computed = images.select("path", "shard", "position", network("content").alias("outcome"))
        # Unqualified, so that a cluster writes to its own file system and a laptop to the scratch folder.
        target = f"{scratch}/features"
        computed.select("path", "shard", "position", "outcome.*").write.parquet(target)
        written = spark.read.parquet(target).groupBy("shard").applyInPandas(publish, "work string")
        return [dataclass_from_dict(ShardWork, json.loads(row["work"])) for row in written.collect()]


def fit_pca(spark: SparkSession, plan: Plan, features: DatasetManifest) -> PcaModel:
    """Fit MLlib's StandardScaler and PCA to the published features."""
    require_variance(features.rows, 1.0)
    with TemporaryDirectory(prefix="fruits-") as scratch:
        rows = _published_features(spark, plan, features, Path(scratch))
        vectors = rows.select(array_to_vector(col("features")).alias("features")).cache()
        scaler = StandardScaler(
            withMean=True, withStd=plan.pca.standardize, inputCol="features", outputCol="scaled"
        ).fit(vectors)
        deviation = scaler.std.toArray()
        require_variance(features.rows, float((deviation**2).sum()))
        fitted = PCA(k=FEATURE_DIM, inputCol="scaled", outputCol="pca").fit(scaler.transform(vectors))
        vectors.unpersist()
    scale = np.where(deviation > 0, deviation, 1.0) if plan.pca.standardize else np.ones(FEATURE_DIM)
    total = float(((deviation / scale) ** 2).sum())
    return truncated(
        features.rows,
        scaler.mean.toArray(),
        scale,
        fitted.pc.toArray().T,
        fitted.explainedVariance.toArray() * total,
        total,
        plan.pca,
    )


def index_with_content(spark: SparkSession, plan: Plan, index: ImageIndex) -> DataFrame:
    """Path, shard, position and content of every image; content is null where a file is missing.

    Spark lists and reads them where it can; otherwise its workers fetch them by name.
    """
    shards = [index.shard(number) for number in range(index.shards)]
    places = [(number, position) for number, shard in enumerate(shards) for position in range(len(shard))]
    images = list(chain.from_iterable(shards))
    paths = [image.path for image in images]
    if not _spark_can_list(spark, plan, paths):
        named = [(path, *place) for path, place in zip(paths, places, strict=True)]
        wanted = spark.createDataFrame(named, INDEXED)
        return wanted.mapInPandas(_fetched, f"{INDEXED}, content binary")  # type: ignore[arg-type]  # as above
    wanted = spark.createDataFrame(
        [
            (image.path, *place, _hadoop_path(image.path), image.size == 0)
            for image, place in zip(images, places, strict=True)
        ],
        f"{INDEXED}, location string, empty boolean",
    )
    folders = [_hadoop_path(source.uri) for source in plan.sources]
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(folders)
    found = wanted.join(files.selectExpr("path AS location", "content"), "location", "left")
    # Spark's file sources skip empty files, which are not missing.
    return found.selectExpr("path", "shard", "position", "coalesce(content, IF(empty, X'', NULL)) AS content")


def _published_features(
    spark: SparkSession, plan: Plan, features: DatasetManifest, scratch: Path
) -> DataFrame:
    """The published features, read by Spark itself."""
    prefix = plan.layout.features
    if _has_file_system(spark, plan.root):
        parts = [_hadoop_path(join_uri(plan.root, prefix + part.name)) for part in features.parts]
        return spark.read.parquet(*parts)
    for part in features.parts:
        (scratch / part.name).write_bytes(read(open_store(plan.root), prefix + part.name))
    return spark.read.parquet(f"file:{scratch}")


def _has_file_system(spark: SparkSession, uri: str) -> bool:
    """Whether this Spark can read ``uri`` itself: EMR has an S3 file system, PySpark alone has none."""
    # PySpark has no public way to ask Hadoop for a scheme's file system.
    context: Any = spark.sparkContext
    file_system = context._jvm.org.apache.hadoop.fs.FileSystem
    try:
        file_system.getFileSystemClass(uri.partition("://")[0], context._jsc.hadoopConfiguration())
    except Py4JError:
        return False
    return True


def _spark_can_list(spark: SparkSession, plan: Plan, paths: list[str]) -> bool:
    """Whether Spark finds all images by itself: it skips hidden names and expands glob characters."""
    return (
        all(source.keys is None and not _GLOB.intersection(source.uri) for source in plan.sources)
        and all(_has_file_system(spark, source.uri) for source in plan.sources)
        and not any(segment.startswith(("_", ".")) for path in paths for segment in path.split("/"))
        and not any(key_problem(key_of(path)) for path in paths)
    )


def _hadoop_path(uri: str) -> str:
    """Hadoop writes local paths with one slash: ``file:/folder/name``."""
    return uri.replace("file:///", "file:/", 1)


def _fetched(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Named images with their content, in a worker."""
    with ThreadPoolExecutor(FETCHING_THREADS) as pool:
        for images in batches:
            yield images.assign(content=list(pool.map(_content, images["path"])))


def _content(path: str) -> bytes | None:
    """Nothing where the image cannot be had: it is quarantined as missing."""
    with suppress(FileNotFoundError, ObjectUnreadableError):
        require_addressable(path)
        return read_uri(path)
    return None


def _keras_model(weights: bytes, name: str, image_size: int) -> Any:
    """MobileNetV2 up to its global average pool, one thread; ``name`` tells Keras the file's format."""
    import tensorflow as tf  # seconds and 500 MB, needed by this engine's workers only

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    with TemporaryDirectory(prefix="fruits-") as folder:
        path = Path(folder) / name
        path.write_bytes(weights)
        return tf.keras.applications.MobileNetV2(
            include_top=False, pooling="avg", weights=str(path), input_shape=(image_size, image_size, 3)
        )


def _outcomes(network: Any, contents: pd.Series, image_size: int) -> list[dict[str, Any]]:
    """One row of :data:`OUTCOME` an image."""
    missing = Refused(Rejected(QuarantineReason.MISSING, "no such object when it was fetched"), None)
    loaded = [
        missing if data is None else decode_fetched(data, image_size, pillow_bicubic) for data in contents
    ]
    computed = iter(_featurized(network, [image for image in loaded if isinstance(image, Decoded)]))
    return [_row(image if isinstance(image, Refused) else next(computed)) for image in loaded]


def _featurized(network: Any, images: list[Decoded]) -> list[Featurized | Refused]:
    """All at once; one by one where that fails, so that it costs as few of them as it may."""

    def features_of(pixels: np.ndarray) -> np.ndarray:
        features: np.ndarray = network.predict_on_batch(_scaled(pixels))
        return features

    try:
        batch = features_of(np.stack([image.pixels for image in images])) if images else np.empty(0)
    except Exception:  # the guard around each image sees it again
        return [inferred(image, lambda pixels: features_of(pixels[None])[0]) for image in images]
    return [Featurized(row, image.sha256, image.flaw) for row, image in zip(batch, images, strict=True)]


def _scaled(pixels: np.ndarray) -> np.ndarray:
    scaled = np.empty(pixels.shape, np.float32)
    scale(pixels, out=scaled)
    return scaled


def _row(image: Featurized | Refused) -> dict[str, Any]:
    if isinstance(image, Featurized):
        return {
            "features": image.features,
            "sha256": image.sha256,
            "flaw": image.flaw and image.flaw.value,
            "reason": None,
            "detail": None,
            "size_bytes": None,
        }
    reason, detail = image.rejected.reason.value, image.rejected.detail
    return {
        "features": None,
        "sha256": None,
        "flaw": None,
        "reason": reason,
        "detail": detail,
        "size_bytes": image.size,
    }


def _from_row(row: Any) -> Featurized | Refused:
    if row.reason is None:
        return Featurized(np.asarray(row.features, dtype=np.float32), row.sha256, row.flaw and Flaw(row.flaw))
    size = None if pd.isna(row.size_bytes) else int(row.size_bytes)
    return Refused(Rejected(QuarantineReason(row.reason), row.detail), size)
