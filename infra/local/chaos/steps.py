"""The steps of a load test, which need no time: they leave what real ones would."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from infra.local.chaos.older_release import report_of_older
from lambdas.contract import s3uri
from lambdas.contract.layout import RUNS, RunLayout
from lambdas.contract.report import StepReport

_FETCHED = ("bash", "-c", "program", "files")
"""What a workbench's step has in front of the arguments of setup.sh."""

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class InstantSteps:
    """Leaves the report of success that a real step would leave, and half of one for runs that are
    ``spoiled``; of a workbench, that it was just used. Needs its client before the first.

    ``older_job``: the key of an older release's job, whose steps leave that release's report.
    """

    s3: S3Client

    def __init__(self, older_job: str) -> None:
        self.spoiled: set[str] = set()
        self._older_job = older_job

    def __call__(self, arguments: Sequence[str]) -> None:
        if arguments[0] == "spark-submit":
            self._report(arguments)
        else:
            self._open_workbench(*arguments[len(_FETCHED) :])

    def _open_workbench(self, _region: str, _login: str, activity: str, *_others: str) -> None:
        bucket, key = s3uri.split(activity)
        told = {"version": 1, "last_active_at": time.time(), "kernels": 0}
        self.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(told).encode())

    def _report(self, arguments: Sequence[str]) -> None:
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
        of_older = f"s3://{bucket}/{self._older_job}" in arguments
        body = (report_of_older(report) if of_older else report.to_json()).encode()
        half = body[: len(body) // 2]
        self.s3.put_object(Bucket=bucket, Key=target, Body=half if identity in self.spoiled else body)
