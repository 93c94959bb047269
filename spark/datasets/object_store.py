"""Objects by URI: ``s3://bucket/key`` and ``file:///folder/name``. The only module that knows of stores.

URIs are taken literally (no percent-encoding), because S3 keys may hold any character. Credentials,
region and endpoint come from the environment or the instance role, as for every AWS client.
obstore retries what is transient (5xx, throttling, dropped connections, time-outs) ten times within
three minutes with jittered exponential back-off; reads of images are retried here, so that they can be
counted. What still fails is a :class:`StepFailedError`.
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    InvalidPathError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, S3Store

from spark.datasets.unreadable import archived, require_addressable
from spark.errors import StepFailedError

if TYPE_CHECKING:  # in its type stubs only
    from obstore import ObjectMeta

Store = S3Store | LocalStore

_LIST_PAGE = 1000
_BACKOFF_SECONDS = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 12.8, 12.8)
"""Waits before an image is read again, at most; at least half of each, so that readers spread out."""


@cache
def open_store(uri: str, *, retrying: bool = True) -> Store:
    """The store of everything below ``uri``, with its connection pool; one per process and URI.

    ``retrying``: it retries what is transient by itself, and tells nobody.

    Raises:
        StepFailedError: the scheme is neither ``s3`` nor ``file``.
    """
    scheme, _, location = uri.partition("://")
    if scheme == "s3":
        bucket, _, prefix = location.partition("/")
        return S3Store(bucket, prefix=prefix or None, retry_config=None if retrying else {"max_retries": 0})
    if scheme == "file":
        return LocalStore(Path(location), mkdir=True)
    raise StepFailedError("user", f"cannot read {uri!r}", "give an s3://bucket/prefix or file:///folder URI")


def split_uri(uri: str) -> tuple[str, str]:
    """``s3://bucket/a/b`` -> ``("s3://bucket", "a/b")``; ``file:///a/b`` -> ``("file:///", "a/b")``."""
    scheme, _, location = uri.partition("://")
    root, _, key = location.partition("/")
    return (f"{scheme}://{root}" if root else f"{scheme}:///"), key


def join_uri(base: str, key: str) -> str:
    """The URI of ``key`` below ``base``."""
    return f"{base.rstrip('/')}/{key}" if base != "file:///" else f"{base}{key}"


def read_uri(uri: str) -> bytes:
    """The bytes of the object at ``uri``.

    Raises:
        FileNotFoundError: there is none.
        StepFailedError: the store refuses or does not answer.
    """
    root, key = split_uri(uri)
    with _explained("read", uri):
        return bytes(obstore.get(open_store(root), key).bytes())


def read(store: Store, key: str) -> bytes:
    """The bytes of the object ``key``; raises as :func:`read_uri`."""
    with _explained("read", key):
        return bytes(obstore.get(store, key).bytes())


def read_if_below(uri: str, limit_bytes: int, on_retry: Callable[[], None]) -> bytes | int:
    """The bytes of an object, or only its size when that exceeds ``limit_bytes``.

    One GET: the size comes with its header, and the body of a too large object is never fetched. What is
    transient, also in the middle of a body, is tried again with jittered back-off after ``on_retry``.

    Raises:
        FileNotFoundError: there is none.
        ObjectUnreadableError: its key cannot be addressed, or it is archived.
        StepFailedError: the store refuses or does not answer.
    """
    require_addressable(uri)
    root, key = split_uri(uri)
    store = open_store(root, retrying=False)
    with _explained("read", uri):
        for longest in _BACKOFF_SECONDS:
            try:
                return _get_if_below(store, key, limit_bytes)
            except GenericError:  # what has a meaning of its own (missing, forbidden) has a class of its own
                on_retry()
                time.sleep(longest * random.uniform(0.5, 1))  # noqa: S311  # jitter is no secret
        return _get_if_below(store, key, limit_bytes)


def _get_if_below(store: Store, key: str, limit_bytes: int) -> bytes | int:
    try:
        answer = obstore.get(store, key)
    except PermissionDeniedError as error:
        if unreadable := archived(str(error)):
            raise unreadable from error
        raise
    size = answer.meta["size"]
    return size if size > limit_bytes else bytes(answer.bytes())


def write(store: Store, key: str, data: bytes) -> None:
    """Write an object whole, in one atomic request, over whatever is there.

    Raises:
        StepFailedError: the store refuses or does not answer.
    """
    with _explained("write", key):
        obstore.put(store, key, data, use_multipart=False)


def write_if_absent(store: Store, key: str, data: bytes | mmap) -> bool:
    """Write an object unless there is one; says whether it did. Raises as :func:`write`."""
    with _explained("write", key):
        try:
            obstore.put(store, key, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
    return True


def write_file_if_absent(store: Store, key: str, file: Path) -> bool:
    """As :func:`write_if_absent`, of a file that need not fit into memory."""
    with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
        return write_if_absent(store, key, content)


class RangedReader(io.RawIOBase):
    """An object as a seekable file, of which only what is read is fetched (obstore's own is none to pyarrow).

    Opening and reading raise FileNotFoundError, or StepFailedError when the store refuses or does not answer.
    """

    def __init__(self, store: Store, key: str) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._at = 0
        with _explained("read", key):
            self._size = obstore.head(store, key)["size"]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._at + size, self._size)
        if end <= self._at:
            return b""
        with _explained("read", self._key):
            data = bytes(obstore.get_range(self._store, self._key, start=self._at, end=end))
        self._at += len(data)
        return data


def exists(store: Store, key: str) -> bool:
    """Whether there is an object ``key``; raises :class:`StepFailedError` when that cannot be known."""
    with _explained("read", key):
        try:
            obstore.head(store, key)
        except FileNotFoundError:
            return False
    return True


class Listed(NamedTuple):
    """An object as a listing shows it. ``size`` in bytes."""

    uri: str
    size: int
    etag: str | None


@dataclass(frozen=True)
class Folder:
    """One level below a prefix, or a page of it: ``folders`` are the URIs of what is below, with their
    slash.
    ``goes_on``: another page follows.
    """

    folders: tuple[str, ...]
    objects: tuple[Listed, ...]
    goes_on: bool = False


def is_sorted(uri: str) -> bool:
    """Whether the store of ``uri`` lists in key order: S3 does, folders of this machine do not."""
    return uri.startswith("s3://")


def list_below(uri: str) -> Iterator[Listed]:
    """All objects below ``uri``, in the order of the store.

    Raises:
        StepFailedError: the store refuses or does not answer, or holds a name that cannot be addressed.
    """
    root, prefix = split_uri(uri)
    with _explained("list", uri):
        for page in obstore.list(open_store(root), prefix or None, chunk_size=_LIST_PAGE):
            for item in page:
                yield _listed(root, item)


def list_folder(uri: str) -> Folder:
    """What is directly below ``uri``; raises as :func:`list_below`."""
    root, prefix = split_uri(uri)
    with _explained("list", uri):
        level = obstore.list_with_delimiter(open_store(root), prefix or None)
    folders = (f"{join_uri(root, name)}/" for name in level["common_prefixes"])
    return Folder(tuple(folders), tuple(_listed(root, item) for item in level["objects"]))


def _listed(root: str, item: ObjectMeta) -> Listed:
    return Listed(join_uri(root, item["path"]), item["size"], item["e_tag"])


@contextmanager
def _explained(verb: str, name: str) -> Iterator[None]:
    """Turn a store's errors into what a person can act on; a missing object stays FileNotFoundError."""
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        if unreadable := archived(str(error)):
            raise StepFailedError(
                "data", f"cannot {verb} {name}: it is {unreadable.detail}", "make it readable, then run again"
            ) from error
        raise not_allowed(verb, name, _first_line(error)) from error
    except FileNotFoundError:
        raise
    except (ValueError, InvalidPathError) as error:
        raise StepFailedError(
            "user",
            f"cannot {verb} {name}: {_first_line(error)}",
            "rename that object: empty path segments, '.', '..' and control characters cannot be addressed",
        ) from error
    except BaseError as error:
        raise not_answered(verb, name, _first_line(error)) from error


def not_allowed(verb: str, name: str, answer: str) -> StepFailedError:
    """The store refused; ``verb`` is what was tried with ``name``."""
    return StepFailedError(
        "aws",
        f"not allowed to {verb} {name}: {answer}",
        "let the cluster's instance role do this on the bucket (and its KMS key), then run again",
    )


def not_answered(verb: str, name: str, answer: str) -> StepFailedError:
    """The store did not do it, however often it was asked."""
    return StepFailedError(
        "aws",
        f"could not {verb} {name}, also after retries: {answer}",
        "run again later; if it persists, check the bucket's region, endpoint and service health",
    )


def _first_line(error: Exception) -> str:
    return str(error).split("\n\nDebug source", maxsplit=1)[0]
