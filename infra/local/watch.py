"""Wait for a run as a user can: by the objects that appear in the bucket, and by its cluster's state."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.contract.layout import RunLayout, rejection_key
from lambdas.contract.run import RunState, is_terminal

if TYPE_CHECKING:
    from mypy_boto3_emr import EMRClient
    from mypy_boto3_s3 import S3Client

    from lambdas.cli.submission import Submitted

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Snapshot:
    """What can be known of a run at one moment; ``None`` where there is nothing yet."""

    rejection: dict[str, Any] | None = None
    status: dict[str, Any] | None = None
    cluster_state: str | None = None

    @property
    def answered(self) -> bool:
        """The launcher has refused the manifest, or accepted the run."""
        return self.rejection is not None or self.status is not None

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
    rejection = read_object(s3, bucket, rejection_key(run.key))
    if rejection is not None:
        refused = json.loads(rejection)
        if refused["manifest"]["version_id"] == run.version_id:
            return Snapshot(rejection=refused)
    written = read_object(s3, bucket, RunLayout(run.dataset, run.run_id).status)
    status = json.loads(written) if written else None
    cluster_id = status["cluster_id"] if status else None
    state = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"] if cluster_id else None
    return Snapshot(status=status, cluster_state=state)


def read_object(s3: S3Client, bucket: str, key: str) -> bytes | None:
    """The object's bytes; None where there is none."""
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
