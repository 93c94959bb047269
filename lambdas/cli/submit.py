"""`fruits submit`: photos and a manifest into the bucket, which is all that it takes to start a run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.aws.uploads import S3Uploads, Stored
from lambdas.cli import commands, manifests, views
from lambdas.cli.dialogue import Dialogue
from lambdas.cli.explain import explain
from lambdas.cli.named_paths import is_folder, require_there, unusable
from lambdas.cli.photo_folder import Photo, PhotoFolder, dataset_name, read_folder
from lambdas.cli.result import CommandError, ExitCode, Result
from lambdas.cli.stack import Stack
from lambdas.cli.submission import Submitted, ask_for_run, manifest_of
from lambdas.cli.upload import Job, jobs, upload
from lambdas.contract import s3uri
from lambdas.contract.documents import dataclass_from_dict, json_object
from lambdas.contract.layout import IMAGES, rejection_key
from lambdas.contract.manifest.faults import Fault, ManifestError
from lambdas.contract.manifest.schema import parse_either, parse_manifest
from lambdas.contract.manifest.workbench import WorkbenchManifest
from lambdas.contract.run import WORKBENCH_PREFIX
from lambdas.runs.ports import Buckets, Found

PAGE = 1000
POLL_SECONDS = 1.0
UNHEARD_SECONDS = 180.0
"""After so long without a trace, nobody has heard of the upload: a launcher takes seconds."""


Submission = Generator[Result, None, Submitted | None]
"""What is to be said on the way; at the end, what was submitted, or None."""


def submit(stack: Stack, source: str, dataset: str | None, person: Dialogue) -> Submission:
    """Say what a run of a folder, or of a manifest (a file's path, or ``-``), would be; then, if the person
    agrees, start it.

    Raises:
        CommandError: something is missing, or it broke off; the message says how to go on.
        KeyboardInterrupt: the same, at ctrl-C.
    """
    if source != "-" and is_folder(Path(source)):
        return (yield from _folder(stack, Path(source), dataset, person))
    if dataset is not None:
        if source != "-":
            require_there(Path(source))
        raise CommandError(
            ExitCode.USAGE,
            f"--dataset goes with a folder of photos, and {source} is none; a manifest names its own",
        )
    return (yield from _manifest(stack, source, person))


def follow(
    stack: Stack,
    run: Submitted,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Result]:
    """The run's status, again and again, until it has ended; or why the launcher refused the manifest.

    Raises:
        CommandError: nobody has heard of the manifest.
    """
    began = clock()
    while stack.ledger.get(run.run_id) is None:
        rejection = json_object(stack.runs.objects.read(rejection_key(run.key)))
        if rejection.get("manifest", {}).get("version_id") == run.version_id:
            yield manifests.refused(tuple(dataclass_from_dict(Fault, fault) for fault in rejection["faults"]))
            return
        if clock() - began > UNHEARD_SECONDS:
            raise CommandError(
                ExitCode.NO,
                f"nobody has heard of the manifest {run.key} for {UNHEARD_SECONDS:.0f} s. It is in the "
                "bucket; `fruits doctor` says whether uploads reach the launcher",
            )
        sleep(POLL_SECONDS)
    yield from commands.watch(stack, run.run_id, sleep)


def _folder(stack: Stack, folder: Path, dataset: str | None, person: Dialogue) -> Submission:
    if dataset is None:
        try:
            proposed = dataset_name(folder)
        except OSError as error:  # the shell's own folder is gone
            raise unusable(folder, "read", error) from error
        raise CommandError(
            ExitCode.USAGE,
            f"a folder needs a name for its data set: --dataset NAME, such as --dataset {proposed}",
        )
    bucket, prefix = stack.settings.data_bucket, f"{IMAGES}{dataset}/"
    manifests.require_stack(stack)
    try:
        found = read_folder(folder, prefix)
    except OSError as error:
        raise unusable(folder, "read", error) from error
    body = json.dumps(manifest_of(found, bucket, dataset), indent=2).encode()
    try:
        manifest = parse_manifest(body)
    except ManifestError as error:
        yield manifests.refused(error.faults)
        return None
    if faults := found.faults():
        yield manifests.refused(faults, found.notes())
        return None
    uploads = stack.uploads()
    stored = uploads.below(prefix)
    wanted = jobs(found.photos, prefix, stored)
    answer = manifests.planned(stack, manifest, _AfterUpload(stack.buckets, bucket, prefix, stored, wanted))
    others = len(stored.keys() - {job.key for job in wanted})
    yield _about(answer, found, wanted, f"{s3uri.SCHEME}{bucket}/{prefix}", others)
    if answer.code:
        return None
    if not person.agrees("Upload the photos and start the run?"):
        yield _declined()
        return None
    sent = _send(uploads, wanted, found.size, person)
    run = ask_for_run(uploads, bucket, dataset, dataset, body)
    yield _started(bucket, run, {"photos_sent": sent, "photos_unchanged": len(wanted) - sent})
    return run


def _manifest(stack: Stack, source: str, person: Dialogue) -> Submission:
    body = manifests.read(source)
    try:
        manifest = parse_either(body)
    except ManifestError as error:
        yield manifests.refused(error.faults)
        return None
    manifests.require_stack(stack)
    if isinstance(manifest, WorkbenchManifest):
        answer, named = (
            manifests.planned_workbench(stack, manifest),
            f"{WORKBENCH_PREFIX}{manifest.workbench.name}",
        )
        what = "Open the workbench?"
    else:
        answer, named = manifests.planned(stack, manifest, stack.buckets), manifest.dataset
        what = "Start the run?"
    yield answer
    if answer.code:
        return None
    if not person.agrees(what):
        yield _declined()
        return None
    bucket = stack.settings.data_bucket
    run = ask_for_run(stack.uploads(), bucket, named, named, body)
    yield _started(bucket, run, {})
    return run


class _AfterUpload:
    """The buckets, with the photos below ``prefix`` as if they were there already."""

    def __init__(
        self,
        buckets: Buckets,
        bucket: str,
        prefix: str,
        stored: Mapping[str, Stored],
        wanted: Sequence[Job],
    ) -> None:
        self._buckets = buckets
        self._place = (bucket, prefix)
        sent = {job.key: None for job in wanted if not job.seems_there}
        there = {key: known.archived_in for key, known in stored.items()}
        self._keys = sorted({**there, **sent}.items())

    def region(self, bucket: str) -> str:
        return self._buckets.region(bucket)

    def folders(self, bucket: str, prefix: str) -> tuple[str, ...]:
        return self._buckets.folders(bucket, prefix)

    def pages(self, bucket: str, prefix: str) -> Iterator[tuple[Found, ...]]:
        if (bucket, prefix) != self._place:
            yield from self._buckets.pages(bucket, prefix)
            return
        for start in range(0, len(self._keys), PAGE):
            yield tuple(Found(*entry) for entry in self._keys[start : start + PAGE])


def _about(plan: Result, found: PhotoFolder, wanted: Sequence[Job], place: str, others: int) -> Result:
    """The plan, with what the upload would be."""
    there = sum(job.seems_there for job in wanted)
    notes = found.notes()
    if others:
        notes += (
            f"{views.count(others, 'object')} below {place} not in {found.folder}: images there are part of "
            "the run, too. Delete them, or take another --dataset, if they should not be.",
        )
    if plan.code:
        return Result(plan.document, "\n".join([plan.text, *notes]), plan.code)
    document = {
        **plan.document,
        "photos": len(wanted),
        "photos_bytes": found.size,
        "photos_seem_there": there,
        "notes": (*plan.document["notes"], *notes),
    }
    lines = [views.upload(len(wanted), found.size, there, place), plan.text]
    return Result(document, "\n".join([*lines, *(f"note     {note}" for note in notes)]))


def _declined() -> Result:
    return Result({"run_id": None}, "Nothing was sent; no run was started.", ExitCode.NO)


@dataclass
class _Counts:
    """Photos so far: dealt with, and sent for it."""

    done: int = 0
    sent: int = 0


def _send(uploads: S3Uploads, wanted: Sequence[Job], size: int, person: Dialogue) -> int:
    """Upload, and count those that had to be sent."""
    so_far = _Counts()

    def how_far() -> str:
        done = f"{so_far.done:,} of {len(wanted):,} photos are in the bucket"
        return f"{done}; the same command goes on from there"

    try:
        with person.bar("photos", len(wanted), size) as shown:

            def tell(photo: Photo, sent: bool) -> None:  # noqa: FBT001  # as it is called
                so_far.done += 1
                so_far.sent += sent
                shown(photo.size)

            upload(uploads, wanted, tell)
    except (ClientError, BotoCoreError) as error:
        raise CommandError(ExitCode.UNAVAILABLE, f"{explain(error)} {how_far()}") from error
    except OSError as error:
        problem = f"{error.filename or 'a photo'} cannot be read: {error.strerror}"
        raise CommandError(ExitCode.USAGE, f"{problem}. {how_far()}") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped: {how_far()}") from None
    return so_far.sent


def _started(bucket: str, run: Submitted, counts: dict[str, int]) -> Result:
    document = {
        "run_id": run.run_id,
        "manifest": f"{s3uri.SCHEME}{bucket}/{run.key}",
        "version_id": run.version_id,
        **counts,
    }
    return Result(document, views.submitted(run.run_id, counts))
