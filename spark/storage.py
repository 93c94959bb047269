"""Objects by URI: ``s3://bucket/key`` and ``file:///folder/name``. The only module that knows of stores.

URIs are taken literally (no percent-encoding), because S3 keys may hold any character. Credentials,
region and endpoint come from the environment or the instance role, as for every AWS client.
obstore retries what is transient (5xx, throttling, dropped connections, time-outs) ten times within
three minutes with jittered exponential back-off; what still fails is a :class:`StepFailedError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, S3Store

from spark.errors import StepFailedError

Store = S3Store | LocalStore

_LIST_PAGE = 1000


@cache
def open_store(uri: str) -> Store:
    """The store of everything below ``uri``, with its connection pool; one a process and URI.

    Raises:
        StepFailedError: the scheme is neither ``s3`` nor ``file``.
    """
    scheme, _, location = uri.partition("://")
    if scheme == "s3":
        bucket, _, prefix = location.partition("/")
        return S3Store(bucket, prefix=prefix or None)
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


def read_if_below(uri: str, limit_bytes: int) -> bytes | int:
    """The bytes of an object, or only its size when that exceeds ``limit_bytes``; raises as :func:`read_uri`.

    One GET: the size comes with its header, and the body of a too large object is never fetched.
    """
    root, key = split_uri(uri)
    with _explained("read", uri):
        answer = obstore.get(open_store(root), key)
        size = answer.meta["size"]
        return size if size > limit_bytes else bytes(answer.bytes())


def write(store: Store, key: str, data: bytes) -> None:
    """Write an object whole, in one atomic request, over whatever is there.

    Raises:
        StepFailedError: the store refuses or does not answer.
    """
    with _explained("write", key):
        obstore.put(store, key, data, use_multipart=False)


def write_if_absent(store: Store, key: str, data: bytes) -> bool:
    """Write an object unless there is one; says whether it did. Raises as :func:`write`."""
    with _explained("write", key):
        try:
            obstore.put(store, key, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
    return True


def exists(store: Store, key: str) -> bool:
    """Whether there is an object ``key``; raises :class:`StepFailedError` when that cannot be known."""
    with _explained("read", key):
        try:
            obstore.head(store, key)
        except FileNotFoundError:
            return False
    return True


def list_below(uri: str) -> Iterator[tuple[str, int, str | None]]:
    """All objects below ``uri`` as (URI, size in bytes, ETag), in no order.

    Raises:
        StepFailedError: the store refuses or does not answer, or holds a name that cannot be addressed.
    """
    root, prefix = split_uri(uri)
    with _explained("list", uri):
        for page in obstore.list(open_store(root), prefix or None, chunk_size=_LIST_PAGE):
            for item in page:
                yield join_uri(root, item["path"]), item["size"], item["e_tag"]


@contextmanager
def _explained(verb: str, name: str) -> Iterator[None]:
    """Turn a store's errors into what a person can act on; a missing object stays FileNotFoundError."""
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise StepFailedError(
            "aws",
            f"not allowed to {verb} {name}: {_first_line(error)}",
            "let the cluster's instance role do this on the bucket (and its KMS key), then run again",
        ) from error
    except FileNotFoundError:
        raise
    except (ValueError, InvalidPathError) as error:
        raise StepFailedError(
            "user",
            f"cannot {verb} {name}: {_first_line(error)}",
            "rename that object: empty path segments, '.', '..' and control characters cannot be addressed",
        ) from error
    except BaseError as error:
        raise StepFailedError(
            "aws",
            f"could not {verb} {name}, also after retries: {_first_line(error)}",
            "run again later; if it persists, check the bucket's region, endpoint and service health",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).split("\n\nDebug source", maxsplit=1)[0]
