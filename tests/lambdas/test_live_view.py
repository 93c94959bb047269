"""What a person sees who follows a run: a picture at a terminal of any width, lines elsewhere."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from lambdas.cli.live_view import follow
from lambdas.cli.result import ExitCode, Result

ESCAPES = re.compile(r"\x1b\[[?\d;]*[A-Za-z]")
RESULT = "  results  s3://a-bucket/Results/fruits/fruits-0123456789ab/"


def answers() -> Iterator[Result]:
    for done in (60, 60, 122):
        text = f"fruits-1  RUNNING\n  now      featurize: infer, {done} of 122 images"
        yield Result({"progress": {"images_done": done, "images_total": 122}}, text)
    yield Result({"progress": None}, f"fruits-1  FAILED\n{RESULT}", ExitCode.NO)


def seen(**terminal: Any) -> str:
    screen = io.StringIO()
    assert follow(answers(), Console(file=screen, legacy_windows=False, **terminal)) == ExitCode.NO
    return screen.getvalue()


@pytest.fixture(autouse=True)
def a_terminal_that_can_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")


def test_a_terminal_is_drawn_over_and_keeps_the_end_alone() -> None:
    drawn = seen(force_terminal=True, width=100)
    assert "60 of 122 images" in drawn
    assert "━" in drawn
    left = ESCAPES.sub("", drawn.rpartition("\x1b[2K")[2])
    assert left.splitlines() == ["fruits-1  FAILED", RESULT]


@pytest.mark.parametrize("width", [20, 40, 100])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    drawn = ESCAPES.sub("", seen(force_terminal=True, width=width))
    assert max(len(line) for row in drawn.splitlines() for line in row.split("\r")) <= width


def test_a_terminal_without_colours_is_drawn_over_without_colours() -> None:
    drawn = seen(force_terminal=True, width=100, no_color=True)
    assert not re.search(r"\x1b\[[\d;]*3\dm", drawn)
    assert "60 of 122 images" in drawn


@pytest.mark.parametrize("terminal", [False, True])
def test_elsewhere_and_at_a_terminal_that_cannot_draw_each_change_is_told_once_in_whole_lines(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    told = seen(width=20, force_terminal=terminal)
    assert told.splitlines() == [
        "fruits-1  RUNNING",
        "  now      featurize: infer, 60 of 122 images",
        "fruits-1  RUNNING",
        "  now      featurize: infer, 122 of 122 images",
        "fruits-1  FAILED",
        RESULT,
    ]
