"""The composition root: clients, adapters and the use cases on them, from settings.

The functions and the commands for people take their parts from here, and keep them as long as the process
lives. Nothing is made, and nothing is asked of AWS, at import.
"""

from __future__ import annotations

import time
from functools import partial

import boto3

from lambdas.aws.buckets import S3Buckets
from lambdas.aws.clients import PUBLISH_SECONDS, asked_once, client, patient, table
from lambdas.aws.clusters import emr_clusters
from lambdas.aws.door import AwsDoor, secret_text
from lambdas.aws.failure_queue import SqsFailures
from lambdas.aws.ledger import DynamoLedger
from lambdas.aws.objects import S3Objects
from lambdas.aws.topic import SnsTopic
from lambdas.aws.uploads import S3Uploads
from lambdas.contract.settings import CommandSettings, DoorSettings, LauncherSettings, TrackerSettings
from lambdas.runs.dispatch import LAUNCH_CALL_SECONDS, Dispatcher
from lambdas.runs.ports import Meter
from lambdas.runs.run_service import RunService
from lambdas.runs.telling import Teller
from lambdas.runs.tracking import Tracker


class Composition:
    """One process' parts on one stack's bucket and ledger. ``region``: None takes the environment's."""

    def __init__(self, *, data_bucket: str, ledger_table: str, region: str | None = None) -> None:
        self._session = boto3.Session(region_name=region)
        s3 = client(self._session, "s3")
        self.buckets = S3Buckets(s3)
        self.ledger = DynamoLedger(table(self._session, ledger_table))
        self.clusters = emr_clusters(self._session, LAUNCH_CALL_SECONDS)
        self.runs = RunService(S3Objects(s3, data_bucket), self.ledger, time.time)

    def dispatcher(self, settings: LauncherSettings, door: DoorSettings) -> Dispatcher:
        """What launches queued runs."""
        return Dispatcher(settings, self.runs, self.clusters, self._door(door), time.sleep)

    def tracker(self, settings: TrackerSettings, door: DoorSettings, meter: Meter) -> Tracker:
        """What follows clusters, and measures with ``meter``."""
        topic = SnsTopic(asked_once(self._session, "sns", PUBLISH_SECONDS), settings.topic_arn)
        return Tracker(self.runs, self.clusters, Teller(self.runs, self._door(door), topic, meter))

    def _door(self, settings: DoorSettings) -> AwsDoor:
        return AwsDoor(partial(client, self._session), settings)

    def failures(self, settings: CommandSettings) -> SqsFailures:
        """The failure queue, and the way back from it."""
        queue, functions = client(self._session, "sqs"), client(self._session, "lambda")
        return SqsFailures(queue, functions, settings.failure_queue_url)

    def uploads(self, bucket: str, threads: int) -> S3Uploads:
        """What sends files to a bucket, for so many threads."""
        return S3Uploads(patient(self._session, "s3", threads), bucket)

    def secret(self, name: str) -> str | None:
        """The text of the secret of that name; None where there is none."""
        return secret_text(client(self._session, "secretsmanager"), name)

    def caller(self) -> str:
        """The ARN of whoever's credentials these are."""
        return str(client(self._session, "sts").get_caller_identity()["Arn"])
