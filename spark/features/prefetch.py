"""From image references to features, inside one task.

Objects are fetched ahead by threads, so that the store's latency disappears behind the computing. The
task's own thread decodes a batch, then infers it: the task slots keep every core busy, so that decoding in
threads of its own gains nothing, and taking turns image by image costs both their caches (decision 12).
What is held in between is bounded in images and in bytes.
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
from itertools import islice

import numpy as np

from lambdas.contract.report import QuarantineReason
from spark.datasets.index import ImageRef
from spark.datasets.object_store import read_if_below
from spark.datasets.unreadable import ObjectUnreadableError
from spark.images.decoding import MAX_BYTES, Rejected, decode, too_many_bytes
from spark.images.resize import Resize, compiled_bicubic

FETCH_THREADS = 32
"""GETs in flight a task: as many as a batch holds, so that the first is there after one round trip."""
BATCH_IMAGES = 32
"""Images that are decoded, then inferred, in one go: at 224 pixels 5 MB of decoded input."""
AHEAD_IMAGES = 64
"""Images that are fetched before their turn: the next batch is there when one is done."""
AHEAD_BYTES = 128 * 1024 * 1024
"""Encoded bytes fetched before their turn; two files of the largest size."""
UNLISTED_BYTES = AHEAD_BYTES // AHEAD_IMAGES
"""What an image of unknown size counts for, 2 MiB: as much as leaves the whole next batch in flight."""


@dataclass(frozen=True)
class Decoded:
    """An image that awaits the network. ``pixels``: uint8 [size, size, 3]. ``sha256``: of the encoded bytes,
    in hex."""

    pixels: np.ndarray
    sha256: str


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

        def fetched(path: str) -> bytes | Refused:
            with stopwatch.timed("fetch"):
                return fetch(path, stopwatch.retried)

        ahead = _in_order_ahead(images, lambda image: fetchers.submit(fetched, image.path))
        while batch := list(islice(ahead, BATCH_IMAGES)):
            with stopwatch.timed("decode"):
                loaded = [decode_fetched(content, image_size, compiled_bicubic) for content in batch]
            with stopwatch.timed("infer"):
                outcomes += [_inferred(image, extract) for image in loaded]
    return outcomes


def _inferred(image: Decoded | Refused, extract: Callable[[np.ndarray], np.ndarray]) -> Featurized | Refused:
    return image if isinstance(image, Refused) else Featurized(extract(image.pixels), image.sha256)


def fetch(path: str, on_retry: Callable[[], None]) -> bytes | Refused:
    """The encoded image at a URI; raises StepFailedError when the store refuses or does not answer."""
    try:
        answer = read_if_below(path, MAX_BYTES, on_retry)
    except FileNotFoundError:
        return Refused(Rejected(QuarantineReason.MISSING, "no such object when it was fetched"), None)
    except ObjectUnreadableError as error:
        return Refused(Rejected(error.reason, error.detail), None)
    return Refused(too_many_bytes(answer), answer) if isinstance(answer, int) else answer


def decode_fetched(fetched: bytes | Refused, image_size: int, resize: Resize) -> Decoded | Refused:
    """Decode what :func:`fetch` returned."""
    if isinstance(fetched, Refused):
        return fetched
    pixels = decode(fetched, image_size, resize)
    if isinstance(pixels, Rejected):
        return Refused(pixels, len(fetched))
    return Decoded(pixels, hashlib.sha256(fetched).hexdigest())


def _in_order_ahead(
    images: Iterable[ImageRef], start: Callable[[ImageRef], Future[bytes | Refused]]
) -> Iterator[bytes | Refused]:
    """Results in the order of ``images``, with a bounded number of images and bytes started ahead."""
    waiting: deque[tuple[Future[bytes | Refused], int]] = deque()
    held = 0
    try:
        for image in images:
            cost = min(image.size if image.size is not None else UNLISTED_BYTES, MAX_BYTES)
            while waiting and (len(waiting) >= AHEAD_IMAGES or held + cost > AHEAD_BYTES):
                future, freed = waiting.popleft()
                held -= freed
                yield future.result()
            waiting.append((start(image), cost))
            held += cost
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        for future, _ in waiting:
            future.cancel()
