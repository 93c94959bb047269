"""The ports in memory. The contract suites hold the first two to the behaviour of the real adapters."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from lambdas.contract.cost.measured import Measured
from lambdas.contract.documents import UnreadableError
from lambdas.contract.metrics import Sample
from lambdas.contract.run import RunRecord, RunState, Setback
from lambdas.runs.admission import Admissions, Pause
from lambdas.runs.ports import BucketDenied, BucketMissing, Found, Newest, UnreadableRecord


class FakeObjects:
    """A versioned bucket that counts ``reads`` by key. ``before_write`` runs in the middle of every write: a
    chance to interfere."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str | None], bytes] = {}
        self.reads: Counter[str] = Counter()
        self.before_write: Callable[[str], None] = lambda key: None
        self.closed: str | None = None
        """Whoever reads or writes below this prefix is refused."""

    def upload(self, key: str, body: bytes, version_id: str) -> None:
        self.versions[key, version_id] = self.versions[key, None] = body

    def text(self, key: str) -> str:
        return self.versions[key, None].decode()

    def names(self) -> set[str]:
        return {key for key, version_id in self.versions if version_id is None}

    def read(self, key: str, version_id: str | None = None, max_bytes: int | None = None) -> bytes | None:
        self.reads[key] += 1
        self._check(key)
        body = self.versions.get((key, version_id))
        return body if body is None else body[:max_bytes]

    def write(self, key: str, text: str) -> None:
        self._check(key)
        self.before_write(key)
        self.versions[key, None] = text.encode()

    def refusal(self, key: str) -> str | None:
        try:
            self.write(key, "")
        except PermissionError as error:
            return str(error)
        return None

    def _check(self, key: str) -> None:
        if self.closed is not None and key.startswith(self.closed):
            raise PermissionError(f"Access Denied: {key}")

    def create(self, key: str, text: str) -> bool:
        if (key, None) in self.versions:
            return False
        self.write(key, text)
        return True

    def delete(self, key: str) -> None:
        self.versions.pop((key, None), None)


class FakeLedger:
    """Dicts under a lock. ``garbled``: why the records of these runs are not understood."""

    def __init__(self) -> None:
        self.records: dict[str, RunRecord] = {}
        self.garbled: dict[str, str] = {}
        self.shared = Admissions()
        self.known = Measured()
        self.keys: dict[str, Newest] = {}
        self._lock = threading.Lock()

    def get(self, run_id: str) -> RunRecord | None:
        assert run_id, "DynamoDB refuses a key that is none"
        if run_id in self.garbled:
            raise UnreadableError(self.garbled[run_id])
        return self.records.get(run_id)

    def insert(self, record: RunRecord) -> bool:
        with self._lock:
            return self.records.setdefault(record.run_id, record) is record

    def swap(self, seen: RunRecord, after: RunRecord) -> RunRecord | None:
        with self._lock:
            present = self.records.get(seen.run_id)
            if present is None or present.revision != seen.revision:
                return None
            self.records[seen.run_id] = written = dataclasses.replace(after, revision=seen.revision + 1)
            return written

    def active(self) -> tuple[RunRecord, ...]:
        with self._lock:
            listed = [
                record
                for record in self.records.values()
                if record.active and record.run_id not in self.garbled
            ]
        return tuple(sorted(listed, key=lambda record: record.accepted_at))

    def queue(self) -> Iterator[RunRecord]:
        return (record for record in self.active() if record.state is RunState.QUEUED)

    def unreadable(self) -> tuple[UnreadableRecord, ...]:
        return tuple(
            UnreadableRecord(why, self.records[run_id], self.records[run_id].revision)
            for run_id, why in self.garbled.items()
            if self.records[run_id].active
        )

    def set_back(self, record: UnreadableRecord, setback: Setback) -> bool:
        present = self.records[record.salvaged.run_id]
        if present.revision != record.seen:
            return False
        self.records[present.run_id] = dataclasses.replace(present, setback=setback)
        return True

    def salvage(self, record: UnreadableRecord, after: RunRecord) -> bool:
        if self.records[after.run_id].revision != record.seen:
            return False
        self.records[after.run_id] = dataclasses.replace(after, revision=after.revision + 1)
        del self.garbled[after.run_id]
        return True

    def admissions(self) -> Admissions:
        return self.shared

    def swap_admissions(self, seen: Admissions, after: Admissions) -> bool:
        with self._lock:
            paused_since = self.shared.paused and not seen.paused
            if self.shared.revision != seen.revision or paused_since:
                return False
            self.shared = dataclasses.replace(after, revision=seen.revision + 1, paused=self.shared.paused)
            return True

    def pause(self, pause: Pause) -> bool:
        with self._lock:
            if self.shared.paused:
                return False
            self.shared = dataclasses.replace(self.shared, paused=pause)
            return True

    def resume(self) -> Pause | None:
        with self._lock:
            ended = self.shared.paused
            self.shared = dataclasses.replace(self.shared, paused=None)
            return ended

    def measured(self) -> Measured:
        return self.known

    def swap_measured(self, seen: Measured, after: Measured) -> bool:
        with self._lock:
            if self.known.revision != seen.revision:
                return False
            self.known = dataclasses.replace(after, revision=seen.revision + 1)
            return True

    def newest(self, key: str) -> Newest | None:
        return self.keys.get(key)

    def note(self, key: str, newest: Newest) -> bool:
        with self._lock:
            if (known := self.keys.get(key)) and known.sequencer > newest.sequencer:
                return False
            self.keys[key] = newest
            return True


class FakeBuckets:
    """``regions`` of the buckets that exist; ``keys`` in them; ``closed`` ones may not be listed.
    ``archived``: the storage class of keys that have to be restored."""

    def __init__(self, regions: Mapping[str, str]) -> None:
        self.regions = dict(regions)
        self.keys: dict[str, list[str]] = {bucket: [] for bucket in regions}
        self.closed: set[str] = set()
        self.archived: dict[str, str] = {}
        self.pages_listed = 0

    def region(self, bucket: str) -> str:
        if bucket in self.closed:
            raise BucketDenied(self.regions.get(bucket))
        if bucket not in self.regions:
            raise BucketMissing
        return self.regions[bucket]

    def pages(self, bucket: str, prefix: str) -> Iterator[tuple[Found, ...]]:
        found = sorted(key for key in self.keys[bucket] if key.startswith(prefix))
        for start in range(0, max(len(found), 1), 1000):
            self.pages_listed += 1
            yield tuple(Found(key, self.archived.get(key)) for key in found[start : start + 1000])

    def folders(self, bucket: str, prefix: str) -> tuple[str, ...]:
        below = (key.removeprefix(prefix) for key in self.keys[bucket] if key.startswith(prefix))
        return tuple(sorted({f"{prefix}{rest.split('/')[0]}/" for rest in below if "/" in rest}))


class FakeDoor:
    """``leads_to``: the addresses behind it; ``passwords``: of which runs there is one, and how many there
    were. ``error`` is raised by whatever would change the door."""

    def __init__(self) -> None:
        self.leads_to: set[str] = set()
        self.passwords: dict[str, int] = {}
        self.error: Exception | None = None
        self.before_open: Callable[[], object] = lambda: None

    def new_password(self, run_id: str) -> str:
        self.passwords[run_id] = self.passwords.get(run_id, 0) + 1
        return f"password {self.passwords[run_id]}"

    def open(self, address: str) -> None:
        self.before_open()
        self._check()
        self.leads_to.add(address)

    def close(self, address: str) -> None:
        self._check()
        self.leads_to.discard(address)

    def forget_password(self, run_id: str) -> None:
        self.passwords.pop(run_id, None)

    def _check(self) -> None:
        if self.error is not None:
            raise self.error


class FakeMeter:
    """Keeps what was measured."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def emit(self, samples: Iterable[Sample]) -> None:
        self.samples += samples


class FakeTopic:
    """Keeps what was published. ``error``: what happens instead."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.error: Exception | None = None
        self.asked = 0

    def publish(self, subject: str, message: str) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        self.messages.append((subject, message))
