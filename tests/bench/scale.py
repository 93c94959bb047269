"""Ten million images, as far as none is read: what launcher, index, driver, publication and status need.

``python -m tests.bench.scale <part> <images>`` prints seconds, and the peak resident memory in MB.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from math import ceil
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.bench import index
from tests.bench.figures import Figure
from tests.bench.memory import peak_rss_mb

if TYPE_CHECKING:
    from spark.features.shards import ShardWork

IMAGES = 10_000_000
WORKERS = 50
"""With so many the parts are smallest, and most."""
PARTS = {
    # What its Lambda has, and a fifth of its time: the rest is for waiting for S3.
    "launcher": (512, 60),
    # Among them pages of the index' own file, which the system may take back.
    "index": (512, 300),
    "driver": (256, 20),
}
"""Megabytes and seconds that each may need."""
_PAGE = 1000


def figures() -> list[Figure]:
    """Of each part, in a process of its own."""
    found = []
    for part, (megabytes, seconds) in PARTS.items():
        command = [sys.executable, "-m", "tests.bench.scale", part, str(IMAGES)]
        done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        found += [
            Figure(f"scale.{part}_mb.{IMAGES}", done["megabytes"], megabytes, at_least=False),
            Figure(f"scale.{part}_seconds.{IMAGES}", done["seconds"], seconds, at_least=False),
        ]
    return found


def launcher(images: int) -> None:
    """Look at a bucket of so many objects, as before a launch."""
    from lambdas.contract.manifest.schema import Images
    from lambdas.runs.ports import Found
    from lambdas.runs.preflight import COUNT_LIMIT, preflight

    class Bucket:
        """Holds as much as is asked for, and no page of it before."""

        def region(self, bucket: str) -> str:
            return "eu-west-1"

        def pages(self, bucket: str, prefix: str) -> Iterator[tuple[Found, ...]]:
            for start in range(0, images, _PAGE):
                yield tuple(Found(f"{prefix}{number:09d}.jpg") for number in range(start, start + _PAGE))

        def folders(self, bucket: str, prefix: str) -> tuple[str, ...]:
            return ()

    asked = Images.model_validate({"prefixes": ["s3://photos/images/"]})
    found = preflight(asked, "data", Bucket(), lambda: False)
    if found.faults or found.images_listed != min(images, COUNT_LIMIT):
        raise AssertionError(f"the launcher saw {found}")


def write_and_read_index(images: int) -> None:
    """As the first step does, in shards of the planner's size."""
    index.measure(images, planned_shard(images))


def planned_shard(images: int) -> int:
    """Images a shard of such a run."""
    from lambdas.runs.planning import shard_images
    from lambdas.runs.preflight import COUNT_LIMIT

    return shard_images(min(images, COUNT_LIMIT), 4 * WORKERS)


def driver(images: int) -> None:
    """Take in what all tasks tell, check that nothing is lost, publish, report, and compose the status."""
    from lambdas.contract.report import RunMetrics, StepReport
    from lambdas.contract.status import compose_status, timestamp
    from spark.datasets.object_store import open_store
    from spark.datasets.publication import Provenance, publish, read_published
    from spark.features.shards import FEATURES_SCHEMA, QUARANTINE_SCHEMA
    from spark.steps.featurize import reconcile
    from spark.steps.shard_stats import ShardStats
    from tests.contract.test_plan import FEATURIZE, PLAN
    from tests.records import QUEUED

    works = list(shard_works(images))
    so_far = ShardStats()
    for work in works:  # as they come in
        so_far += ShardStats.of(work)
    results = [work.result for work in works]
    featurized, reasons = reconcile(results, images)
    with TemporaryDirectory() as folder:
        plan = replace(PLAN, root=f"file://{folder}")
        store, provenance = open_store(plan.root), Provenance.of(plan)
        for prefix, schema, parts in (
            (plan.layout.quarantine, QUARANTINE_SCHEMA, [result.quarantine for result in results]),
            (plan.layout.features, FEATURES_SCHEMA, [result.features for result in results]),
        ):
            publish(store, prefix, schema, parts, provenance, reasons)
        published = read_published(store, plan.layout.features)
    report = replace(
        FEATURIZE, images_in=images, images_featurized=featurized, featurize=so_far.metrics(wall_seconds=1.0)
    )
    report = StepReport.from_json(report.to_json())
    metrics = RunMetrics.of(plan.dataset, [report])
    status = compose_status(QUEUED, plan, [report], timestamp(0.0))
    if not published.rows == metrics.images_featurized == status.images_featurized == images - len(works):
        raise AssertionError("images were lost on the way")
    if max(map(len, (report.to_json(), metrics.to_json(), status.to_json()))) > 10_000:
        raise AssertionError("what people poll grows with the run")


def shard_works(images: int) -> Iterator[ShardWork]:
    """What the tasks of such a run tell, each of one bad image."""
    from lambdas.contract.layout import part_name
    from lambdas.contract.plan import FEATURE_DIM
    from lambdas.contract.published import Part
    from spark.features.shards import ShardResult, ShardWork

    size = planned_shard(images)
    for number in range(ceil(images / size)):
        count = min(size, images - number * size)
        name, sha256 = part_name(number, "parquet"), hashlib.sha256(str(number).encode()).hexdigest()
        result = ShardResult(
            count,
            Part(name, count - 1, 4 * FEATURE_DIM * count, sha256),
            Part(name, 1, 3000, sha256),
            {"corrupt": 1},
        )
        seconds = {"decode": 1.0, "fetch": 1.0, "infer": 20.0, "write": 0.1}
        yield ShardWork(result, computed=count, seconds=20.0 + number % 7, phase_seconds=seconds)


def main(part: str, images: int) -> None:
    """Measure one part in this process."""
    began = time.perf_counter()
    {"launcher": launcher, "index": write_and_read_index, "driver": driver}[part](images)
    seconds = time.perf_counter() - began
    sys.stdout.write(json.dumps({"seconds": seconds, "megabytes": peak_rss_mb("self")}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
