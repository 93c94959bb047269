"""The image index: which images a run has, in which order and in which shard.

Listed once, sorted by URI and streamed to one Parquet object with one row group per shard, so that a
task reads its own rows only, every attempt of a run works on the same images, and the driver never
holds more than a shard of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from lambdas.contract.listing_summary import ListingSummary
from lambdas.contract.object_keys import Kind
from lambdas.contract.plan import Plan, Source
from spark.datasets.arrow_arrays import integers, strings
from spark.datasets.listing import list_in_order
from spark.datasets.object_store import (
    RangedReader,
    Store,
    join_uri,
    open_store,
    write_file_if_absent,
)
from spark.errors import StepFailedError

SCHEMA = pa.schema([("path", pa.string()), ("size", pa.int64()), ("etag", pa.string())])
BYTES_PER_INFERENCE = 200_000
"""Encoded bytes of a JPEG whose decoding takes as long as one inference at 224 pixels (7.7 ms): a photo of
3 MB takes some 120 ms on the same core."""

SUMMARY = "fruits.listing"
"""The entry of the file's metadata that says what the listing held beside images."""


@dataclass(frozen=True)
class ImageRef:
    """One image. ``size`` (bytes) and ``etag`` are null where the manifest names keys: nothing is listed."""

    path: str
    size: int | None = None
    etag: str | None = None

    @property
    def cost(self) -> float:
        """Predicted work in inferences, within a factor of two: decoding or inference, whatever is more."""
        return max(1.0, (self.size or 0) / BYTES_PER_INFERENCE)


class ImageIndex:
    """The index as read back. It holds its footer (which shards there are); rows are fetched by shard."""

    def __init__(self, store: Store, key: str) -> None:
        """Raises FileNotFoundError: there is none yet."""
        self._file = pq.ParquetFile(RangedReader(store, key))

    @property
    def shards(self) -> int:
        return int(self._file.num_row_groups)

    @property
    def images(self) -> int:
        return int(self._file.metadata.num_rows)

    @property
    def listing(self) -> ListingSummary:
        """What was listed; empty in an index of before this was kept."""
        kept = (self._file.metadata.metadata or {}).get(SUMMARY.encode())
        return ListingSummary.from_json(kept) if kept else ListingSummary()

    def shards_between(self, first: str, last: str) -> list[int]:
        """The shards that may hold a path from ``first`` to ``last``, by the footer alone."""
        columns = ((n, self._file.metadata.row_group(n).column(0)) for n in range(self.shards))
        ranges = ((n, column.statistics) for n, column in columns)
        return [n for n, path in ranges if path is None or (path.min <= last and path.max >= first)]

    def shard(self, number: int) -> list[ImageRef]:
        """The images of one shard, in order."""
        rows = self._file.read_row_group(number)
        return list(map(ImageRef, *(column.to_pylist() for column in rows.columns)))


@lru_cache(maxsize=1)
def open_index(root: str, key: str) -> ImageIndex:
    """The index of a run, for its tasks: a worker process reads the footer once."""
    return ImageIndex(open_store(root), key)


def ensure_index(store: Store, plan: Plan) -> ImageIndex:
    """The run's index: the one of an earlier attempt, or a new one of what is listed now.

    Raises:
        StepFailedError: the plan's sources hold no image.
    """
    key = plan.layout.index
    try:
        return ImageIndex(store, key)
    except FileNotFoundError:
        with TemporaryDirectory(prefix="fruits-index-") as scratch:
            file = Path(scratch) / "index.parquet"
            listing = ListingSummary()
            if not write_index(list_images(plan, listing), plan.shard_images, file, listing):
                raise _no_images(plan, listing) from None
            # Whoever writes first wins, so that two attempts at once still agree.
            write_file_if_absent(store, key, file)
    return ImageIndex(store, key)


def list_images(plan: Plan, listing: ListingSummary) -> Iterator[ImageRef]:
    """The images of all sources, each once, sorted by URI; raises as :func:`ensure_index`.

    All that is listed is counted in ``listing``.
    """
    previous = None
    for image in heapq.merge(*(_images_of(plan, source, listing) for source in plan.sources), key=_path):
        if image.path != previous:
            yield image
        previous = image.path


def _path(image: ImageRef) -> str:
    return image.path


def _images_of(plan: Plan, source: Source, listing: ListingSummary) -> Iterator[ImageRef]:
    if source.keys is not None:
        for path in sorted(join_uri(source.uri, key) for key in source.keys):
            listing.take(path)
            yield ImageRef(path)
        return
    suffixes = tuple(suffix.lower() for suffix in plan.suffixes)
    for item in list_in_order(source.uri):
        if listing.add(item.uri, suffixes) in (Kind.IMAGE, Kind.UNADDRESSABLE):
            yield ImageRef(*item)


def _no_images(plan: Plan, listing: ListingSummary) -> StepFailedError:
    places = ", ".join(source.uri for source in plan.sources)
    return StepFailedError(
        "user",
        " ".join(
            [f"no image below {places} (file names ending in {', '.join(plan.suffixes)})", *listing.notes()]
        ),
        "upload the images first, or correct images or suffixes in the manifest",
    )


def cut_shards(images: Iterable[ImageRef], max_cost: float) -> Iterator[list[ImageRef]]:
    """Consecutive images whose predicted costs add up to ``max_cost`` at most; a costlier one is alone."""
    shard: list[ImageRef] = []
    cost = 0.0
    for image in images:
        if shard and cost + image.cost > max_cost:
            yield shard
            shard, cost = [], 0.0
        shard.append(image)
        cost += image.cost
    if shard:
        yield shard


def write_index(images: Iterable[ImageRef], shard_images: int, file: Path, listing: ListingSummary) -> int:
    """Write the Parquet file, one row group per shard, and return the number of images.

    A shard holds what takes as long as ``shard_images`` inferences. Same images, same bytes. ``listing`` is
    written when all ``images`` are taken, which may count in it.
    """
    written = 0
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for shard in cut_shards(images, shard_images):
            paths, sizes, etags = zip(*((image.path, image.size, image.etag) for image in shard), strict=True)
            arrays = [strings(paths), integers(sizes), strings(etags)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA), row_group_size=len(shard))
            written += len(shard)
        writer.add_key_value_metadata({SUMMARY: listing.to_json()})
    return written
