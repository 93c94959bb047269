"""From a run to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lambdas.contract.whole_file import write_whole
from lambdas.report import facts, page, pictures, thumbnails
from lambdas.report.analysis import Analysis, analyse
from lambdas.report.finding import Finding
from lambdas.report.findings import findings_of
from lambdas.report.lists import csv_of
from lambdas.report.published import Published
from lambdas.report.sources import PhotoSource, ReadPhoto, in_order

FROM_S3_BYTES = 2_000_000_000
"""Photos of a bucket that are fetched for a report at most, all together: some minutes, and a few cents."""
_UNKNOWN_BYTES = 200_000
"""Of a photo whose size the run does not know: the manifest named its key, so that nothing was listed."""

OnProgress = Callable[[str, int, int], None]
"""What is read, how many of how many."""


@dataclass(frozen=True)
class Made:
    """A report that was written."""

    path: Path
    findings: list[Finding]
    notices: list[str]
    lists: list[Path]
    """Those that were asked for, with all rows."""


def make_report(
    published: Published,
    source: PhotoSource,
    to: Path,
    *,
    lists: Path | None = None,
    limit_bytes: int | None = None,
    on_progress: OnProgress = lambda _what, _done, _total: None,
) -> Made:
    """Write the report to ``to``, and each list that is not empty as CSV into the folder ``lists``.

    Pixels are compared where photos can be read, unless all of them are larger than ``limit_bytes``; without
    a single photo it is still a report.

    Raises:
        OSError: a file cannot be written.
    """
    photos = published.photos
    expected = sum(published.sizes.get(path, _UNKNOWN_BYTES) for path in photos.paths)
    is_too_much = limit_bytes is not None and expected > limit_bytes
    greys = None if is_too_much else _greys(photos.paths, source.read, on_progress)
    found = analyse(photos, greys, is_trained=published.is_trained)
    findings = findings_of(found, photos, is_trained=published.is_trained)
    wanted = [*(row for one in findings for row in one.rows_shown), *page.shown_besides(photos, found)]
    shown = thumbnails.chosen(wanted, found.units, photos.labels)
    seen = _thumbnails(photos.paths, shown, published, source.read, on_progress)
    notices = _notices(found, len(seen), expected if is_too_much else 0, source.if_none)
    write_whole(to, page.compose(published, found, findings, seen, notices).encode())
    written = _write_lists(lists, published, findings) if lists else []
    return Made(to, findings, notices, written)


def _write_lists(folder: Path, published: Published, findings: list[Finding]) -> list[Path]:
    written = []
    for name, columns, rows in page.listed(published, findings):
        if rows:
            written.append(folder / f"{published.plan.dataset}-{name}.csv")
            write_whole(written[-1], csv_of(columns, rows, published.photos.paths).encode())
    return written


def _greys(paths: list[str], read: ReadPhoto, on_progress: OnProgress) -> list[np.ndarray | None]:
    def grey(path: str) -> np.ndarray | None:
        data = read(path)
        return None if data is None else pictures.grey_of(data)

    found = []
    for done, one in enumerate(in_order(grey, paths), start=1):
        found.append(one)
        on_progress("photos compared", done, len(paths))
    return found


def _thumbnails(
    paths: list[str], shown: list[int], published: Published, read: ReadPhoto, on_progress: OnProgress
) -> dict[str, bytes]:
    """WebP by what the page calls it: a photo's row, or ``q`` and the place of a refused one."""
    wanted = {f"q{place}": one.path for place, one in enumerate(published.refused[: facts.REFUSED_SHOWN])}
    wanted |= {str(row): paths[row] for row in shown}

    def thumbnail(path: str) -> bytes | None:
        data = read(path)
        return None if data is None else pictures.thumbnail_of(data)

    def made() -> Iterator[tuple[str, bytes]]:
        found = in_order(thumbnail, list(wanted.values()))
        for done, (name, one) in enumerate(zip(wanted, found, strict=True), start=1):
            if one is not None:
                yield name, one
            on_progress("photos shown", done, len(wanted))

    return thumbnails.within(made())


def _notices(found: Analysis, seen: int, too_much: int, if_none: str) -> list[str]:
    """``too_much``: bytes of the photos, where they were not fetched for that."""
    notices = []
    missing = len(found.units) - found.compared
    if too_much:
        notices.append(
            f"The photos are {too_much / 1e9:.0f} GB together, too much to fetch for a report, so pixels "
            "were not compared: only equal files are among the same views. `fruits report --images FOLDER` "
            "compares the photos of a folder of this machine."
        )
    elif found.compared and missing:
        notices.append(f"{missing:,} photos could not be read; they are missing among the same views.")
    if not found.compared and not seen:
        notices.append(f"{if_none} So there are no pictures here, and only equal files are same views.")
    return notices
