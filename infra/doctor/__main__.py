"""`python -m infra.doctor`, which `fruits doctor` starts. Exit codes are in docs/operations.md."""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from infra.doctor import checks, endpoints, views
from infra.doctor.account import ALWAYS_ON
from infra.doctor.checks import Checkout
from infra.doctor.examination import Check, Client, Gate, Line, examine, examine_behind
from infra.doctor.finding import ExitCode, exit_code
from infra.doctor.stack import StackReader
from infra.doctor.workplace import Pulumi, read_pulumi
from infra.program import BUILD, REPOSITORY
from lambdas.aws.ledger import DynamoLedger
from lambdas.cli import output
from lambdas.contract.settings import CommandSettings, SettingsError

INTERRUPTED = 130
"""Exit code after ctrl-C, by the shells' convention."""
UNKNOWN_STACK = """\
the stack was not looked at: this shell does not know it; {missing} missing.
On AWS:  eval "$(pulumi stack output shell)"
In the local cloud (make local):  source .local/cloud/env.sh"""
PATIENCE = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Look at everything and say how it is; returns the process's exit code."""
    return output.guarded(lambda: _main(arguments, environ))


def _main(arguments: Sequence[str] | None, environ: Mapping[str, str]) -> int:
    parser = argparse.ArgumentParser(prog="fruits doctor", description="Will it work, and does it?")
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    parser.add_argument("--run", action="store_true", help="also send a small data set through the stack")
    options = parser.parse_args(arguments)
    settings: CommandSettings | None = None
    unknown_stack: str | None = None
    try:
        settings = CommandSettings.from_env(environ)
    except SettingsError as error:
        unknown_stack = UNKNOWN_STACK.format(missing=", ".join(error.missing))
    if unknown_stack and options.run:
        output.complain(unknown_stack)
        return ExitCode.USAGE
    say = (lambda _: None) if options.json else output.write
    try:
        checkout = Checkout(REPOSITORY, BUILD, read_pulumi(REPOSITORY, environ))
        region = _region(settings, checkout.pulumi, environ)
        client = _clients(region[0] or ALWAYS_ON, environ)
        others = checks.of_account(checkout, region[0] or ALWAYS_ON, client, is_deployed=settings is not None)
        if settings:
            reader = _reader(settings, client, environ)
            others += checks.of_stack(reader, checkout)
            others += [checks.trial_run(reader, say)] if options.run else []
        machine = checks.of_machine(checkout, settings.prefix if settings else None)
        gates = checks.gates(region, _clients(ALWAYS_ON, environ))
        return _report(machine, gates, others, unknown_stack, as_json=options.json)
    except KeyboardInterrupt:
        return INTERRUPTED


def _report(
    machine: Sequence[Check],
    gates: Sequence[Gate],
    others: Sequence[Check],
    unknown_stack: str | None,
    *,
    as_json: bool,
) -> ExitCode:
    """Carry the checks out and print each line as it comes, or all as one document."""
    width = max(len(check.name) for check in (*machine, *(gate.check for gate in gates), *others))
    lines: Iterable[Line] = itertools.chain(
        itertools.chain.from_iterable(map(examine, machine)), examine_behind(gates, others)
    )
    said: list[Line] = []
    if as_json:
        said += lines
        output.write(json.dumps(views.document(said, unknown_stack), indent=2))
    else:
        part = ""
        for line in lines:
            output.write(views.text(line, width, is_first=line.check.part != part))
            part = line.check.part
            said.append(line)
        for text in filter(None, (unknown_stack, views.summary(said))):
            output.write(f"\n{text}")
    return exit_code(line.finding for line in said)


def _region(
    settings: CommandSettings | None, cli: Pulumi, environ: Mapping[str, str]
) -> tuple[str | None, str]:
    """Where the stack is or will be, and what says so."""
    if settings:
        return settings.region, "the deployed stack"
    if configured := (cli.settings or {}).get("aws:region"):
        return configured, "the selected Pulumi stack"
    given = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    try:
        return given or boto3.Session().region_name, "the AWS settings of this shell"
    except BotoCoreError:
        return None, ""


def _clients(region: str, environ: Mapping[str, str]) -> Client:
    """Each is made when it is used: bad AWS settings are then said where they matter."""
    # Not boto3's default session, which keeps the credentials of whoever asked first.
    session = functools.cache(lambda: boto3.Session(region_name=region))

    def make(service: str) -> object:
        with endpoints.named_in(environ):
            client = session().client(service, config=PATIENCE)  # type: ignore[call-overload]  # no literal name
            endpoints.check_port(client.meta.endpoint_url)
            return client

    return functools.cache(make)


def _reader(settings: CommandSettings, client: Client, environ: Mapping[str, str]) -> StackReader:
    def new_ledger() -> DynamoLedger:
        with endpoints.named_in(environ):
            dynamodb = boto3.Session(region_name=settings.region).resource("dynamodb", config=PATIENCE)
            endpoints.check_port(dynamodb.meta.client.meta.endpoint_url)
        return DynamoLedger(dynamodb.Table(settings.ledger_table))

    return StackReader(client, settings, new_ledger)


if __name__ == "__main__":
    sys.exit(main())
