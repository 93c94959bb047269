"""What is said of one thing that was looked for. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lambdas.report.published import Photos

GROUPS_SHOWN = 12
BRIEF = 60
"""Characters of a name beside a photo."""
_ONE = {"photos": "photo", "pairs": "pair", "groups": "group", "views": "view", "classes": "class"}
Columns = list[tuple[str, str]]
"""Name and kind of each column of a list: ``path`` (a row of the photos), ``text`` or ``number``."""


@dataclass(frozen=True)
class Shown:
    """A photo, by its row, and what is written below it."""

    row: int
    caption: str


@dataclass(frozen=True)
class Group:
    """Photos that belong together, and what is said of them."""

    photos: tuple[Shown, ...]
    says: str


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for. ``count``: how many ``unit``; None: it was not looked for.

    ``unit`` begins with the word for several: photos, pairs, groups, views, classes.
    """

    id: str
    title: str
    count: int | None
    unit: str
    says: str
    how: str
    groups: tuple[Group, ...] = ()
    columns: Columns = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    """All of the list, for its CSV, what matters most first."""
    is_complete: bool = True
    """Whether there are no more than ``count``: the search may have been ended before."""

    @property
    def level(self) -> str:
        """``odd``, ``none`` or ``unknown``."""
        return "unknown" if self.count is None else "odd" if self.count else "none"

    @property
    def number(self) -> str:
        """The count, as it is shown."""
        if self.count is None:
            return "\N{EN DASH}"
        return f"{'' if self.is_complete else '≥ '}{self.count:,}"

    @property
    def counted(self) -> str:
        """The unit, for as many as there are."""
        several, _, rest = self.unit.partition(" ")
        return f"{_ONE[several]} {rest}" if self.count == 1 else self.unit

    @property
    def rows_shown(self) -> Iterator[int]:
        return (photo.row for group in self.groups for photo in group.photos)

    @property
    def more(self) -> str:
        """That not all are shown."""
        hidden = (self.count or 0) - len(self.groups)
        if not (self.groups and self.rows and hidden > 0):
            return ""
        return f"{hidden:,} more {'is' if hidden == 1 else 'are'} in the list."


def labelled(row: int, photos: Photos) -> Shown:
    """A photo above its label and its file's name."""
    return Shown(row, f"{label_of(row, photos)}: {file_name(photos.paths[row])}")


def label_of(row: int, photos: Photos) -> str:
    """The label of a photo, in short."""
    return brief(photos.name(row) or "no label")


def file_name(path: str) -> str:
    """The name of a file, in short."""
    return brief(path.rpartition("/")[2])


def brief(text: str) -> str:
    """``text``, without its middle where it is long: labels are made of keys of up to 1,024 bytes."""
    return text if len(text) <= BRIEF else f"{text[: BRIEF // 2]}…{text[-BRIEF // 2 :]}"
