"""Listing folders side by side, and one that holds millions of keys by several listers at once.

S3 tells a thousand keys a request, in their order, and not what lies ahead. But a listing may begin behind
any name, whether there is such a key or not. So a lister that sees others idle cuts the rest of its range in
two, half-way between its last key and the end, and leaves the second half to them. Which names are half-way
is guessed, from the letters that were seen: a bad guess costs a request and never a key, because what one
range leaves out is exactly what the next one begins with.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import takewhile
from operator import eq
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from spark.datasets.arrow_arrays import integers, strings
from spark.datasets.object_store import Folder, Listed

PROBES = 64
"""Guesses for one cut. Of names that agree in their first letters, each letter costs about five."""
PAGES_LEFT = 2
"""Of what is shorter no part is left to another."""
DIGITS = 8
"""Letters behind those that two names share by which the name half-way between them is reckoned."""
_HIGHEST = "\U0010ffff"
"""Sorts behind all that a key is likely to hold."""
_SPOOLED = pa.schema([("path", pa.string()), ("size", pa.int64()), ("etag", pa.string())])


class Pages(Protocol):
    """What answers, for several threads at once."""

    def pages(self, uri: str, after: str) -> Iterator[Folder]:
        """All objects below ``uri`` whose names there sort behind ``after``, in order, a page at a time."""

    def first_behind(self, uri: str, after: str) -> str | None:
        """The first name below ``uri`` that sorts behind ``after``; None where there is none."""


class KeyRange:
    """The names below ``folder`` behind ``after``, up to and with ``until`` (None: all), in a file.

    ``rest``: the range that was cut off its end. Both are settled when ``spooled`` is done.
    """

    def __init__(self, folder: str, after: str = "", until: str | None = None) -> None:
        self.folder, self.after, self.until = folder, after, until
        self.rest: KeyRange | None = None
        self.spooled: Future[Path]


class SideBySide:
    """Lists ranges in the threads of ``pool``, as many at once as there are ``listers``."""

    def __init__(self, bucket: Pages, pool: ThreadPoolExecutor, listers: int, scratch: Path) -> None:
        self._bucket, self._pool, self._listers, self._scratch = bucket, pool, listers, scratch
        self._lock = threading.Lock()
        self._begun = self._busy = 0
        self._stopped = False

    def begin(self, keys: KeyRange) -> KeyRange:
        """Have a range listed; returns it."""
        with self._lock:
            self._begun += 1
            self._busy += 1
            target = self._scratch / str(self._begun)
        keys.spooled = self._pool.submit(self._spool, keys, target)
        return keys

    def read(self, keys: KeyRange | None) -> Iterator[Listed]:
        """The objects of a range that was begun, and of all that was cut off it, in order."""
        while keys is not None:
            yield from _unspool(keys.spooled.result())
            keys = keys.rest

    def stop(self) -> None:
        """Nobody reads on: listers end with the page they have."""
        self._stopped = True

    def _spool(self, keys: KeyRange, target: Path) -> Path:
        try:
            with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_stream(sink, _SPOOLED) as stream:
                for page in self._bucket.pages(keys.folder, keys.after):
                    names = [item.uri[len(keys.folder) :] for item in page.objects]
                    kept = len(names) if keys.until is None else bisect_right(names, keys.until)
                    if kept:
                        uris, sizes, etags = zip(*page.objects[:kept], strict=True)
                        arrays = [strings(uris), integers(sizes), strings(etags)]
                        stream.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_SPOOLED))
                    if kept < len(names) or self._stopped:
                        break  # the others are in the range that was cut off
                    if page.goes_on and names and self._busy < self._listers:
                        self._cut(keys, names)
        finally:
            with self._lock:
                self._busy -= 1
        return target

    def _cut(self, keys: KeyRange, names: Sequence[str]) -> None:
        """Leave to another about half of what is behind ``names``, the page that was listed last."""
        letters = sorted(set[str]().union(*names))
        if keys.until is None:
            # Mostly all keys begin alike, which is sooner asked than found letter by letter.
            end = names[0][: _shared(names[0], names[-1])] + _HIGHEST
            keys.until = None if self._bucket.first_behind(keys.folder, end) else end
        for _ in range(PROBES):
            middle = midway(names[-1], keys.until, letters)
            if middle is None or self._stopped or not _goes_on_for_long(names, keys.until, letters):
                return
            found = self._bucket.first_behind(keys.folder, middle)
            if found is not None and (keys.until is None or found <= keys.until):
                other = KeyRange(keys.folder, middle, keys.until)
                other.rest = keys.rest
                keys.rest, keys.until = self.begin(other), middle
                return
            keys.until = middle


def midway(low: str, high: str | None, letters: Sequence[str]) -> str | None:
    """A name about half-way between two, made of sorted ``letters``; None where they leave no room for one.

    ``high``: None is behind all names.
    """
    if not letters:
        return None
    shared = 0 if high is None else _shared(low, high)
    base = len(letters)
    bottom = _number(low[shared:], letters)
    top = base**DIGITS if high is None else _number(high[shared:], letters)
    number, digits = (bottom + top) // 2, ""
    for _ in range(DIGITS):
        number, digit = divmod(number, base)
        digits = letters[digit] + digits
    middle = low[:shared] + digits
    return middle if low < middle and (high is None or middle < high) else None


def _goes_on_for_long(names: Sequence[str], until: str | None, letters: Sequence[str]) -> bool:
    """Whether more pages fit behind this one, if names lie as close together there. Where they lie closer,
    a later page tells."""
    if until is None:
        return True
    shared = _shared(names[0], until)
    first, last, end = (_number(name[shared:], letters) for name in (names[0], names[-1], until))
    return end - last >= PAGES_LEFT * (last - first)


def _shared(one: str, other: str) -> int:
    """How many letters two names have in common, from the first on."""
    return sum(takewhile(bool, map(eq, one, other)))


def _number(name: str, letters: Sequence[str]) -> int:
    """The first ``DIGITS`` letters as the digits of a number that grows as names do."""
    number = 0
    for place in range(DIGITS):
        number = number * len(letters) + (bisect_left(letters, name[place]) if place < len(name) else 0)
    return number


def _unspool(path: Path) -> Iterator[Listed]:
    with pa.OSFile(str(path), "rb") as source:
        for batch in pa.ipc.open_stream(source):
            yield from map(Listed, *(column.to_pylist() for column in batch.columns))
    path.unlink()
