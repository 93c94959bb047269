"""A stack as it is deployed, for the tests of the commands for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from lambdas.aws.ledger import DynamoLedger
from lambdas.aws.objects import S3Objects
from lambdas.cli.main import main
from lambdas.contract.layout import RunLayout
from lambdas.contract.report import Progress
from lambdas.contract.run import Ending, RunRecord, RunState, cluster_name, ended, moved
from lambdas.contract.status import QueuePlace, compose_status, timestamp

RUN = "fruits-0123456789ab"
CAPS = ("emr-7.12.0", "20", "1000", "0.5")
"""The release and the caps, as the launcher has them."""


@dataclass(frozen=True)
class Deployed:
    """A stack as it is deployed, its environment, and what a command said."""

    s3: Any
    emr: Any
    bucket: str
    ledger: DynamoLedger
    objects: S3Objects
    environment: dict[str, str]
    instance_profile: str
    captured: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self.captured.readouterr()
        code = main(arguments, self.environment)
        return code, *self.captured.readouterr()

    def json(self, *arguments: str) -> tuple[int, Any]:
        code, out, _ = self.run(*arguments, "--json")
        return code, json.loads(out)

    def records(self, state: RunState, run_id: str = RUN, **known: Any) -> RunRecord:
        """A run of that state in the ledger."""
        record = RunRecord(
            run_id=run_id,
            state=state,
            manifest_bucket=self.bucket,
            manifest_key="manifests/a.json",
            manifest_version_id="v1",
            sequencer="00",
            worst_case_eur=1.5,
            stop_when_deleted=False,
            **{"dataset": "fruits", "max_runtime_minutes": 120, "accepted_at": 1.8e9, **known},
        )
        assert self.ledger.insert(record)
        return record

    def moves(self, record: RunRecord, state: RunState, ending: Ending | None = None) -> RunRecord:
        """The run enters that state."""
        after = ended(record, state, ending, 1.9e9) if ending else moved(record, state, 1.9e9)
        assert self.ledger.swap(record, after)
        return after

    def has_status(self, record: RunRecord, place: QueuePlace | None = None) -> None:
        status = compose_status(record, None, (), timestamp(0), place)
        self.objects.write(RunLayout("fruits", record.run_id).status, status.to_json())

    def has_progress(self) -> None:
        """The running step has 60 of 122 images, at 55.1 images a second."""
        progress = Progress(RUN, "featurize", "infer", 60, 122, 1, 55.1, 2.0)
        self.objects.write(RunLayout("fruits", RUN).progress, progress.to_json())

    def has_cluster(self) -> str:
        request = {"Instances": {"TerminationProtected": True}, "JobFlowRole": self.instance_profile}
        cluster_id: str = self.emr.run_job_flow(Name=cluster_name(RUN), **request)["JobFlowId"]
        return cluster_id

    def cluster_state(self, cluster_id: str) -> str:
        state: str = self.emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"]
        return state
