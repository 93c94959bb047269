"""Where a run's files and its photos are: in S3, or in folders of this machine."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar

from botocore.exceptions import ClientError

from lambdas.aws.errors import error_code
from lambdas.contract import s3uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
_GONE = frozenset({"NoSuchKey", "NoSuchBucket", "404"})
READERS = 10
"""Photos that are read at once: as many as a client of S3 keeps connections for."""
_AHEAD = 256
"""Photos that may wait for whoever looks at them."""

ReadPhoto = Callable[[str], bytes | None]
"""A path as the run has it -> the file's bytes; None where it is not there or cannot be read."""


class Files(Protocol):
    """What a run wrote, by key (:mod:`lambdas.contract.layout`)."""

    def read(self, key: str) -> bytes | None:
        """The object; None where there is none."""

    def open(self, key: str, size: int) -> BinaryIO:
        """The object of ``size`` bytes, to read parts of it."""


class FolderFiles:
    """A folder with the bucket's layout, as `make demo` leaves it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str) -> bytes | None:
        try:
            return (self._folder / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def open(self, key: str, size: int) -> BinaryIO:  # noqa: ARG002  # a bucket wants to know
        return (self._folder / key).open("rb")


class BucketFiles:
    """The data bucket."""

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read(self, key: str) -> bytes | None:
        try:
            with self._s3.get_object(Bucket=self._bucket, Key=key)["Body"] as body:
                return body.read()
        except ClientError as error:
            if error_code(error) in _GONE:
                return None
            raise

    def open(self, key: str, size: int) -> BinaryIO:
        return io.BufferedReader(_Ranges(self._s3, self._bucket, key, size), buffer_size=1 << 16)


class _Ranges(io.RawIOBase):
    """An object as a file: a read is a request for its range, so that a column costs its own bytes only."""

    def __init__(self, s3: S3Client, bucket: str, key: str, size: int) -> None:
        self._s3, self._bucket, self._key, self._size, self._at = s3, bucket, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        asked = f"bytes={self._at}-{self._at + wanted - 1}"
        try:
            with self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=asked)["Body"] as body:
                data = body.read()
        except ClientError as error:
            if error_code(error) in _GONE:
                raise FileNotFoundError(self._key) from error
            raise
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@dataclass(frozen=True)
class PhotoSource:
    """Where photos are read, and what is to be said where not one of them can be."""

    read: ReadPhoto
    if_none: str


def photos_in_folder(folder: Path, prefixes: Sequence[str]) -> PhotoSource:
    """Photos that also lie below ``folder``, under their names below one of the run's ``prefixes``."""
    longest_first = sorted(prefixes, key=len, reverse=True)

    def read(path: str) -> bytes | None:
        prefix = next(filter(path.startswith, longest_first), "")
        name = path.removeprefix(prefix).lstrip("/")
        if ".." in name.split("/"):
            return None
        try:
            with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123  # a tenth of a Path's time, of 90,000
                return file.read()
        except (OSError, ValueError):  # ValueError: a key with a null character
            return None

    below = f"{longest_first[0]}..." if longest_first else "a photo"
    return PhotoSource(
        read,
        f"No photo of this run is in {folder}: what the run knows as {below} is looked for as {folder}/... "
        "Name the folder that was submitted.",
    )


def photos_in_s3(s3: S3Client) -> PhotoSource:
    """Photos where the run found them."""

    def read(path: str) -> bytes | None:
        bucket, key = s3uri.split(path)
        try:
            with s3.get_object(Bucket=bucket, Key=key)["Body"] as body:
                return body.read()
        except ClientError:  # gone, archived, not ours to read: a report without this photo
            return None

    return PhotoSource(
        read,
        "No photo could be read: they are gone, archived, or your credentials may not read them. `fruits "
        "report --images FOLDER` takes them from a folder of this machine.",
    )


def no_photos() -> PhotoSource:
    """For a report without pictures."""
    return PhotoSource(
        lambda _path: None,
        "The photos were not looked for, since the results are of this machine: `--images FOLDER` names the "
        "folder that they are in.",
    )


def in_order(work: Callable[[str], T], paths: list[str]) -> Iterator[T]:
    """What ``work`` makes of each path, in order; many at once, and not further ahead than a few hundred."""
    with ThreadPoolExecutor(READERS) as pool:
        for begin in range(0, len(paths), _AHEAD):
            yield from pool.map(work, paths[begin : begin + _AHEAD])
