"""A run that is followed to its end: a picture that changes in place at a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from lambdas.cli.result import ExitCode, Result, changes

BAR_WIDTH = 60
"""Less where the terminal is narrower."""


def follow(answers: Iterable[Result], console: Console) -> ExitCode:
    """Show each answer that says something new; the last one stays, and its code is returned."""
    in_place = console.is_terminal and not console.is_dumb_terminal
    code = ExitCode.OK
    for answer in _drawn(answers, console) if in_place else _told(answers, console):
        code = answer.code
    return code


def _drawn(answers: Iterable[Result], console: Console) -> Iterator[Result]:
    """Each in the place of the one before."""
    with Live(console=console, auto_refresh=False) as live:
        for answer in answers:
            live.update(_picture(answer), refresh=True)
            yield answer


def _told(answers: Iterable[Result], console: Console) -> Iterator[Result]:
    """Each below the one before, unless it says the same."""
    for answer in changes(answers):
        console.out(answer.text, highlight=False)
        yield answer


def _picture(answer: Result) -> RenderableType:
    text, progress = Text(answer.text), answer.document.get("progress")
    if not progress or not progress["images_total"]:
        return text
    bar = ProgressBar(progress["images_total"], progress["images_done"], width=BAR_WIDTH)
    return Group(text, bar)
