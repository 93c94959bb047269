"""`fruits report`: from a run, in S3 or in a folder, to an HTML file.

What it is made with (:mod:`lambdas.report`) is imported when it is asked for: the other commands start, and
are installed, without numerical libraries.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from lambdas.aws.clients import client
from lambdas.cli.named_paths import is_folder, require_writable, unusable
from lambdas.cli.result import CommandError, ExitCode, Result
from lambdas.cli.stack import Stack

if TYPE_CHECKING:
    from lambdas.report.making import Made, OnProgress

_LIBRARIES = frozenset({"jinja2", "matplotlib", "numpy", "PIL", "pyarrow"})


def report(
    run_id: str,
    to: Path | None,
    folder: Path | None,
    images: Path | None,
    connect: Callable[[], Stack],
    lists: Path | None = None,
) -> Result:
    """Make the report.

    Args:
        run_id: the run's id.
        to: the file to write; None: ``<run_id>.html`` here.
        folder: holds the run's results in the bucket's layout; None: they are in the stack's data bucket.
        images: holds the photos; None: they are read from S3, unless ``folder`` is given.
        connect: the stack, asked for where AWS is needed.
        lists: a folder that each list is written into, as CSV; None: the page has them, the longest in part.

    Raises:
        CommandError: there is no such run, or nothing to report, or a folder or file cannot be used.
    """
    _require_folders(folder, images)
    with _libraries():
        from lambdas.report import making, published, sources
    files: sources.Files
    photos: sources.PhotoSource
    limit = None
    if folder is None:
        stack = connect()
        s3 = client(boto3.Session(region_name=stack.settings.region), "s3")
        files, photos = sources.BucketFiles(s3, stack.settings.data_bucket), sources.photos_in_s3(s3)
        limit = making.FROM_S3_BYTES
        hint = "`fruits runs` lists the newest"
    else:
        files, photos = sources.FolderFiles(folder), sources.no_photos()
        hint = (
            f"those of {folder} are below runs/ there, and `fruits results {run_id} --to {folder}` fetches "
            "what a report is made of"
        )
    try:
        run = published.read_published(files, run_id)
    except published.NoSuchRunError as error:
        raise CommandError(ExitCode.UNKNOWN_RUN, f"{error} {hint}.") from error
    except published.NothingToReportError as error:
        raise CommandError(ExitCode.NO, str(error)) from error
    except OSError as error:
        raise unusable(error.filename or folder or run_id, "read", error) from error
    if images is not None:
        photos, limit = sources.photos_in_folder(images, [one.uri for one in run.plan.sources]), None
    target = to or Path(f"{run_id}.html")
    require_writable(target)
    if lists is not None:
        require_writable(lists / "list.csv")
    try:
        with _progress() as on_progress:
            made = making.make_report(
                run, photos, target, lists=lists, limit_bytes=limit, on_progress=on_progress
            )
    except OSError as error:
        raise unusable(error.filename or target, "written", error) from error
    return _result(made)


def _require_folders(*folders: Path | None) -> None:
    for given in folders:
        if given is not None and not is_folder(given):
            raise CommandError(ExitCode.USAGE, f"{given} is not a folder; name one that exists")


@contextmanager
def _libraries() -> Iterator[None]:
    """Says how to install what a report is made with, where it is not."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _LIBRARIES:
            raise
        raise CommandError(
            ExitCode.USAGE,
            f"a report needs {error.name}, which is not installed: in the repository's folder, pip install "
            "'.[report]'",
        ) from error


def _result(made: Made) -> Result:
    counts = {one.id: one.count for one in made.findings}
    lines = [str(made.path)]
    lines += [f"  {one.number:>6} {one.counted}" for one in made.findings if one.count]
    lines += ["  open it in a browser; it needs no network"]
    lines += [str(path) for path in made.lists]
    document = {
        "report": str(made.path),
        "bytes": made.path.stat().st_size,
        "findings": counts,
        "lists": [str(path) for path in made.lists],
        "notices": made.notices,
    }
    return Result(document, "\n".join(lines), notice=" ".join(made.notices))


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """A bar on standard error, where a person looks at it."""
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield on_progress
