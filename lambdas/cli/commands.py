"""One function a command. Each answers; none prints or exits."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.failure_queue import FailedEvent
from lambdas.cli import forecast, views
from lambdas.cli.result import CommandError, ExitCode, Result
from lambdas.cli.stack import Stack
from lambdas.contract.layout import notebooks_of
from lambdas.contract.manifest.faults import nearest
from lambdas.contract.report import Progress
from lambdas.contract.run import (
    ON_CLUSTER,
    Ending,
    FailureKind,
    RunRecord,
    RunState,
    is_terminal,
    is_workbench,
)
from lambdas.contract.status import compose_status, timestamp
from lambdas.runs.admission import Pause, Wait
from lambdas.runs.attempts import cluster_of
from lambdas.runs.clocks import CLOCK_SKEW_SECONDS
from lambdas.runs.endings import called_off

POLL_SECONDS = 2.0
RUNS_COMPARED = 500
"""Among so many of the newest runs, the one that was probably meant is looked for."""
WHEN_RESUMED = "the next pass of the reconciler, within five minutes, starts what has queued up"
CANCELLED = Ending(
    "USER_REQUEST",
    "The run was cancelled by request.",
    "Upload the manifest again for a new run.",
    FailureKind.USER,
)


def runs(stack: Stack, limit: int) -> Result:
    """The newest runs, the newest first."""
    records = stack.ledger.recent(limit + 1)
    shown = records[:limit]
    more = len(records) > limit
    paused = stack.ledger.admissions().paused
    return Result(
        [dataclasses.asdict(record) for record in shown],
        "\n".join([views.runs(shown, more=more), *views.measured(stack.ledger.measured())]),
        notice=views.paused(paused) if paused else "",
    )


def status(stack: Stack, run_id: str) -> Result:
    """How a run is."""
    record = record_of(stack, run_id)
    keys = record.layout
    # What the record alone says, and over it the status, which another release may have written.
    known: dict[str, Any] = dataclasses.asdict(compose_status(record, None, (), timestamp(time.time())))
    known |= _readable(_document(stack.runs.objects.read(keys.status)), known)
    queued = known["state"] == RunState.QUEUED
    paused = stack.ledger.admissions().paused if queued else None
    on_cluster = known["state"] in ON_CLUSTER
    reported = stack.runs.objects.read(keys.progress) if on_cluster else None
    progress = Progress.from_json(reported) if reported else None
    code = ExitCode.NO if known["state"] in (RunState.FAILED, RunState.CANCELLED) else ExitCode.OK
    remaining = forecast.remaining_seconds(progress) if progress else None
    document = {
        **known,
        "waits_for": _waits_for(known["waits_for"], paused),
        "paused": _pause_document(paused),
        "progress": dataclasses.asdict(progress) if progress else None,
        "remaining_seconds": remaining,
    }
    now = stack.runs.now()
    text = views.status(document, forecast.seconds_in_state(known, now), forecast.eur_so_far(known, now))
    return Result(document, text, code)


def _readable(written: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Of a status what this release can show. A state that it does not know, and lists that are none, stay as
    the record has them."""
    return {
        name: value
        for name, value in written.items()
        if (name != "state" or value in tuple(RunState))
        and (value is not None or not isinstance(known.get(name), list | tuple))
    }


def watch(
    stack: Stack,
    run_id: str,
    sleep: Callable[[float], None] = time.sleep,
    poll_seconds: float = POLL_SECONDS,
) -> Iterator[Result]:
    """The status, again and again, until the run has ended."""
    while True:
        answer = status(stack, run_id)
        yield answer
        if is_terminal(RunState(answer.document["state"])):
            return
        sleep(poll_seconds)


def cancel(stack: Stack, run_id: str) -> Result:
    """Stop a run wherever it is. Its cluster, if there is one, ends; finished results stay."""
    now = stack.runs.now()
    before, after = stack.runs.change(run_id, lambda seen: called_off(seen, CANCELLED, now))
    if before is None or after is None:
        raise _unknown(stack, run_id)
    if is_terminal(before.state):
        text = f"Run {run_id} has ended already: {before.state}."
        return Result({"run_id": run_id, "state": before.state, "cluster_id": None}, text, ExitCode.NO)
    stack.runs.publish(after)
    cluster_id = after.cluster_id or _unrecorded_cluster(stack, after)
    if cluster_id:
        stack.clusters.terminate(cluster_id)
        text = f"Cluster {cluster_id} is ending; `fruits status {run_id} --watch` shows when it has."
    else:
        text = f"Run {run_id} is cancelled. It had no cluster."
    if is_workbench(run_id):
        text += f"\nIts notebooks stay at s3://{after.manifest_bucket}/{notebooks_of(after.dataset)}."
    return Result({"run_id": run_id, "state": after.state, "cluster_id": cluster_id}, text)


def pause(stack: Stack, reason: str | None) -> Result:
    """Launch nothing from now on; runs that have a cluster go on. Pausing twice changes nothing."""
    wanted = Pause(stack.runs.now(), stack.caller(), " ".join((reason or "").split()) or None)
    while not stack.ledger.pause(wanted):
        if present := stack.ledger.admissions().paused:
            text = (
                f"Launching is paused already, and stays as it was ({present.description}).\n"
                "Ask them before you `fruits resume`: there is one pause for everybody."
            )
            return Result({"paused": _pause_document(present), "changed": False}, text)
    text = (
        "Launching is paused: from now on no run is started.\n"
        "Uploads queue, and runs that have a cluster go on. `fruits resume` ends the pause."
    )
    return Result({"paused": _pause_document(wanted), "changed": True}, text)


def resume(stack: Stack) -> Result:
    """Launch again. Resuming what is not paused changes nothing."""
    was = stack.ledger.resume()
    text = f"The pause is over ({was.description}): {WHEN_RESUMED}." if was else "Launching was not paused."
    return Result({"paused": None, "changed": was is not None, "was": _pause_document(was)}, text)


def _pause_document(pause: Pause | None) -> dict[str, Any] | None:
    if pause is None:
        return None
    since = None if pause.since is None else timestamp(pause.since)
    return {**dataclasses.asdict(pause), "since": since, "description": pause.description}


def _waits_for(told: str | None, pause: Pause | None) -> str | None:
    """``told`` by the run's status, which hears of a pause and of its end in the reconciler's next pass."""
    if pause:
        return Wait.PAUSED
    return f"Launching was resumed: {WHEN_RESUMED}." if told == Wait.PAUSED else told


def _unrecorded_cluster(stack: Stack, record: RunRecord) -> str | None:
    """The cluster that was made before somebody could record it. One that is made later is an orphan to the
    reconciler, which stops it."""
    found = cluster_of(record, stack.clusters.list(record.accepted_at - CLOCK_SKEW_SECONDS))
    return found.cluster_id if found and found.lives else None


def redrive(stack: Stack) -> Result:
    """Give every event that waits in the failure queue back to the function that failed on it.

    An event that fails once more comes back into the queue, and is left there: it came after we began.
    """
    began = time.time()
    given_back, kept, failures = [], [], stack.failures()
    for failed in failures.waiting():
        if failed.sent_at > began:
            continue
        if not isinstance(failed, FailedEvent):
            kept.append({"message_id": failed.message_id, "why": "it is no event that a function failed on"})
            continue
        entry = {"function": failed.function.rpartition("function:")[2], "error": failed.error}
        try:
            failures.give_back(failed)
        except ClientError as error:
            kept.append({**entry, "why": str(error)})
        else:
            given_back.append(entry)
    lines = [
        f"given back to {entry['function']}: it had failed with: {entry['error']}" for entry in given_back
    ]
    lines += [f"kept: {entry.get('function', 'a message')}: {entry['why']}" for entry in kept]
    return Result(
        {"redriven": given_back, "kept": kept},
        "\n".join(lines) or "The failure queue is empty.",
        ExitCode.NO if kept else ExitCode.OK,
    )


def record_of(stack: Stack, run_id: str) -> RunRecord:
    """The run's record.

    Raises:
        CommandError: there is no such run.
    """
    record = stack.ledger.get(run_id)
    if record is None:
        raise _unknown(stack, run_id)
    return record


def _document(body: bytes | None) -> dict[str, Any]:
    """The JSON object; an empty one where there is none, or something else."""
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _unknown(stack: Stack, run_id: str) -> CommandError:
    meant = nearest(run_id, [other.run_id for other in stack.ledger.recent(RUNS_COMPARED)])
    hint = f"Did you mean {meant}?" if meant else "`fruits runs` lists the newest."
    return CommandError(ExitCode.UNKNOWN_RUN, f"there is no run {run_id!r}. {hint}")
