"""Follow a run as a user can: by the objects that appear in the bucket and by the cluster's state."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.contract.layout import RunLayout, rejection_key
from lambdas.contract.report import Progress
from lambdas.contract.run import RunState, cluster_name, is_terminal

if TYPE_CHECKING:
    from mypy_boto3_emr import EMRClient
    from mypy_boto3_s3 import S3Client

    from infra.local.submit import Submitted

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Snapshot:
    """What can be known of a run at one moment; ``None`` and empty where there is nothing yet."""

    rejection: dict[str, Any] | None
    status: dict[str, Any] | None
    progress: Progress | None
    cluster_state: str | None
    steps: tuple[tuple[str, str], ...]
    """(name, state) of each step, in order."""

    @property
    def ended(self) -> bool:
        """Nothing more will happen: refused, or ended and the cluster gone."""
        if self.rejection:
            return True
        gone = self.cluster_state is None or self.cluster_state.startswith("TERMINATED")
        return bool(self.status and is_terminal(RunState(self.status["state"])) and gone)


def follow(
    s3: S3Client, emr: EMRClient, bucket: str, run: Submitted, timeout_seconds: float
) -> Iterator[Snapshot]:
    """Yield snapshots until the run has ended, twice a second.

    Raises:
        TimeoutError: it had not ended after ``timeout_seconds``.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        snapshot = look(s3, emr, bucket, run)
        yield snapshot
        if snapshot.ended:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"run {run.run_id} had not ended after {timeout_seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def look(s3: S3Client, emr: EMRClient, bucket: str, run: Submitted) -> Snapshot:
    """One snapshot, now."""
    keys = RunLayout(run.dataset, run.run_id)
    rejection = read_object(s3, bucket, rejection_key(run.key))
    if rejection is not None:
        refused = json.loads(rejection)
        if refused["manifest"]["version_id"] == run.version_id:
            return Snapshot(refused, None, None, None, ())
    status = read_object(s3, bucket, keys.status)
    progress = read_object(s3, bucket, keys.progress)
    cluster_state, steps = _cluster(emr, run.run_id)
    return Snapshot(
        rejection=None,
        status=json.loads(status) if status else None,
        progress=Progress.from_json(progress) if progress else None,
        cluster_state=cluster_state,
        steps=steps,
    )


def read_object(s3: S3Client, bucket: str, key: str) -> bytes | None:
    """The object's bytes; None where there is none."""
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None


def _cluster(emr: EMRClient, run_id: str) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    for page in emr.get_paginator("list_clusters").paginate():
        for cluster in page["Clusters"]:
            if cluster["Name"] == cluster_name(run_id):
                steps = emr.list_steps(ClusterId=cluster["Id"])["Steps"]
                # EMR lists the newest step first.
                return cluster["Status"]["State"], tuple(
                    (s["Name"], s["Status"]["State"]) for s in reversed(steps)
                )
    return None, ()
