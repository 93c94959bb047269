"""Driver memory while an index of synthetic entries is streamed and opened.

``python -m tests.bench.index <entries>`` prints the peak resident memory in MB.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.memory import peak_rss_mb

SHARD_IMAGES = 1024


def peak_mb(entries: int) -> float:
    """Of a process of its own."""
    command = [sys.executable, "-m", "tests.bench.index", str(entries)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(entries: int, shard_images: int = SHARD_IMAGES) -> float:
    """Write and open the index here, and say what this process needed at most, in MB."""
    from lambdas.contract.listing_summary import ListingSummary
    from spark.datasets.index import ImageIndex, ImageRef, write_index
    from spark.datasets.object_store import open_store, write_file_if_absent

    def images() -> Iterator[ImageRef]:
        for number in range(entries):
            etag = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
            yield ImageRef(f"s3://photos/images/class_{number // 500:05d}/{number:09d}.jpg", 5000, etag)

    with TemporaryDirectory() as folder:
        store = open_store(f"file://{folder}")
        file = Path(folder) / "scratch.parquet"
        write_index(images(), shard_images, file, ListingSummary())
        write_file_if_absent(store, "index.parquet", file)
        index = ImageIndex(store, "index.parquet")
        if index.images != entries or not index.shard(index.shards - 1):
            raise AssertionError("the index lost entries")
    return peak_rss_mb("self")


if __name__ == "__main__":
    sys.stdout.write(f"{measure(int(sys.argv[1]))}\n")
