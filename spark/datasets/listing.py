"""Listing image folders in key order, many folders at once, in bounded memory.

S3 answers a listing in key order, a thousand keys per request, one request after another. Folders are
therefore listed side by side, each into a temporary Arrow file, and read back one after another; what one
folder holds alone is divided while it is listed (:mod:`spark.datasets.key_ranges`).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from spark.datasets import object_store
from spark.datasets.bucket_listing import CONNECTIONS, bucket_listing
from spark.datasets.key_ranges import KeyRange, SideBySide
from spark.datasets.object_store import Folder, Listed, is_sorted

LISTERS = CONNECTIONS
"""Folders, or parts of one, being listed at once. S3 allows thousands of requests a second; sixteen bring
some 100,000 keys."""
MAX_DEPTH = 4
"""Levels of folders that are opened in search of enough of them to list side by side."""
_PROBE = 1000
"""Keys of S3's first page, by which a folder without folders is recognised."""


@dataclass(frozen=True)
class Division:
    """A folder taken apart: ``leaves`` are folders that hold all but the ``objects``. Both sorted by URI."""

    leaves: tuple[str, ...]
    objects: tuple[Listed, ...]


def list_in_order(uri: str) -> Iterator[Listed]:
    """All objects below ``uri``, sorted by URI.

    Raises:
        StepFailedError: the store refuses or does not answer, or a folder of this machine holds a name that
            cannot be addressed.
    """
    if not is_sorted(uri):
        yield from sorted(object_store.list_below(uri))  # a folder of this machine
        return
    division = divide(uri)
    yield from heapq.merge(division.objects, _side_by_side(division.leaves))


def divide(uri: str) -> Division:
    """Take a folder apart, level by level, until there are enough folders to keep all listers busy."""
    leaves: list[str] = []
    objects: list[Listed] = []
    opened = [uri]
    for _ in range(MAX_DEPTH):
        if len(leaves) + len(opened) >= LISTERS:
            break
        # A page of files only: opening the folder would hold all of it in memory and find no folder.
        flat = [folder for folder in opened if not _holds_folders(folder)]
        contents: list[Folder] = [bucket_listing().folder(folder) for folder in opened if folder not in flat]
        leaves += flat
        opened = [folder for content in contents for folder in content.folders]
        objects += [item for content in contents for item in content.objects]
    return Division(tuple(sorted(leaves + opened)), tuple(sorted(objects)))


def _holds_folders(uri: str) -> bool:
    return any("/" in listed.uri.removeprefix(uri) for listed in islice(bucket_listing().below(uri), _PROBE))


def _side_by_side(folders: Iterable[str]) -> Iterator[Listed]:
    """The objects of sorted folders, of which the next ``LISTERS`` are being listed."""
    with TemporaryDirectory(prefix="fruits-listing-") as scratch, ThreadPoolExecutor(LISTERS) as pool:
        listing = SideBySide(bucket_listing(), pool, LISTERS, Path(scratch))
        waiting: deque[KeyRange] = deque()
        try:
            for folder in folders:
                waiting.append(listing.begin(KeyRange(folder)))
                if len(waiting) >= LISTERS:
                    yield from listing.read(waiting.popleft())
            while waiting:
                yield from listing.read(waiting.popleft())
        finally:
            listing.stop()
