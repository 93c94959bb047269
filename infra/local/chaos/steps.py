"""What the steps of a load test's clusters do instead of running."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lambdas.contract import s3uri
from lambdas.contract.layout import RUNS, RunLayout
from lambdas.contract.report import StepReport

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class InstantSteps:
    """Leaves the report of success that a real step would leave, and half of one for runs that are
    ``spoiled``. Needs its client before the first."""

    s3: S3Client

    def __init__(self) -> None:
        self.spoiled: set[str] = set()

    def __call__(self, arguments: Sequence[str]) -> None:
        *_, step, _, plan = arguments
        bucket, key = s3uri.split(plan)
        identity = key.removeprefix(RUNS).split("/")[0]
        report = StepReport(
            step=step,
            run_id=identity,
            succeeded=True,
            engine="fast",
            weights="none",
            weights_sha256="",
            model_sha256="",
            seconds={"total": 0.0},
        )
        target = RunLayout("", identity).step_report(step)
        body = report.to_json().encode()
        half = body[: len(body) // 2]
        self.s3.put_object(Bucket=bucket, Key=target, Body=half if identity in self.spoiled else body)
