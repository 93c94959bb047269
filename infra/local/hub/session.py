"""What a notebook's kernel has on EMR by sparkmagic and Livy: ``spark``, ``%%spark -o`` and ``%%local``.

IPython runs this file in the kernel as it starts, with the nodes' Python and no library of ours. Two things
are different here. There is one Python instead of two, so ``%%local`` is a word only. And Spark as it comes
from PyPI has no file system for S3: what it is asked to read there is fetched first, with the same
credentials, and read from this machine.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from typing import Any

_TO_LOCAL = re.compile(r"%%spark\s+-o\s+(\w+)(?:\s+-n\s+(-?\d+))?\s*")
_READERS = ("csv", "json", "load", "parquet", "text")
_DEFAULT_ROWS = 2500
"""sparkmagic's; it has no limit where less than none is asked for."""


class _OnFirstUse:
    """Spark's session, which is started when a cell needs it first, as Livy does."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_session(), name)


def _session() -> Any:
    from pyspark import SparkContext
    from pyspark.sql import DataFrameReader, SparkSession

    session = SparkSession.getActiveSession()
    if session is None:
        session = SparkSession.builder.appName("workbench").getOrCreate()
        for owner, names in ((DataFrameReader, _READERS), (SparkContext, ("addPyFile",))):
            for name in names:
                setattr(owner, name, _of_copies(getattr(owner, name)))
    return session


def _of_copies(read: Callable[..., Any]) -> Callable[..., Any]:
    def reading(reader: Any, *paths: Any, **options: Any) -> Any:
        copied = [[_copy(one) for one in path] if isinstance(path, list) else _copy(path) for path in paths]
        return read(reader, *copied, **options)

    return reading


def _copy(path: Any) -> Any:
    """A copy's place of what lies below an ``s3://`` URI; everything else as it is."""
    if not str(path).startswith("s3://"):
        return path
    from pyarrow import fs

    store, source = fs.FileSystem.from_uri(path.rstrip("/"))
    target = tempfile.mkdtemp(prefix="s3-")
    if store.get_file_info(source).type == fs.FileType.File:
        target += f"/{source.rpartition('/')[2]}"
    fs.copy_files(source, target, source_filesystem=store)
    return target


def _to_local(name: str, rows: int) -> None:
    """A DataFrame as pandas have it, of ``rows`` rows at most, or of all."""
    here = get_ipython().user_ns  # type: ignore[name-defined]  # noqa: F821  # IPython's
    frame = here[name]
    here[name] = (frame if rows < 0 else frame.limit(rows)).toPandas()


def _without_sparkmagic(lines: list[str]) -> list[str]:
    """A cell's lines, in terms of this kernel."""
    if lines and lines[0].split() in (["%%local"], ["%%spark"]):
        return lines[1:]
    if lines and (asked := _TO_LOCAL.fullmatch(lines[0])):
        return [*lines[1:], "\n", f"_to_local({asked[1]!r}, {int(asked[2] or _DEFAULT_ROWS)})\n"]
    return lines


spark = _OnFirstUse()
get_ipython().input_transformers_cleanup.append(_without_sparkmagic)  # type: ignore[name-defined]  # noqa: F821
