"""A run as a picture that changes in place, for people who watch it at a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from lambdas.cli.result import ExitCode, Result

BAR_WIDTH = 60


def follow(answers: Iterable[Result], console: Console) -> ExitCode:
    """Show each answer in the place of the one before; the last one stays, and its code is returned."""
    code = ExitCode.OK
    with Live(console=console, auto_refresh=False) as live:
        for answer in answers:
            code = answer.code
            live.update(_picture(answer), refresh=True)
    return code


def _picture(answer: Result) -> RenderableType:
    text, progress = Text(answer.text), answer.document["progress"]
    if not progress or not progress["images_total"]:
        return text
    bar = ProgressBar(progress["images_total"], progress["images_done"], width=BAR_WIDTH)
    return Group(text, bar)
