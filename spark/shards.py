"""One shard of images: fetched ahead, decoded, featurized, written as two objects. Runs in a Spark task.

The same encoding and the same accounting serve both engines.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lambdas.contract.layout import part_name
from lambdas.contract.plan import FEATURE_DIM, Plan
from lambdas.contract.report import QuarantineReason
from spark.dataset import Part, Provenance, encode_parquet, write_part
from spark.images import MAX_BYTES, Rejected, decode, too_many_bytes
from spark.index import ImageRef
from spark.labels import labeller
from spark.storage import Store, open_store, read_if_below

FETCH_THREADS = 16
"""GETs in flight a task. At 30 ms each they bring 500 images/s, several times what one core featurizes."""
DECODE_THREADS = 2
"""Pictures being decoded a task; each may take 0.5 GB at the pixel limit, so they are few."""
AHEAD_IMAGES = 48
"""Images that are fetched or decoded before their turn: at 224 pixels 29 MB of decoded input."""
AHEAD_BYTES = 128 * 1024 * 1024
"""Encoded bytes held at once; two files of the largest size."""
UNLISTED_BYTES = 4 * 1024 * 1024
"""What an image of unknown size counts for: a large photo."""

FEATURES_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("features", pa.list_(pa.float32())),
        ("content_sha256", pa.string()),
    ]
)
QUARANTINE_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("size_bytes", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Decoded:
    """An image that awaits the network. ``sha256``: of the encoded bytes, in hex."""

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


@dataclass(frozen=True)
class ShardResult:
    """What a task reports of its shard: small, because it travels to the driver."""

    images: int
    features: Part
    quarantine: Part
    reasons: dict[str, int]

    @property
    def balanced(self) -> bool:
        """Nothing was lost: every image has features or a reason."""
        return (
            self.images == self.features.rows + self.quarantine.rows
            and sum(self.reasons.values()) == self.quarantine.rows
        )


def featurize_shard(
    plan: Plan,
    provenance: Provenance,
    number: int,
    images: Sequence[ImageRef],
    extract: Callable[[np.ndarray], np.ndarray],
) -> ShardResult:
    """Featurize and write one shard. The inference runs on this thread while others fetch and decode.

    Raises:
        StepFailedError: the store refuses or does not answer. A bad image is a quarantined row instead.
    """
    outcomes: list[Featurized | Refused] = []
    with ThreadPoolExecutor(FETCH_THREADS) as fetchers, ThreadPoolExecutor(DECODE_THREADS) as decoders:

        def start(image: ImageRef) -> Future[Decoded | Refused]:
            fetched = fetchers.submit(fetch, image.path)
            return decoders.submit(lambda: decode_fetched(fetched.result(), plan.image_size))

        for loaded in _in_order_ahead(images, start):
            if isinstance(loaded, Decoded):
                outcomes.append(Featurized(extract(loaded.pixels), loaded.sha256))
            else:
                outcomes.append(loaded)
    return write_shard(open_store(plan.root), plan, provenance, number, [i.path for i in images], outcomes)


def fetch(path: str) -> bytes | Refused:
    """The encoded image at a URI; raises StepFailedError when the store refuses or does not answer."""
    try:
        answer = read_if_below(path, MAX_BYTES)
    except FileNotFoundError:
        return Refused(Rejected(QuarantineReason.MISSING, "no such object when it was fetched"), None)
    return Refused(too_many_bytes(answer), answer) if isinstance(answer, int) else answer


def decode_fetched(fetched: bytes | Refused, image_size: int) -> Decoded | Refused:
    """Decode what :func:`fetch` returned."""
    if isinstance(fetched, Refused):
        return fetched
    pixels = decode(fetched, image_size)
    if isinstance(pixels, Rejected):
        return Refused(pixels, len(fetched))
    return Decoded(pixels, hashlib.sha256(fetched).hexdigest())


def _in_order_ahead(
    images: Iterable[ImageRef], start: Callable[[ImageRef], Future[Any]]
) -> Iterator[Decoded | Refused]:
    """Results in the order of ``images``, with a bounded number of images and bytes started ahead."""
    waiting: deque[tuple[Future[Decoded | Refused], int]] = deque()
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


def write_shard(
    store: Store,
    plan: Plan,
    provenance: Provenance,
    number: int,
    paths: Sequence[str],
    outcomes: Sequence[Featurized | Refused],
) -> ShardResult:
    """Write a shard's two objects. Both always, so that a retry replaces all that an attempt has said."""
    label_of = labeller(plan.label)
    name = part_name(number, "parquet")
    good = [(path, o) for path, o in zip(paths, outcomes, strict=True) if isinstance(o, Featurized)]
    bad = [(path, o) for path, o in zip(paths, outcomes, strict=True) if isinstance(o, Refused)]
    matrix = np.concatenate([o.features for _, o in good]) if good else np.empty(0, np.float32)
    offsets = np.arange(len(good) + 1, dtype=np.int32) * FEATURE_DIM
    features = pa.Table.from_arrays(
        [
            pa.array([path for path, _ in good], pa.string()),
            pa.array([label_of(path) for path, _ in good], pa.string()),
            pa.ListArray.from_arrays(pa.array(offsets), pa.array(matrix)),
            pa.array([o.sha256 for _, o in good], pa.string()),
        ],
        schema=FEATURES_SCHEMA,
    )
    quarantine = pa.Table.from_arrays(
        [
            pa.array([path for path, _ in bad], pa.string()),
            pa.array([label_of(path) for path, _ in bad], pa.string()),
            pa.array([o.rejected.reason.value for _, o in bad], pa.string()),
            pa.array([o.rejected.detail for _, o in bad], pa.string()),
            pa.array([o.size for _, o in bad], pa.int64()),
        ],
        schema=QUARANTINE_SCHEMA,
    )
    return ShardResult(
        images=len(paths),
        quarantine=write_part(
            store, plan.layout.quarantine, name, encode_parquet(quarantine, provenance), len(bad)
        ),
        features=write_part(
            store, plan.layout.features, name, encode_parquet(features, provenance), len(good)
        ),
        reasons=dict(Counter(o.rejected.reason.value for _, o in bad)),
    )
