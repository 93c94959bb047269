"""Where a run's files and its photos are: in S3, or in folders of this machine."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
        with self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=asked)["Body"] as body:
            data = body.read()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def photos_in_folder(folder: Path, prefixes: Sequence[str]) -> ReadPhoto:
    """Photos that also lie below ``folder``, under their names below one of the run's ``prefixes``."""
    longest_first = sorted(prefixes, key=len, reverse=True)
    root = folder.resolve()

    def read(path: str) -> bytes | None:
        prefix = next(filter(path.startswith, longest_first), "")
        try:
            file = (root / path.removeprefix(prefix).lstrip("/")).resolve()
            return file.read_bytes() if file.is_relative_to(root) else None
        except (OSError, ValueError):  # ValueError: a key with a null character
            return None

    return read


def photos_in_s3(s3: S3Client) -> ReadPhoto:
    """Photos where the run found them."""

    def read(path: str) -> bytes | None:
        bucket, key = s3uri.split(path)
        try:
            with s3.get_object(Bucket=bucket, Key=key)["Body"] as body:
                return body.read()
        except ClientError:  # gone, archived, not ours to read: a report without this photo
            return None

    return read


def no_photos(_path: str) -> None:
    """For a report without pictures."""


def in_order(work: Callable[[str], T], paths: list[str]) -> Iterator[T]:
    """What ``work`` makes of each path, in order; many at once, and not further ahead than a few hundred."""
    with ThreadPoolExecutor(READERS) as pool:
        for begin in range(0, len(paths), _AHEAD):
            yield from pool.map(work, paths[begin : begin + _AHEAD])
