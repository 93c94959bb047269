from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambdas.contract.plan import FEATURE_DIM
from spark.datasets.index import ImageRef
from spark.features.prefetch import (
    AHEAD_BYTES,
    BATCH_IMAGES,
    Ahead,
    Featurized,
    Refused,
    Stopwatch,
    featurize_images,
)
from spark.images.limits import MAX_BYTES
from tests.spark.pictures import jpeg
from tests.spark.s3_endpoint import S3Answer, serving

SIZE = 32
SOON_SECONDS = 10.0


class PhotoBucket(ThreadingHTTPServer):
    """An S3 endpoint that has a photo of its own under every number; number 0 takes longest."""

    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self._lock = threading.Lock()
        self.requests = 0

    def count(self) -> None:
        with self._lock:
            self.requests += 1

    def has_seen(self, requests: int) -> bool:
        """Whether there have been so many requests before long."""
        deadline = time.monotonic() + SOON_SECONDS
        while self.requests < requests and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.requests >= requests


class _Answer(S3Answer):
    server: PhotoBucket

    def found(self) -> tuple[bytes, int]:
        number = int(self.path.rpartition("/")[2])
        self.server.count()
        if number == 0:
            time.sleep(0.2)
        return jpeg(number), 200


@pytest.fixture
def bucket() -> Iterator[PhotoBucket]:
    server = PhotoBucket()
    with serving(server):
        yield server


def photos(count: int, size: int | None) -> list[ImageRef]:
    return [ImageRef(f"s3://photos/{number}", size) for number in range(count)]


def featurized(
    images: list[ImageRef], first_extract: Callable[[], None] = lambda: None
) -> list[Featurized | Refused]:
    """The outcomes of a network that computes nothing; ``first_extract`` runs before its first answer."""
    called: list[None] = []

    def extract(pixels: np.ndarray) -> np.ndarray:
        if not called:
            first_extract()
        called.append(None)
        return np.full(FEATURE_DIM, pixels.mean(), np.float32)

    return featurize_images(images, SIZE, extract, Stopwatch())


@pytest.mark.usefixtures("bucket")
def test_outcomes_come_in_the_order_of_the_images_whichever_arrives_first() -> None:
    outcomes = featurized(photos(40, size=1000))
    hashes = [outcome.sha256 for outcome in outcomes if isinstance(outcome, Featurized)]
    assert hashes == [hashlib.sha256(jpeg(number)).hexdigest() for number in range(40)]


@pytest.mark.parametrize("size", [5_000, None])
def test_the_whole_next_batch_is_fetched_while_one_is_inferred(size: int | None, bucket: PhotoBucket) -> None:
    seen: list[bool] = []
    featurized(photos(3 * BATCH_IMAGES, size), lambda: seen.append(bucket.has_seen(2 * BATCH_IMAGES)))
    assert seen == [True]


class Shelf:
    """A store of objects of given sizes, which counts what it has given away and nobody has got."""

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes
        self._lock = threading.Lock()
        self.outstanding = 0
        self.most = 0

    def fetched(self, path: str, limit_bytes: int) -> bytes | int:
        size = self._sizes[int(path)]
        if size > limit_bytes:
            return size
        with self._lock:
            self.outstanding += size
            self.most = max(self.most, self.outstanding)
        return path.encode()

    def got(self, path: bytes | Refused) -> int:
        assert isinstance(path, bytes)
        with self._lock:
            self.outstanding -= self._sizes[int(path)]
        return int(path)


SIZES = st.one_of(st.integers(0, MAX_BYTES), st.sampled_from((1000, 3_500_000, 5_000_000, MAX_BYTES)))


@settings(max_examples=60)
@example(sizes=[59 * 2**20] * 100, listed=None)
@example(sizes=[1000] * 50 + [MAX_BYTES] * 50, listed=1000)
@given(sizes=st.lists(SIZES, max_size=150), listed=st.sampled_from((None, "right", 0, 1000)))
def test_bytes_held_ahead_are_bounded_whatever_sizes_were_listed(
    sizes: list[int], listed: int | str | None
) -> None:
    shelf = Shelf(sizes)
    known = [size if listed == "right" else listed for size in sizes]
    images = [ImageRef(str(n), size) for n, size in enumerate(known) if not isinstance(size, str)]
    with ThreadPoolExecutor(8) as pool:
        order = [shelf.got(content) for content in Ahead(shelf.fetched, pool).in_order(images)]
    assert order == list(range(len(sizes)))
    assert shelf.outstanding == 0
    assert shelf.most <= AHEAD_BYTES + MAX_BYTES


def test_photos_that_are_larger_than_was_thought_are_fetched_ahead_all_the_same() -> None:
    shelf = Shelf([5_000_000] * 100)
    seen: list[int] = []
    with ThreadPoolExecutor(8) as pool:
        for content in Ahead(shelf.fetched, pool).in_order([ImageRef(str(n)) for n in range(100)]):
            time.sleep(0.002)
            seen.append(shelf.outstanding)
            shelf.got(content)
    assert max(seen[30:60]) >= 5 * 5_000_000


def test_of_huge_files_no_more_are_fetched_ahead_than_memory_is_meant_for(bucket: PhotoBucket) -> None:
    ahead = AHEAD_BYTES // MAX_BYTES
    seen: list[int] = []
    featurized(photos(2 * BATCH_IMAGES, MAX_BYTES), lambda: seen.append(bucket.requests))
    assert seen[0] <= BATCH_IMAGES + ahead
