"""A deployed stack, on AWS or in the local cloud: the usual ``AWS_*`` variables decide which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lambdas.aws.buckets import S3Buckets
from lambdas.aws.clusters import EmrClusters
from lambdas.aws.composition import Composition
from lambdas.aws.failure_queue import SqsFailures
from lambdas.aws.ledger import DynamoLedger
from lambdas.aws.uploads import S3Uploads
from lambdas.cli.result import CommandError, ExitCode
from lambdas.cli.upload import THREADS
from lambdas.contract.settings import CommandSettings, SettingsError
from lambdas.runs.run_service import RunService


@dataclass(frozen=True)
class Stack:
    """The stack's parts that the commands use. Those that are called are made then; few need them."""

    settings: CommandSettings
    runs: RunService
    buckets: S3Buckets
    ledger: DynamoLedger
    clusters: EmrClusters
    failures: Callable[[], SqsFailures]
    uploads: Callable[[], S3Uploads]
    """What sends files to the data bucket."""
    secret: Callable[[str], str | None]
    """The text of the secret of that name; None where there is none."""
    caller: Callable[[], str]
    """ARN of whoever uses the commands. Needs no permission. Source: API reference of GetCallerIdentity."""


def connect(environ: Mapping[str, str]) -> Stack:
    """The stack that the environment names. Nothing is asked of AWS yet.

    Raises:
        CommandError: the environment names none.
    """
    try:
        settings = CommandSettings.from_env(environ)
    except SettingsError as error:
        raise CommandError(
            ExitCode.USAGE,
            f"this shell does not know the stack: {', '.join(error.missing)} missing.\n"
            'On AWS:  eval "$(pulumi stack output shell)"\n'
            "In the local cloud (make local):  source .local/cloud/env.sh\n"
            "In that of make workbench:  source .local/workbench/cloud/env.sh",
        ) from error
    parts = Composition(
        data_bucket=settings.data_bucket, ledger_table=settings.ledger_table, region=settings.region
    )
    return Stack(
        settings=settings,
        runs=parts.runs,
        buckets=parts.buckets,
        ledger=parts.ledger,
        clusters=parts.clusters,
        failures=lambda: parts.failures(settings),
        uploads=lambda: parts.uploads(settings.data_bucket, THREADS),
        secret=parts.secret,
        caller=parts.caller,
    )
