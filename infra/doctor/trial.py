"""`fruits doctor --run`: a small data set through the whole system, as a user would send it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from infra.doctor.finding import Finding, fault, ok
from infra.local.sample_images import BROKEN_FILES, write_sample_images
from infra.local.submit import upload_photos
from lambdas.aws.objects import S3Objects
from lambdas.cli.submission import Submitted, manifest_for, upload_manifest
from lambdas.contract.layout import RunLayout, rejection_key
from lambdas.contract.run import RunRecord, RunState, is_terminal

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from infra.doctor.stack import StackReader

DATASET = "doctor"
"""Also the manifest's name. What a trial leaves lies below prefixes with this name, as with any data set."""
RUNTIME_MINUTES = 30
"""What its manifest allows; on EMR it takes a cluster's start and a minute or two."""
POLL_SECONDS = 2.0
UNHEARD_SECONDS = 180.0
"""After so long without a trace, nobody has heard of the upload: a launcher takes seconds."""
GIVE_UP_SECONDS = 3600.0
"""Launch, run time, end, and a pass of the reconciler; more only where runs have to wait."""


@dataclass(frozen=True)
class Seen:
    """What there is of the run now. ``rejection`` and ``status`` are the documents of that name."""

    record: RunRecord | None
    rejection: Mapping[str, Any] | None
    status: Mapping[str, Any] | None

    @property
    def state(self) -> str:
        return self.record.state.value if self.record else "not heard of yet"

    @property
    def is_over(self) -> bool:
        """Refused; or ended, with all that follows from that."""
        return self.rejection is not None or (self.record is not None and self.record.closed)


def submit(s3: S3Client, bucket: str, seed: int) -> tuple[Submitted, int]:
    """Upload pictures, of which some are broken, and a manifest; returns the run and how many they are.

    Another ``seed`` draws others: pictures that an earlier run has seen would not be computed again.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        count = write_sample_images(folder, seed)
        upload_photos(s3, bucket, DATASET, folder)
    manifest = manifest_for(bucket, DATASET, limits={"max_runtime_minutes": RUNTIME_MINUTES})
    return upload_manifest(s3, bucket, DATASET, manifest), count


def look(reader: StackReader, run: Submitted) -> Seen:
    """By the ledger, and by the objects that a user sees."""
    objects = S3Objects(reader.client("s3"), reader.settings.data_bucket)
    record = reader.ledger.get(run.run_id)
    refused = None if record else _document(objects.read(rejection_key(run.key)))
    if refused and refused["manifest"]["version_id"] != run.version_id:
        refused = None
    ended = record is not None and is_terminal(record.state)
    status = _document(objects.read(RunLayout(run.dataset, run.run_id).status)) if ended else None
    return Seen(record, refused, status)


def wait(
    look_now: Callable[[], Seen],
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Seen, float]:
    """Look until the run is over, or until it is no use to wait any longer; returns the last look, and the
    seconds it took. ``say`` gets each new state."""
    began, said = clock(), ""
    while True:
        seen, waited = look_now(), clock() - began
        if seen.state != said:
            said = seen.state
            say(said)
        patience = GIVE_UP_SECONDS if seen.record else UNHEARD_SECONDS
        if seen.is_over or waited > patience:
            return seen, waited
        sleep(POLL_SECONDS)


def outcome(run: Submitted, images: int, seen: Seen, seconds: float) -> list[Finding]:
    """What the trial has shown."""
    if seen.rejection is not None:
        first = seen.rejection["faults"][0]
        return [fault(f"the manifest was refused: {first['path']} {first['problem']}", first["remedy"])]
    if seen.record is None:
        return [
            fault(
                f"nobody has heard of the uploaded manifest for {seconds:.0f} s",
                "look at the launcher's log, and at uploads and failure queue above",
            )
        ]
    if not is_terminal(seen.record.state):
        text = f"run {run.run_id} is {seen.record.state} after {seconds / 60:.0f} minutes"
        return [fault(text, f"`fruits status {run.run_id} --watch` says what it waits for")]
    status = seen.status or {}
    if seen.record.state is not RunState.COMPLETED:
        why, remedy = status.get("message") or seen.record.message, status.get("remedy") or seen.record.remedy
        text = f"run {run.run_id} is {seen.record.state}: {why or 'no reason was recorded'}"
        return [fault(text, remedy or f"`fruits status {run.run_id}`, and the log folder that it names")]
    counts = tuple(status.get(f"images_{kind}") for kind in ("in", "featurized", "quarantined"))
    if counts != (images, images - BROKEN_FILES, BROKEN_FILES):
        text = (
            f"run {run.run_id} COMPLETED with {counts[0]} images, {counts[1]} featurized and {counts[2]} in "
            f"quarantine, and not {images}, {images - BROKEN_FILES} and {BROKEN_FILES}"
        )
        return [fault(text, f"`fruits status {run.run_id}`, and the quarantine table that it names")]
    cost = "" if seen.record.actual_eur is None else f", {seen.record.actual_eur:.2f} EUR by list prices"
    return [
        ok(
            f"run {run.run_id} COMPLETED in {seconds:.0f} s: {counts[1]} images featurized, "
            f"{counts[2]} broken ones in quarantine{cost}"
        )
    ]


def _document(body: bytes | None) -> dict[str, Any] | None:
    return json.loads(body) if body else None
