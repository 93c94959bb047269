"""A folder of photos on this machine: what in it a run would take, and what is wrong with it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lambdas.cli.views import count
from lambdas.contract.listing_summary import PICTURES, ListingSummary
from lambdas.contract.manifest.faults import Fault
from lambdas.contract.object_keys import Kind, key_problem, shown

SHOWN = 3
"""Names of a kind that a message lists."""
NAME_LENGTH = 40
CLASS_FOLDERS = "a folder that holds a folder of photos for each class"
_READABLE = {"effective_ids": True} if os.access in os.supports_effective_ids else {}


@dataclass(frozen=True)
class Photo:
    """A file that a run would take. ``name``: its path below the folder, with ``/``; ``size`` in bytes."""

    path: Path
    name: str
    size: int

    @property
    def suffix(self) -> str:
        """How its name ends, as :data:`PICTURES` has it."""
        return next(suffix for suffix in PICTURES if self.name.lower().endswith(suffix))

    @property
    def has_class(self) -> bool:
        """Whether it lies in a folder of the folder."""
        return "/" in self.name


@dataclass(frozen=True)
class PhotoFolder:
    """What a folder holds. ``listing`` counts all files; the last two are files, each with the reason."""

    folder: Path
    photos: tuple[Photo, ...]
    listing: ListingSummary
    unreadable: tuple[str, ...]
    unaddressable: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all photos."""
        return sum(photo.size for photo in self.photos)

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How the photos' names end, in lower case."""
        return tuple(sorted({photo.suffix for photo in self.photos}))

    def faults(self) -> tuple[Fault, ...]:
        """Why it cannot be submitted as it is; empty where it can."""
        return tuple(self._faults())

    def _faults(self) -> Iterator[Fault]:
        where = str(self.folder)
        if self.unreadable:
            yield Fault(
                where,
                f"holds {_listed(self.unreadable, 'file')} that cannot be read",
                "Make them readable, or take them out, and submit again.",
            )
        if self.unaddressable:
            yield Fault(
                where,
                f"holds {_listed(self.unaddressable, 'file')} whose name can be no object's key",
                "Rename them, or take them out, and submit again.",
            )
        if self.photos:
            if not any(photo.has_class for photo in self.photos):
                yield Fault(
                    where,
                    f"holds {count(len(self.photos), 'photo')}, but no class folders",
                    f"Name {CLASS_FOLDERS}: the folder's name becomes the label. Photos without labels: put "
                    'them into the bucket yourself, and submit a manifest with "label": "none".',
                )
        elif not (self.unreadable or self.unaddressable):
            yield Fault(where, self._nothing(), f"Name {CLASS_FOLDERS}.")

    def _nothing(self) -> str:
        if not self.listing.listed:
            return "is empty"
        seen = f"; suffixes seen: {self.listing.counts_by_suffix()}" if self.listing.suffixes else ""
        files = count(self.listing.listed, "file")
        return f"holds no photo: {files}, but none ends in {', '.join(sorted(PICTURES))}{seen}"

    def notes(self) -> tuple[str, ...]:
        """What a person should know, a sentence each."""
        others = sum(self.listing.suffixes.values())
        junk = self.listing.skipped.get(Kind.JUNK, 0)
        loose = sum(not photo.has_class for photo in self.photos)
        is_flat = loose == len(self.photos)  # which is a fault
        return tuple(
            filter(
                None,
                (
                    f"{count(others, 'file')} left out for the suffix ({self.listing.counts_by_suffix()})."
                    if others
                    else "",
                    f"{count(junk, 'file')} of file managers left out (__MACOSX/, ._*, .DS_Store, ...)."
                    if junk
                    else "",
                    f"{count(loose, 'photo')} in no class folder: the data set's name is the label there."
                    if loose and not is_flat
                    else "",
                ),
            )
        )


def read_folder(folder: Path, prefix: str = "") -> PhotoFolder:
    """Look at every file below ``folder``, sorted by name; links are followed. Nothing is opened.

    ``prefix``: where the photos' keys are to begin.

    Raises:
        OSError: the folder itself cannot be read.
    """
    listing = ListingSummary()
    photos: list[Photo] = []
    unreadable: list[str] = []
    unaddressable: list[str] = []
    for found in _files(folder, "", (_identity(folder),)):
        if isinstance(found, _Problem):
            unreadable.append(f"{shown(found.name)} ({found.why})")
            continue
        name, entry = found
        # As the launcher counts: a key that cannot be addressed is an image, too.
        if listing.add(f"file:///{name}", tuple(PICTURES)) not in (Kind.IMAGE, Kind.UNADDRESSABLE):
            continue
        if why := _name_problem(prefix + name):
            unaddressable.append(f"{shown(name)} ({why})")
            continue
        photo = _photo(entry, name)
        if isinstance(photo, _Problem):
            unreadable.append(f"{shown(photo.name)} ({photo.why})")
        else:
            photos.append(photo)
    return PhotoFolder(folder, tuple(photos), listing, tuple(unreadable), tuple(unaddressable))


def dataset_name(folder: Path) -> str:
    """A valid data set's name made of a folder's name: ``Fruits 360/Test`` -> ``test``."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return name[:NAME_LENGTH] or "images"


@dataclass(frozen=True)
class _Problem:
    name: str
    why: str


def _files(
    folder: Path | str, below: str, above: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, os.DirEntry[str]] | _Problem]:
    """Every file with its name from the top. ``above``: the folders that it is in, by identity."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        name = below + entry.name
        try:
            if not entry.is_dir():
                yield name, entry
                continue
            identity = _identity(entry.path)
            if identity in above:
                yield _Problem(name, "leads back into a folder that it is in")
            else:
                yield from _files(entry.path, f"{name}/", (*above, identity))
        except OSError as error:
            yield _Problem(name, error.strerror or str(error))


def _identity(folder: Path | str) -> tuple[int, int]:
    known = os.stat(folder)  # noqa: PTH116  # a path as scandir gives it
    return known.st_dev, known.st_ino


def _photo(entry: os.DirEntry[str], name: str) -> Photo | _Problem:
    try:
        known = entry.stat()
    except OSError as error:
        return _Problem(name, error.strerror or str(error))
    if not stat.S_ISREG(known.st_mode):
        return _Problem(name, "is no regular file")
    if not os.access(entry.path, os.R_OK, **_READABLE):
        return _Problem(name, "Permission denied")
    return Photo(Path(entry.path), name, known.st_size)


def _name_problem(key: str) -> str | None:
    try:
        key.encode()
    except UnicodeEncodeError:
        return "is not UTF-8"
    return key_problem(key)


def _listed(names: tuple[str, ...], noun: str) -> str:
    """``2 files ('a' (why), 'b' (why))``."""
    more = ", ..." if len(names) > SHOWN else ""
    return f"{count(len(names), noun)} [{', '.join(names[:SHOWN])}{more}]"
