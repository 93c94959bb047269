"""How long it takes from an upload to an accepted RunJobFlow: the real event, the real Lambda, real policies.

`python -m infra.local.bench_control` measures it in a local cloud of its own and prints one JSON object.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.cloud import LocalCloud
from infra.local.emr.faults import Faults
from infra.local.submit import manifest_for, upload_manifest
from lambdas.contract.layout import IMAGES
from lambdas.contract.run import cluster_name

if TYPE_CHECKING:
    from mypy_boto3_emr import EMRClient

UPLOADS = 40
WARM_UP = 3
"""The first uploads start Lambda's workers and are not counted."""
DATASET = "bench"
IMAGES_COUNTED = 100
TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.05
INSTANT = Faults(instant_steps=True, starting_seconds=0.0, bootstrapping_seconds=0.0)
"""Clusters that end as soon as they are there: what comes after the launch is not the subject."""


def measure(cloud: LocalCloud, uploads: int = UPLOADS) -> dict[str, float]:
    """Upload manifests one after the other, and summarise the seconds until EMR accepted each cluster.

    Raises:
        TimeoutError: an upload led to no cluster, or the cluster did not end.
    """
    s3 = cloud.client("s3")
    for number in range(IMAGES_COUNTED):
        s3.put_object(Bucket=cloud.bucket, Key=f"{IMAGES}{DATASET}/apple/{number}.jpg", Body=b"")
    seconds = list(_latencies(cloud, WARM_UP + uploads))[WARM_UP:]
    return {
        "control.upload_to_launch_p50_seconds": round(statistics.median(seconds), 3),
        "control.upload_to_launch_p95_seconds": round(percentile(seconds, 95), 3),
        "control.upload_to_launch_max_seconds": round(max(seconds), 3),
        "control.upload_to_launch_uploads": len(seconds),
    }


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _latencies(cloud: LocalCloud, uploads: int) -> Iterator[float]:
    s3, emr = cloud.client("s3"), cloud.client("emr")
    manifest = manifest_for(cloud.bucket, DATASET)
    for _ in range(uploads):
        began = time.time()
        run = upload_manifest(s3, cloud.bucket, DATASET, manifest)
        # By EMR's own clock, which is this machine's: how often we look does not count.
        yield _ended(emr, cluster_name(run.run_id))["CreationDateTime"].timestamp() - began


def _ended(emr: EMRClient, name: str) -> Any:
    """The timeline of the cluster of that name, once it has ended and is in nobody's way."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        for cluster in emr.list_clusters()["Clusters"]:
            if cluster["Name"] == name and cluster["Status"]["State"].startswith("TERMINATED"):
                return cluster["Status"]["Timeline"]
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"cluster {name} had not come and gone after {TIMEOUT_SECONDS:.0f} s")


def main() -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, LocalCloud(Path(folder), faults=INSTANT) as cloud:
        sys.stdout.write(json.dumps(measure(cloud), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
