"""What the Lambdas need of the outside world. :mod:`lambdas.aws` implements it; tests have fakes.

A Lambda's use case knows only these protocols, so it runs without AWS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from lambdas.contract.cost.measured import Measured
from lambdas.contract.metrics import Sample
from lambdas.contract.run import RunRecord, Setback
from lambdas.runs.admission import Admissions, Pause


class Objects(Protocol):
    """Objects of the data bucket. Texts are written as UTF-8."""

    def read(self, key: str, version_id: str | None = None, max_bytes: int | None = None) -> bytes | None:
        """The object, or its first ``max_bytes``; None when there is no such object or version."""
        ...

    def write(self, key: str, text: str) -> None:
        """Create or replace."""
        ...

    def refusal(self, key: str) -> str | None:
        """Write an empty object; why that is refused for good, None where it is not."""
        ...

    def create(self, key: str, text: str) -> bool:
        """Create unless it exists; False when it does."""
        ...

    def delete(self, key: str) -> None:
        """Delete; nothing happens when there is none."""
        ...


class BucketMissing(Exception):  # noqa: N818  # a state of the world, not a malfunction
    """There is no bucket of that name."""


class BucketDenied(Exception):  # noqa: N818  # a state of the world, not a malfunction
    """We may not list the bucket. ``region`` is where it is, as far as S3 told."""

    def __init__(self, region: str | None) -> None:
        super().__init__(region)
        self.region = region


class Found(NamedTuple):
    """An object in a listing. ``archived_in``: the class out of which it must be restored first."""

    key: str
    archived_in: str | None = None


class Buckets(Protocol):
    """Any bucket that a manifest may name."""

    def region(self, bucket: str) -> str:
        """Where the bucket is.

        Raises:
            BucketMissing: it does not exist.
            BucketDenied: it may exist, but is closed to us.
        """
        ...

    def pages(self, bucket: str, prefix: str) -> Iterator[tuple[Found, ...]]:
        """The objects below ``prefix`` by key, up to 1,000 at a time, fetched as they are asked for.

        Raises:
            BucketDenied: listing below this prefix is not allowed.
        """
        ...

    def folders(self, bucket: str, prefix: str) -> tuple[str, ...]:
        """The first 1,000 "folders" directly below ``prefix``, each ending with ``/``.

        Raises:
            BucketDenied: listing below this prefix is not allowed.
        """
        ...


@dataclass(frozen=True)
class Newest:
    """The latest heard of a manifest's key; ``sequencer`` as :func:`lambdas.contract.run.ordered`."""

    sequencer: str
    deleted: bool


@dataclass(frozen=True)
class UnreadableRecord:
    """An active run whose record was not understood, for the ``problem`` (a sentence).

    ``salvaged``: what could be read of it, and defaults for the rest. ``seen``: the ledger's mark of what it
    was then.
    """

    problem: str
    salvaged: RunRecord
    seen: Any = None


class Ledger(Protocol):
    """The run records, and what all runs share.

    Every change is a compare-and-swap: it happens once, to what the writer saw, whoever else writes. A
    writer that comes too late changes nothing; it reads and decides again.

    This, and not powertools' idempotency, guards the launch: that utility lets a second execution pass
    once its in-progress time is over, which would cost a second cluster.
    """

    def get(self, run_id: str) -> RunRecord | None:
        """The record as of now (a consistent read).

        Raises:
            UnreadableError: it was not understood.
        """
        ...

    def insert(self, record: RunRecord) -> bool:
        """Insert ``record`` unless the run has one; False when it has."""
        ...

    def swap(self, seen: RunRecord, after: RunRecord) -> RunRecord | None:
        """Replace ``seen`` by ``after`` and return it as written; None when ``seen`` is out of date."""
        ...

    def active(self) -> tuple[RunRecord, ...]:
        """The runs for which there is something to do, as far as their records can be read, oldest first. May
        miss changes of the last second."""
        ...

    def queue(self) -> Iterator[RunRecord]:
        """The queued ones of them, fetched a few at a time as they are asked for."""
        ...

    def unreadable(self) -> tuple[UnreadableRecord, ...]:
        """The others of them."""
        ...

    def set_back(self, record: UnreadableRecord, setback: Setback) -> bool:
        """Note the setback on that record, and leave all else as it is; False if it has changed since."""
        ...

    def salvage(self, record: UnreadableRecord, after: RunRecord) -> bool:
        """Replace that record by one that can be read; False if it has changed since."""
        ...

    def admissions(self) -> Admissions:
        """The shared account of slots, budget and pace (a consistent read)."""
        ...

    def swap_admissions(self, seen: Admissions, after: Admissions) -> bool:
        """Replace it if nobody changed it, or paused launching, since ``seen``. ``paused`` is left as it is:
        only :meth:`pause` and :meth:`resume` change it."""
        ...

    def pause(self, pause: Pause) -> bool:
        """Admit nothing from now on; False when launching is paused already, which is left as it is."""
        ...

    def resume(self) -> Pause | None:
        """Admit again; the pause that this ended, None when there was none."""
        ...

    def measured(self) -> Measured:
        """What the stack's runs have measured, for estimates. May miss changes of the last second."""
        ...

    def swap_measured(self, seen: Measured, after: Measured) -> bool:
        """Replace it if nobody changed it since ``seen``."""
        ...

    def newest(self, key: str) -> Newest | None:
        """The latest that was noted of a manifest's key."""
        ...

    def note(self, key: str, newest: Newest) -> bool:
        """Note it unless something later is noted already; False when it is."""
        ...


class Meter(Protocol):
    """Where measurements go."""

    def emit(self, samples: Iterable[Sample]) -> None:
        """Record each of them once."""
        ...


class Topic(Protocol):
    """Where people are told."""

    def publish(self, subject: str, message: str) -> None:
        """Send one message. ``subject``: ASCII, at most 100 characters."""
        ...
