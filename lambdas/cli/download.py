"""`fruits results`: what a run published, on this machine, each object as it was published.

With all of it comes what `fruits report` reads of the run, so that a report can be made without AWS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lambdas.cli import commands, reading, views
from lambdas.cli.dialogue import Advance, Dialogue
from lambdas.cli.named_paths import unusable
from lambdas.cli.result import CommandError, ExitCode, Result
from lambdas.cli.stack import Stack
from lambdas.contract.layout import DATASET_MANIFEST, SUCCESS_MARKER, RunLayout, notebooks_of
from lambdas.contract.object_keys import key_problem
from lambdas.contract.published import Part, PublishedTable
from lambdas.contract.run import RunRecord, RunState, is_terminal, is_workbench
from lambdas.contract.status import sentences
from lambdas.contract.whole_file import write_whole
from lambdas.runs.ports import BucketDenied

THREADS = 8
"""Parts at once; of each, some 5 MB, all is in memory."""


def results(stack: Stack, run_id: str, to: Path, only: str | None, person: Dialogue) -> Result:
    """Fetch what a run published below ``to``, under the keys that it has in the bucket. Parts that are there
    already are not fetched again. ``only``: ``features`` (and quarantine), ``pca`` (and its model), ``csv``;
    None: all of it, and what the run itself left that a report is made of.

    Raises:
        CommandError: there is no such run, or it has no results; or they are not those that were published,
            or cannot be written.
    """
    record = commands.record_of(stack, run_id)
    require_completed(record)
    tables = _tables(stack, record, only)
    parts = [part for table in tables.values() for part in table.parts]
    objects, size = len(parts), sum(part.bytes for part in parts)
    try:
        with person.bar("parts", objects, size) as advance:
            fetched = sum(_fetch_table(stack, prefix, tables[prefix], to, advance) for prefix in tables)
        for key in _unlisted(stack, record.layout, only):
            is_new = _fetch_file(stack, key, to)
            objects, fetched = objects + (is_new is not None), fetched + bool(is_new)
    except OSError as error:
        raise unusable(error.filename or to, "written", error) from error
    folders = [to / prefix for prefix in tables]
    code = reading.lines(folders[0])
    document = {
        "run_id": run_id,
        "folder": str(to),
        "tables": [str(folder) for folder in folders],
        "objects": objects,
        "fetched": fetched,
        "code": code,
    }
    return Result(document, views.results(run_id, str(to), objects, fetched, code))


def require_completed(record: RunRecord) -> None:
    """Check that the run has results, as far as its record tells.

    Raises:
        CommandError: it has none (yet).
    """
    if is_workbench(record.run_id):
        place = f"s3://{record.manifest_bucket}/{notebooks_of(record.dataset)}"
        problem = f"{record.run_id} is a workbench, which publishes nothing; its notebooks are at {place}"
        raise CommandError(ExitCode.NO, problem)
    if record.state is RunState.COMPLETED:
        return
    if not is_terminal(record.state):
        raise CommandError(
            ExitCode.NO,
            f"run {record.run_id} is {record.state}: its results are complete when it has ended; "
            f"`fruits status {record.run_id} --watch` follows it",
        )
    why = sentences(
        f"run {record.run_id} is {record.state} and has no results", record.message, record.remedy
    )
    raise CommandError(ExitCode.NO, why)


def _tables(stack: Stack, record: RunRecord, only: str | None) -> dict[str, PublishedTable]:
    """The published tables that were asked for, by prefix; the one that matters most first."""
    keys = record.layout
    choices = {"features": (keys.features, keys.quarantine), "pca": (keys.pca,), "csv": (keys.csv,)}
    prefixes = choices[only] if only else tuple(prefix for choice in choices.values() for prefix in choice)
    found = {prefix: table for prefix in prefixes if (table := _published(stack, prefix)) is not None}
    if prefixes[0] not in found:
        why = (
            "its manifest wanted no CSV (outputs.csv), or it was deleted"
            if only == "csv"
            else "it was deleted, or is older than the stack keeps data"
        )
        bucket = stack.settings.data_bucket
        raise CommandError(
            ExitCode.NO,
            f"run {record.run_id} is COMPLETED, but there is no {SUCCESS_MARKER} below "
            f"s3://{bucket}/{prefixes[0]}: {why}",
        )
    return found


def _published(stack: Stack, prefix: str) -> PublishedTable | None:
    """What the table consists of; None where it is not complete."""
    if stack.runs.objects.read(prefix + SUCCESS_MARKER) is None:
        return None
    return PublishedTable.from_json(stack.runs.objects.read(prefix + DATASET_MANIFEST) or b"")


def _fetch_table(stack: Stack, prefix: str, table: PublishedTable, to: Path, advance: Advance) -> int:
    """Fetch the parts that are not there, and how many that were; ``_SUCCESS`` comes last, here too."""

    def fetch(part: Part) -> bool:
        was_fetched = _fetch_part(stack, prefix, part, to)
        advance(part.bytes)
        return was_fetched

    with ThreadPoolExecutor(THREADS) as pool:
        fetched = sum(pool.map(fetch, table.parts))
    for name in (DATASET_MANIFEST, SUCCESS_MARKER):
        _fetch_file(stack, prefix + name, to)
    return fetched


def _fetch_part(stack: Stack, prefix: str, part: Part, to: Path) -> bool:
    """Whether it had to be fetched."""
    key = prefix + part.name
    target = to / key
    if target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == part.sha256:
        return False
    body = None if Path(part.name).name != part.name else stack.runs.objects.read(key)
    if body is None or hashlib.sha256(body).hexdigest() != part.sha256:
        raise CommandError(
            ExitCode.NO,
            f"s3://{stack.settings.data_bucket}/{key} is not the object that {DATASET_MANIFEST} lists: "
            "somebody changed, replaced or removed it. Submit the manifest again for a new run",
        )
    write_whole(target, body)
    return True


def _unlisted(stack: Stack, keys: RunLayout, only: str | None) -> Iterator[str]:
    """What no list with hashes names; not all of it need be there: a run of named images has no index."""
    if only in (None, "pca"):
        yield from _below(stack, keys.pca_model)
    if only is None:
        yield from (keys.plan, keys.index, keys.metrics, keys.status)


def _below(stack: Stack, prefix: str) -> Iterator[str]:
    bucket = stack.settings.data_bucket
    try:
        for page in stack.buckets.pages(bucket, prefix):
            yield from (found.key for found in page if not key_problem(found.key))
    except BucketDenied as error:
        raise CommandError(
            ExitCode.UNAVAILABLE,
            f"your AWS credentials may not list s3://{bucket}/{prefix}. docs/operations.md lists what each "
            "command needs",
        ) from error


def _fetch_file(stack: Stack, key: str, to: Path) -> bool | None:
    """Fetch an object of which no hash is kept; whether it is another than was there, None for no object."""
    body, target = stack.runs.objects.read(key), to / key
    if body is None:
        return None
    if target.is_file() and target.read_bytes() == body:
        return False
    write_whole(target, body)
    return True
