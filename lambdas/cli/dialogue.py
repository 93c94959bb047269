"""Talking with the person at the terminal while a command is carried out. All of it is on standard error: the
answer alone is on standard output."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from lambdas.cli.result import CommandError, ExitCode

Advance = Callable[[int], None]
"""One more is done, of so many bytes; called from any thread."""


class Dialogue(Protocol):
    """The person, or nobody."""

    def agrees(self, question: str) -> bool:
        """Whether they want it. Raises CommandError where nobody is there to ask."""
        ...

    def bar(self, noun: str, count: int, size: int) -> AbstractContextManager[Advance]:
        """Shows how many of ``count`` things, called ``noun``, of ``size`` bytes in all, are done."""
        ...


class Terminal:
    """Implements :class:`Dialogue`. ``yes``: the person has agreed already."""

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
    def bar(self, noun: str, count: int, size: int) -> Iterator[Advance]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(f"0 of {count:,} {noun}", total=size)
            lock, done = threading.Lock(), 0

            def advance(by: int) -> None:
                nonlocal done
                with lock:
                    done += 1
                    progress.update(task, advance=by, description=f"{done:,} of {count:,} {noun}")

            yield advance
