"""Talking with the person at the terminal while a command is carried out. All of it is on standard error: the
answer alone is on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from lambdas.cli.photo_folder import Photo
from lambdas.cli.result import CommandError, ExitCode
from lambdas.cli.upload import Told


class Terminal:
    """Implements :class:`lambdas.cli.submission.Dialogue`. ``yes``: the person has agreed already."""

    def __init__(self, console: Console, *, yes: bool) -> None:
        self._console = console
        self._yes = yes

    def agrees(self, question: str) -> bool:
        if self._yes:
            return True
        if sys.stdin is None or not sys.stdin.isatty():
            raise CommandError(ExitCode.USAGE, "there is nobody here to ask; with --yes it goes on by itself")
        try:
            answer = self._console.input(f"{question} [y/N] ", markup=False)
        except EOFError:
            return False
        return answer.strip().lower() in {"y", "yes"}

    @contextmanager
    def bar(self, photos: int, size: int) -> Iterator[Told]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(f"0 of {photos:,} photos", total=size)
            done = 0

            def tell(photo: Photo, *, sent: bool) -> None:  # noqa: ARG001  # both are progress
                nonlocal done
                done += 1
                progress.update(task, advance=photo.size, description=f"{done:,} of {photos:,} photos")

            yield tell
