"""Seconds from an upload to an accepted RunJobFlow: the real event, the real Lambda, real policies."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local.cloud import LocalCloud
from infra.local.emr.injected_failures import InjectedFailures
from infra.local.watch import follow
from lambdas.cli.submission import manifest_for, upload_manifest
from lambdas.contract.layout import IMAGES

UPLOADS = 20
SPACING_SECONDS = 2.0
"""From one upload to the next: the launcher paces launches, which is not the subject."""
WARM_UP = 3
"""The first uploads start Lambda's workers and are not counted."""
DATASET = "bench"
IMAGES_COUNTED = 100
TIMEOUT_SECONDS = 60.0
INSTANT = InjectedFailures(instant_steps=True, starting_seconds=0.0, bootstrapping_seconds=0.0)
"""Clusters that end as soon as they are there: what comes after the launch is not the subject."""


def upload_to_launch() -> list[float]:
    """Of ``UPLOADS`` uploads, one after the other, to a local cloud of its own."""
    with TemporaryDirectory() as folder, LocalCloud(Path(folder), injected=INSTANT) as cloud:
        return measure(cloud)


def measure(
    cloud: LocalCloud, uploads: int = UPLOADS, spacing_seconds: float = SPACING_SECONDS
) -> list[float]:
    """Seconds from each upload until EMR accepted its cluster; a few uploads to warm up go before.

    Raises:
        RuntimeError: an upload led to no cluster.
        TimeoutError: a run did not end.
    """
    s3 = cloud.client("s3")
    for number in range(IMAGES_COUNTED):
        s3.put_object(Bucket=cloud.bucket, Key=f"{IMAGES}{DATASET}/apple/{number}.jpg", Body=b"")
    return list(_latencies(cloud, WARM_UP + uploads, spacing_seconds))[WARM_UP:]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _latencies(cloud: LocalCloud, uploads: int, spacing_seconds: float) -> Iterator[float]:
    s3, emr = cloud.client("s3"), cloud.client("emr")
    manifest = manifest_for(cloud.bucket, DATASET)
    for _ in range(uploads):
        began = time.time()
        run = upload_manifest(s3, cloud.bucket, DATASET, manifest)
        # To the end of the run, so that its tracker does not compete with the next upload's launcher.
        *_, last = follow(s3, emr, cloud.bucket, run, TIMEOUT_SECONDS)
        if last.status is None or last.status["cluster_id"] is None:
            raise RuntimeError(f"upload {run.key} led to no cluster: {last}")
        described = emr.describe_cluster(ClusterId=last.status["cluster_id"])
        # By EMR's own clock, which is this machine's: how often we look does not count.
        yield described["Cluster"]["Status"]["Timeline"]["CreationDateTime"].timestamp() - began
        time.sleep(max(0.0, began + spacing_seconds - time.time()))
