"""From image references to features, inside one task.

Objects are fetched ahead by threads, so that the store's latency disappears behind the computing. The
task's own thread decodes a batch, then infers it: the task slots keep every core busy, so that decoding in
threads of its own gains nothing, and taking turns image by image costs both their caches (decision 12).
What is held in between is bounded in images and in bytes, whatever sizes were listed, or none: no body of
more than was reckoned with is fetched before its turn.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lambdas.contract.report import QuarantineReason
from spark.datasets.index import ImageRef
from spark.datasets.object_store import read_if_below
from spark.datasets.unreadable import ObjectUnreadableError
from spark.images.decoding import Flaw, Rejected, decode, not_computed, out_of_memory, too_many_bytes
from spark.images.limits import MAX_BYTES
from spark.images.resize import Resize, bicubic

FETCH_THREADS = 32
"""GETs in flight a task: as many as a batch holds, so that the first is there after one round trip."""
BATCH_IMAGES = 32
"""Images that are decoded, then inferred, in one go: at 224 pixels 5 MB of decoded input."""
BATCH_BYTES = 32 * 1024 * 1024
"""Encoded bytes that make a batch: it has one file of the largest size more at most."""
AHEAD_IMAGES = 64
"""Images that are fetched before their turn: the next batch is there when one is done."""
AHEAD_BYTES = 128 * 1024 * 1024
"""Encoded bytes fetched before their turn; two files of the largest size."""
UNLISTED_BYTES = 3 * 1024 * 1024
"""What an image of unknown size counts for at first: so little that the whole next batch is in flight. Where
larger ones are met, twice as much as they have, so that most of their kind are fetched ahead, too."""


@dataclass(frozen=True)
class Decoded:
    """An image that awaits the network. ``pixels``: uint8 [size, size, 3]. ``sha256`` (in hex) and ``size``:
    of the encoded bytes."""

    pixels: np.ndarray
    sha256: str
    size: int
    flaw: Flaw | None = None


@dataclass(frozen=True)
class Refused:
    """An image that is quarantined. ``size`` in bytes; null where the object is missing."""

    rejected: Rejected
    size: int | None


@dataclass(frozen=True)
class Featurized:
    """``features``: float32 [1280]. ``sha256``: of the encoded bytes, in hex."""

    features: np.ndarray
    sha256: str
    flaw: Flaw | None = None


class Stopwatch:
    """Busy seconds by phase and retried reads of one task. Its threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seconds: dict[str, float] = defaultdict(float)
        self.retries = 0

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the wall time of the block to ``phase``."""
        began = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[phase] += time.perf_counter() - began

    def retried(self) -> None:
        """Count a read that is tried again."""
        with self._lock:
            self.retries += 1


def featurize_images(
    images: Sequence[ImageRef],
    image_size: int,
    extract: Callable[[np.ndarray], np.ndarray],
    stopwatch: Stopwatch,
) -> list[Featurized | Refused]:
    """Outcomes in the order of ``images``. ``extract`` runs on this thread while others fetch.

    Raises:
        StepFailedError: the store refuses or does not answer. A bad image is Refused instead.
    """
    outcomes: list[Featurized | Refused] = []
    with ThreadPoolExecutor(FETCH_THREADS) as fetchers:

        def fetched(path: str, limit_bytes: int) -> bytes | int | Refused:
            with stopwatch.timed("fetch"):
                return fetch(path, limit_bytes, stopwatch.retried)

        for batch in _batches(Ahead(fetched, fetchers).in_order(images)):
            with stopwatch.timed("decode"):
                loaded = [decode_fetched(content, image_size, bicubic) for content in batch]
            batch.clear()  # while the next one is waited for, it would be one more
            with stopwatch.timed("infer"):
                outcomes += [inferred(image, extract) for image in loaded]
    return outcomes


def _batches(contents: Iterator[bytes | Refused]) -> Iterator[list[bytes | Refused]]:
    """So many as are decoded in one go: :data:`BATCH_IMAGES`, or fewer of those that are large."""
    batch: list[bytes | Refused] = []
    held = 0
    for content in contents:
        batch.append(content)
        held += 0 if isinstance(content, Refused) else len(content)
        del content  # the batch alone holds it
        if len(batch) >= BATCH_IMAGES or held >= BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def inferred(image: Decoded | Refused, extract: Callable[[np.ndarray], np.ndarray]) -> Featurized | Refused:
    """What the network says of an image that was decoded; an error of its costs this image alone."""
    if isinstance(image, Refused):
        return image
    try:
        return Featurized(extract(image.pixels), image.sha256, image.flaw)
    except MemoryError:
        return Refused(out_of_memory(), image.size)
    except Exception as error:  # where it is not this image's alone, the step fails for quarantining too many
        return Refused(not_computed(error), image.size)


def fetch(path: str, limit_bytes: int, on_retry: Callable[[], None]) -> bytes | int | Refused:
    """The encoded image at a URI; only its size when that exceeds ``limit_bytes``; or why there is neither.

    Raises:
        StepFailedError: the store refuses or does not answer.
    """
    try:
        answer = read_if_below(path, limit_bytes, on_retry)
    except FileNotFoundError:
        return Refused(Rejected(QuarantineReason.MISSING, "no such object when it was fetched"), None)
    except ObjectUnreadableError as error:
        return Refused(Rejected(error.reason, error.detail), None)
    except MemoryError:
        return Refused(out_of_memory(), None)
    if isinstance(answer, int) and answer > MAX_BYTES:
        return Refused(too_many_bytes(answer), answer)
    return answer


def decode_fetched(fetched: bytes | Refused, image_size: int, resize: Resize) -> Decoded | Refused:
    """Decode an image that was fetched, unless there is none."""
    if isinstance(fetched, Refused):
        return fetched
    pixels = decode(fetched, image_size, resize)
    if isinstance(pixels, Rejected):
        return Refused(pixels, len(fetched))
    return Decoded(pixels.values, hashlib.sha256(fetched).hexdigest(), len(fetched), pixels.flaw)


class _Waiting(NamedTuple):
    path: str
    content: Future[bytes | int | Refused]
    cost: int


class Ahead:
    """Images that are fetched before their turn, in a bounded number and in bounded bytes."""

    def __init__(
        self, fetched: Callable[[str, int], bytes | int | Refused], fetchers: ThreadPoolExecutor
    ) -> None:
        """``fetched``: content by path, or its size when that exceeds the bytes that are set aside."""
        self._fetched = fetched
        self._fetchers = fetchers
        self._waiting: deque[_Waiting] = deque()
        self._held = 0
        self._unlisted = UNLISTED_BYTES

    def in_order(self, images: Iterable[ImageRef]) -> Iterator[bytes | Refused]:
        """The content of each. One that is larger than was thought is fetched when it is its turn."""
        try:
            for image in images:
                while self._waiting and not self._has_room(image):
                    yield self._next()
                self._start(image)
            while self._waiting:
                yield self._next()
        finally:
            for waiting in self._waiting:
                waiting.content.cancel()

    def _cost(self, image: ImageRef) -> int:
        return min(self._unlisted if image.size is None else image.size, MAX_BYTES)

    def _has_room(self, image: ImageRef) -> bool:
        return len(self._waiting) < AHEAD_IMAGES and self._held + self._cost(image) <= AHEAD_BYTES

    def _start(self, image: ImageRef) -> None:
        cost = self._cost(image)
        self._waiting.append(self._submitted(image.path, cost))
        self._held += cost

    def _submitted(self, path: str, cost: int) -> _Waiting:
        return _Waiting(path, self._fetchers.submit(self._fetched, path, cost), cost)

    def _next(self) -> bytes | Refused:
        first = self._waiting.popleft()
        content = first.content.result()
        self._held -= first.cost
        while isinstance(content, int):
            self._unlisted = max(self._unlisted, 2 * content)
            self._fetch_again()
            content = self._fetched(first.path, content)
        return content

    def _fetch_again(self) -> None:
        """Those of which only the size came, as far as there is room."""
        for place, waiting in enumerate(self._waiting):
            done = waiting.content.done() and not waiting.content.exception()
            size = waiting.content.result() if done else None
            if isinstance(size, int) and self._held - waiting.cost + size <= AHEAD_BYTES:
                self._waiting[place] = self._submitted(waiting.path, size)
                self._held += size - waiting.cost
