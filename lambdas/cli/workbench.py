"""``fruits workbench``: where an open workbench is, and its password."""

from __future__ import annotations

import dataclasses

from botocore.exceptions import ClientError

from lambdas.aws.errors import error_code
from lambdas.cli import forecast, workbench_views
from lambdas.cli.commands import RUNS_COMPARED
from lambdas.cli.explain import DENIED
from lambdas.cli.result import CommandError, ExitCode, Result
from lambdas.cli.stack import Stack
from lambdas.contract.layout import notebooks_of
from lambdas.contract.manifest.faults import nearest
from lambdas.contract.run import NOT_LAUNCHED, RunRecord, RunState, is_workbench
from lambdas.contract.settings import secrets_of
from lambdas.contract.workbench import USER, certificate_sha256


def opened(stack: Stack, name: str) -> Result:
    """Where the workbench is, by what certificate it is known, until when it is open, what it has cost.

    Raises:
        CommandError: there is none of that name, or none any more.
    """
    record = _living(stack, name)
    status = dataclasses.asdict(stack.runs.status(record, stack.runs.documents(record)))
    # A workbench whose plan cannot be read has no address, and EMR still runs it.
    place = status["workbench"] or {"address": None, "ends_at": None, "idle_minutes": record.idle_minutes}
    is_open = record.state is RunState.RUNNING and record.stopping is None
    written = stack.runs.objects.read(record.layout.activity) if is_open else None
    now = stack.runs.now()
    cost = forecast.eur_so_far(status, now)
    document = {
        "name": record.dataset,
        "run_id": record.run_id,
        "state": record.state,
        "is_open": is_open,
        "address": place["address"],
        "user": USER,
        "certificate_sha256": certificate_sha256(written),
        "ends_at": place["ends_at"],
        "idle_minutes": place["idle_minutes"],
        "eur_so_far": None if cost is None else round(cost, 2),
        "notebooks": f"s3://{record.manifest_bucket}/{notebooks_of(record.dataset)}",
    }
    if is_open:
        return Result(document, workbench_views.opened(document))
    why = record.message if record.stopping is not None else status["waits_for"]
    text = workbench_views.closed(document, forecast.seconds_in_state(status, now), record.stopping, why)
    return Result(document, text, ExitCode.NO)


def password(stack: Stack, name: str) -> Result:
    """The password of the workbench's one account, for those whom IAM lets read it.

    Raises:
        CommandError: there is no such workbench, it has no password yet, or IAM does not let them.
    """
    record = _living(stack, name)
    secrets = secrets_of(stack.settings.prefix)
    try:
        found = stack.secret(f"{secrets}{record.run_id}")
    except ClientError as error:
        if error_code(error) not in DENIED:
            raise
        raise CommandError(
            ExitCode.UNAVAILABLE,
            f"your AWS credentials may not read the password of {record.dataset}: that takes "
            f"secretsmanager:GetSecretValue on the secrets {secrets}*, and kms:Decrypt with the control key "
            f"({error}). docs/operations.md lists what each command needs.",
        ) from error
    if found is None:
        when = "it gets one when it is launched" if record.state in NOT_LAUNCHED else "it is ending"
        problem = f"{record.dataset} is {record.state} and has no password: {when}"
        raise CommandError(ExitCode.NO, f"{problem}. `fruits workbench open {record.dataset}` says more.")
    return Result({"run_id": record.run_id, "user": USER, "password": found}, found)


def _living(stack: Stack, name: str) -> RunRecord:
    """The workbench of that name that is open, or will be. ``name``: its run's id does, too."""
    living = [one for one in stack.ledger.active() if is_workbench(one.run_id) and not one.closed]
    # Two can wait, of which one will be refused: the one that has a cluster goes before, then the older one.
    living.sort(key=lambda one: (one.state in NOT_LAUNCHED, one.accepted_at))
    if found := next((one for one in living if name in (one.dataset, one.run_id)), None):
        return found
    past = [one for one in stack.ledger.recent(RUNS_COMPARED) if is_workbench(one.run_id)]
    if last := next((one for one in past if name in (one.dataset, one.run_id)), None):
        raise CommandError(
            ExitCode.NO,
            f"{last.dataset} is not open: its last workbench, {last.run_id}, is {last.state}"
            f"{f' ({last.message})' if last.message else ''}. `fruits submit` of its manifest opens another "
            "one, which finds the notebooks again.",
        )
    meant = nearest(name, [one.dataset for one in (*living, *past)])
    hint = f"Did you mean {meant}?" if meant else "`fruits runs` lists the newest."
    raise CommandError(ExitCode.UNKNOWN_RUN, f"there is no workbench {name!r}. {hint}")
