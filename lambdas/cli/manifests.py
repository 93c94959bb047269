"""What a manifest would become: `fruits validate` and `fruits plan`, which `fruits submit` asks, too."""

from __future__ import annotations

import dataclasses
import sys
from math import ceil
from pathlib import Path
from typing import Any

from lambdas.cli import views, workbench_views
from lambdas.cli.named_paths import unusable
from lambdas.cli.result import CommandError, ExitCode, Result
from lambdas.cli.stack import Stack
from lambdas.contract.cost.estimate import Job, estimate
from lambdas.contract.manifest.faults import Fault, ManifestError
from lambdas.contract.manifest.json_reader import MAX_BYTES
from lambdas.contract.manifest.schema import Manifest, parse_either
from lambdas.contract.manifest.workbench import WorkbenchManifest
from lambdas.contract.run import WORKBENCH_PREFIX
from lambdas.contract.settings import SettingsError
from lambdas.runs.admission import Wait, admit
from lambdas.runs.cluster_choice import budget_of, spec_of
from lambdas.runs.examination import examine
from lambdas.runs.planning import shard_images, slots
from lambdas.runs.ports import BucketDenied, BucketMissing, Buckets
from lambdas.runs.workbench_examination import examine_workbench


def validate(manifest: str) -> Result:
    """Check a manifest (a file's path, or ``-``); nothing is asked of AWS."""
    try:
        parse_either(read(manifest))
    except ManifestError as error:
        return refused(error.faults)
    return Result({"valid": True, "faults": [], "notes": []}, "The manifest is valid.")


def plan(stack: Stack, manifest: str) -> Result:
    """Say what the launcher would, by the code that it uses; nothing is launched."""
    try:
        parsed = parse_either(read(manifest))
    except ManifestError as error:
        return refused(error.faults)
    require_stack(stack)
    if isinstance(parsed, WorkbenchManifest):
        return planned_workbench(stack, parsed)
    return planned(stack, parsed, stack.buckets)


def require_stack(stack: Stack) -> None:
    """Check that the shell knows the stack as it is now.

    Raises:
        CommandError: it does not.
    """
    try:
        _ = stack.settings.caps
    except SettingsError as error:
        raise CommandError(
            ExitCode.USAGE,
            f"this shell does not know what the stack allows ({error}), and evaluate its output `shell`",
        ) from error
    bucket = stack.settings.data_bucket
    try:
        stack.buckets.region(bucket)
    except BucketMissing as error:
        raise CommandError(
            ExitCode.USAGE,
            f"this shell says that the stack's data bucket is {bucket}, and there is none of that name: "
            "evaluate the stack's output `shell` again",
        ) from error
    except BucketDenied as error:
        raise CommandError(
            ExitCode.UNAVAILABLE,
            f"your AWS credentials may not list the stack's data bucket {bucket}: they are of another "
            "account, or lack what docs/operations.md lists for this command",
        ) from error


def planned(stack: Stack, manifest: Manifest, buckets: Buckets) -> Result:
    """What the launcher would say of a manifest, if ``buckets`` were as they are given."""
    measured = stack.ledger.measured()
    found = examine(manifest, stack.settings, buckets, stack.clusters, measured, lambda: False)
    notes = found.notes
    if found.faults:
        return refused(found.faults, notes)
    images, expected, choice = found.listing.images, found.expected, found.choice
    shards = ceil(images / shard_images(images, slots(choice.cluster)))
    waits = admit(
        stack.ledger.admissions(), "", expected.worst_case_eur, stack.runs.now(), stack.settings.caps
    )
    wait = waits if isinstance(waits, Wait) else None
    return Result(
        {
            "images": images,
            "shards": shards,
            **dataclasses.asdict(expected),
            "cluster": dataclasses.asdict(choice.cluster),
            "alternatives": [_alternative(job, manifest) for job in choice.alternatives],
            "waits_for": wait,
            "images_skipped": found.listing.skipped,
            "suffixes_skipped": found.listing.suffixes,
            "notes": notes,
        },
        views.plan(images, shards, expected, choice, manifest.limits.max_runtime_minutes, wait, notes),
    )


def planned_workbench(stack: Stack, manifest: WorkbenchManifest) -> Result:
    """What the launcher would say of a workbench's manifest."""
    found = examine_workbench(manifest, stack.settings, stack.ledger, stack.buckets, stack.clusters)
    if found.faults:
        return refused(found.faults)
    expected, identity = found.expected, f"{WORKBENCH_PREFIX}{manifest.workbench.name}"
    caps = stack.settings.caps
    waits = admit(stack.ledger.admissions(), identity, expected.worst_case_eur, stack.runs.now(), caps)
    wait = waits if isinstance(waits, Wait) else None
    opens = {"dataset": found.dataset, "run": found.run}
    return Result(
        {**dataclasses.asdict(expected), "cluster": dataclasses.asdict(found.cluster), "opens": opens}
        | {"waits_for": wait, "notes": ()},
        workbench_views.plan(manifest.workbench, expected, stack.settings.workbench_address, wait),
    )


def _alternative(job: Job, manifest: Manifest) -> dict[str, Any]:
    expected = dataclasses.asdict(estimate(job, budget_of(manifest)))
    return {**dataclasses.asdict(spec_of(job)), **expected}


def read(path: str) -> bytes:
    """The bytes of a manifest's file, and no more than tell that it is too long; ``-`` is the standard input.

    Raises:
        CommandError: it cannot be read.
    """
    if path == "-" and sys.stdin is None:
        raise CommandError(
            ExitCode.USAGE, "the standard input is closed; name a file, or pipe the manifest in"
        )
    try:
        if path == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise unusable(path, "read", error) from error


def refused(faults: tuple[Fault, ...], notes: tuple[str, ...] = ()) -> Result:
    """The answer where there are faults."""
    document = {"valid": False, "faults": [dataclasses.asdict(fault) for fault in faults], "notes": notes}
    return Result(document, "\n".join([views.faults(faults), *notes]), ExitCode.NO)
