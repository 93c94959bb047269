"""`python -m tests.bench.upload FOLDER`: `fruits submit` beside `aws s3 cp --recursive`, in turns.

To a local S3. Seconds of wall clock and of the client's CPU; both wait for the server most, a Python.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local.ministack import MiniStack
from infra.local.tls import issue
from lambdas.contract.settings import CommandSettings
from tests.lambdas.deployed import CAPS
from tests.lambdas.world import LEDGER_INDEX

ROUNDS = 3
TABLE = "runs"
DATASET = "bench"
BIN = Path(sys.executable).parent
REGION = "eu-west-1"


class Bench:
    """A local S3 with a new bucket for every upload, as the one before would be in the way of its measure."""

    def __init__(self, ministack: MiniStack, photos: Path, home: str) -> None:
        self._s3 = ministack.client("s3")
        self._photos = str(photos)
        self._shell = {"PATH": os.environ["PATH"], "HOME": home, **ministack.environment}

    def aws(self, bucket: str) -> None:
        target = f"s3://{bucket}/images/{DATASET}/"
        command = ["s3", "cp", "--recursive", "--only-show-errors", self._photos, target]
        self._measured("aws s3 cp", [str(BIN / "aws"), *command], {})

    def fruits(self, bucket: str) -> None:
        settings = CommandSettings(bucket, TABLE, REGION, "https://localhost/q", "fruits-bench", *CAPS)
        command = [str(BIN / "fruits"), "submit", self._photos, "--dataset", DATASET, "--yes"]
        self._measured("fruits submit", command, settings.to_env())

    def in_turns(self) -> None:
        ways: list[Callable[[str], None]] = [self.aws, self.fruits]
        for turn in range(ROUNDS):
            for way in ways if turn % 2 == 0 else reversed(ways):
                bucket = f"bench-{uuid.uuid4().hex[:12]}"
                self._s3.create_bucket(
                    Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
                )
                self._s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
                way(bucket)
                self._empty(bucket)

    def _measured(self, name: str, command: list[str], more: dict[str, str]) -> None:
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env={**self._shell, **more}, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        sys.stdout.write(f"{name:<14} {time.monotonic() - began:6.1f} s, {cpu:5.1f} s of CPU\n")
        sys.stdout.flush()

    def _empty(self, bucket: str) -> None:
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in page.get("Versions", ())]
            self._s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})


def main(photos: Path) -> None:
    """Measure, and print each upload."""
    with TemporaryDirectory() as folder:
        tls = issue(Path(folder) / "tls")
        with MiniStack(tls=tls, folder=Path(folder), region=REGION) as ministack:
            ministack.client("dynamodb").create_table(
                TableName=TABLE,
                KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
                **LEDGER_INDEX,
            )
            Bench(ministack, photos, folder).in_turns()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
