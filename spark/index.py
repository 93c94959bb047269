"""The image index: which images a run has, in which order and in which shard.

Listed once, sorted by URI and written as one Parquet object with one row group a shard, so that a
task reads its own rows only and every attempt of a run works on the same images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq

from lambdas.contract.plan import Plan, Source
from spark.errors import StepFailedError
from spark.storage import Store, join_uri, list_below, read, write_if_absent

SCHEMA = pa.schema([("path", pa.string()), ("size", pa.int64()), ("etag", pa.string())])


@dataclass(frozen=True, order=True)
class ImageRef:
    """One image. ``size`` (bytes) and ``etag`` are null where the manifest names keys: nothing is listed."""

    path: str
    size: int | None = None
    etag: str | None = None


class ImageIndex:
    """The index as read back: rows by shard."""

    def __init__(self, data: bytes) -> None:
        self._file = pq.ParquetFile(pa.BufferReader(data))

    @property
    def shards(self) -> int:
        return int(self._file.num_row_groups)

    @property
    def images(self) -> int:
        return int(self._file.metadata.num_rows)

    def shard(self, number: int) -> list[ImageRef]:
        """The images of one shard, in order."""
        return [ImageRef(**row) for row in self._file.read_row_group(number).to_pylist()]


def ensure_index(store: Store, plan: Plan) -> ImageIndex:
    """The run's index: the one of an earlier attempt, or a new one of what is listed now.

    Raises:
        StepFailedError: the plan's sources hold no image.
    """
    try:
        return ImageIndex(read(store, plan.layout.index))
    except FileNotFoundError:
        data = encode_index(list_images(plan), plan.shard_images)
    # Whoever writes first wins, so that two attempts at once still agree.
    if not write_if_absent(store, plan.layout.index, data):
        data = read(store, plan.layout.index)
    return ImageIndex(data)


def list_images(plan: Plan) -> list[ImageRef]:
    """The images of all sources, each once, sorted by URI; raises as :func:`ensure_index`."""
    found = {image.path: image for image in chain.from_iterable(_images_of(plan, s) for s in plan.sources)}
    if not found:
        places = ", ".join(source.uri for source in plan.sources)
        raise StepFailedError(
            "user",
            f"no image below {places} (file names ending in {', '.join(plan.suffixes)})",
            "upload the images first, or correct images or suffixes in the manifest",
        )
    return [found[path] for path in sorted(found)]


def _images_of(plan: Plan, source: Source) -> Iterator[ImageRef]:
    if source.keys is not None:
        return (ImageRef(join_uri(source.uri, key)) for key in source.keys)
    suffixes = tuple(suffix.lower() for suffix in plan.suffixes)
    return (ImageRef(*item) for item in list_below(source.uri) if item[0].lower().endswith(suffixes))


def encode_index(images: Iterable[ImageRef], shard_images: int) -> bytes:
    """The Parquet object, one row group of ``shard_images`` rows a shard. Same images, same bytes."""
    rows = list(images)
    columns = [[row.path for row in rows], [row.size for row in rows], [row.etag for row in rows]]
    sink = pa.BufferOutputStream()
    table = pa.Table.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )
    pq.write_table(table, sink, row_group_size=shard_images, compression="zstd")
    return bytes(sink.getvalue())
