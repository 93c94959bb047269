"""Our PCA and MLlib's, on the same published features and the same session.

``python -m tests.bench.pca`` prints JSON: the seconds of both, the largest difference in variance.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.figures import Figure, Turns, in_turns
from tests.bench.steps import step_environment

ROWS = 22_688
"""The test images of Fruits-360."""
COMPONENTS = 50
_PART_ROWS = 1024
_RANK = 200
_HEADER = "bench.pca:"


@dataclass(frozen=True)
class PcaFigures:
    """Seconds of alternated rounds."""

    ours_seconds: tuple[float, ...]
    mllib_seconds: tuple[float, ...]
    max_variance_error: float


def figures() -> list[Figure]:
    """Our fit against MLlib's."""
    found = compare()
    turns = Turns(found.ours_seconds, found.mllib_seconds)
    return [
        *turns.figures("pca.ratio_vs_mllib", 8),
        Figure("pca.seconds", median(found.ours_seconds)),
        Figure("pca.max_variance_error", found.max_variance_error, 1e-9, at_least=False),
    ]


def compare() -> PcaFigures:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.pca"]
    done = subprocess.run(command, env=step_environment(), check=True, capture_output=True, text=True)
    [line] = [line for line in done.stdout.splitlines() if line.startswith(_HEADER)]
    return PcaFigures(**json.loads(line.removeprefix(_HEADER)))


def measure() -> PcaFigures:
    """Measure on a session of this process."""
    # A process that only asks for the comparison needs none of these.
    import numpy as np
    from pyspark.ml.feature import PCA
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql.functions import col

    from spark.features import litert_engine
    from spark.steps.session import session

    with TemporaryDirectory() as folder:
        plan, features = _publish_features(Path(folder))
        spark = session("bench-pca", {})
        spark.sparkContext.parallelize(range(2), 2).map(abs).collect()  # start the workers

        def mllib() -> Any:
            rows = spark.read.parquet(f"{folder}/{plan.layout.features}")
            vectors = rows.select(array_to_vector(col("features")).alias("features")).cache()
            fitted = PCA(k=COMPONENTS, inputCol="features", outputCol="pca").fit(vectors)
            vectors.unpersist()
            return fitted.explainedVariance.toArray()

        def ours() -> Any:
            return litert_engine.fit_pca(spark, plan, features).explained_variance_ratio

        variances: dict[Callable[[], Any], Any] = {}

        def seconds(way: Callable[[], Any]) -> float:
            began = time.perf_counter()
            variances[way] = way()
            return time.perf_counter() - began

        turns = in_turns(lambda: seconds(ours), lambda: seconds(mllib))
        spark.stop()
    error = float(np.abs(variances[ours] - variances[mllib]).max())
    return PcaFigures(turns.ours, turns.theirs, error)


def _publish_features(folder: Path) -> Any:
    """A plan and a feature dataset of ``ROWS`` rows, with variances that fall as real features' do."""
    import numpy as np
    import pyarrow as pa

    from lambdas.contract.layout import part_name
    from lambdas.contract.plan import FEATURE_DIM, ModelArtifact, Source
    from spark.datasets.object_store import open_store
    from spark.datasets.publication import Provenance, encode_parquet, publish, read_published, write_part
    from spark.features.shards import FEATURES_SCHEMA
    from tests.bench.steps import make_plan

    model = ModelArtifact("bench", "", "", "", "", "")
    plan = make_plan(folder, model, Source("file:///"), ROWS)
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(_RANK, FEATURE_DIM)) / np.arange(1, _RANK + 1)[:, None]
    store, provenance, parts = open_store(plan.root), Provenance.of(plan), []
    for number, start in enumerate(range(0, ROWS, _PART_ROWS)):
        count = min(_PART_ROWS, ROWS - start)
        noise = 0.02 * rng.normal(size=(count, FEATURE_DIM))
        rows = np.maximum(rng.normal(size=(count, _RANK)) @ mixing + 0.5 + noise, 0).astype(np.float32)
        offsets = np.arange(count + 1, dtype=np.int32) * FEATURE_DIM
        names = pa.array([f"{start + row:06d}" for row in range(count)])
        lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(rows.ravel()))
        table = pa.Table.from_arrays([names, names, lists, names, names], schema=FEATURES_SCHEMA)
        data = encode_parquet(table, provenance)
        parts.append(write_part(store, plan.layout.features, part_name(number, "parquet"), data, count))
    publish(store, plan.layout.features, FEATURES_SCHEMA, parts, provenance)
    return plan, read_published(store, plan.layout.features)


if __name__ == "__main__":
    sys.stdout.write(f"{_HEADER}{json.dumps(dataclasses.asdict(measure()))}\n")
