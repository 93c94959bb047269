"""A folder of very many keys is cut while it is listed, into ranges that hold each key once."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.datasets.key_ranges import KeyRange, SideBySide, midway
from spark.datasets.object_store import Folder, Listed
from spark.errors import StepFailedError

FOLDER = "s3://photos/images/"
LISTERS = 16
NAME = st.text(min_size=1, max_size=6) | st.integers(0, 10**6).map("photo-2024-{:07d}.jpg".format)


class Bucket:
    """A sorted folder in memory. ``page`` keys an answer, each of which takes so long."""

    def __init__(self, names: Sequence[str], page: int, seconds: float = 0.0) -> None:
        self.names, self.page, self.seconds = sorted(names), page, seconds
        self.probes = 0
        self.pages_of_ranges: list[int] = []

    def pages(self, uri: str, after: str) -> Iterator[Folder]:
        start, number = bisect_right(self.names, after), len(self.pages_of_ranges)
        self.pages_of_ranges.append(0)
        while True:
            time.sleep(self.seconds)
            self.pages_of_ranges[number] += 1
            end = min(start + self.page, len(self.names))
            found = tuple(Listed(FOLDER + name, 1, "etag") for name in self.names[start:end])
            yield Folder((), found, goes_on=end < len(self.names))
            if (start := end) >= len(self.names):
                return

    def first_behind(self, uri: str, after: str) -> str | None:
        time.sleep(self.seconds)
        self.probes += 1
        place = bisect_right(self.names, after)
        return self.names[place] if place < len(self.names) else None


def listed(bucket: Bucket, listers: int = LISTERS) -> list[str]:
    with TemporaryDirectory() as folder, ThreadPoolExecutor(listers) as pool:
        side_by_side = SideBySide(bucket, pool, listers, Path(folder))
        found = list(side_by_side.read(side_by_side.begin(KeyRange(FOLDER))))
        assert list(Path(folder).iterdir()) == []
    return [item.uri.removeprefix(FOLDER) for item in found]


@settings(max_examples=150)
@given(names=st.sets(NAME, max_size=80), page=st.integers(1, 9), listers=st.integers(1, 6))
def test_every_key_of_a_folder_is_listed_once_and_in_order_however_it_is_cut(
    names: set[str], page: int, listers: int
) -> None:
    assert listed(Bucket(list(names), page), listers) == sorted(names)


@given(low=st.text(max_size=12), high=st.none() | st.text(max_size=12), letters=st.sets(st.characters()))
def test_what_is_half_way_lies_between(low: str, high: str | None, letters: set[str]) -> None:
    middle = midway(low, high, sorted(letters))
    assert middle is None or (middle > low and (high is None or middle < high))


def test_half_way_between_names_that_begin_alike_is_behind_what_they_share() -> None:
    assert midway("img_2024_0199", "img_2024_09", "0123456789") == "img_2024_054950000"


@pytest.mark.parametrize(
    "name",
    [
        "{:07d}.jpg",
        "IMG_20240131_{:07d}.JPG",
        "{:x}-photo.jpg",
        "a-long-name-that-all-share/{:07d}/1.jpg",
    ],
)
def test_a_flat_folder_is_listed_by_all_listers_from_soon_on(name: str) -> None:
    bucket = Bucket([name.format(number) for number in range(20_000)], page=100, seconds=0.001)
    assert len(listed(bucket)) == 20_000
    # 200 pages one after the other, were it not cut.
    assert max(bucket.pages_of_ranges) < 50
    assert sum(bucket.pages_of_ranges) + bucket.probes < 3 * 200


def test_one_lister_alone_cuts_nothing() -> None:
    bucket = Bucket([f"{number:04d}" for number in range(1000)], page=10)
    assert len(listed(bucket, listers=1)) == 1000
    assert (len(bucket.pages_of_ranges), bucket.probes) == (1, 0)


def test_whoever_stops_reading_waits_for_no_million_of_keys(tmp_path: Path) -> None:
    bucket = Bucket([f"{number:07d}" for number in range(100_000)], page=10, seconds=0.001)
    with ThreadPoolExecutor(LISTERS) as pool:
        side_by_side = SideBySide(bucket, pool, LISTERS, tmp_path)
        begun = side_by_side.begin(KeyRange(FOLDER))
        side_by_side.stop()
        list(side_by_side.read(begun))
    assert sum(bucket.pages_of_ranges) < 100


def test_a_part_that_cannot_be_listed_fails_the_listing() -> None:
    class Closed(Bucket):
        def pages(self, uri: str, after: str) -> Iterator[Folder]:
            if after:
                raise StepFailedError("aws", "could not list", "try again")
            yield from super().pages(uri, after)

    with pytest.raises(StepFailedError, match="could not list"):
        listed(Closed([f"{number:04d}" for number in range(1000)], page=10))
