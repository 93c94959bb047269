"""What a listing held beside images that can simply be read, counted, and told in sentences.

The launcher counts before a run is accepted (plan, rejection, ``fruits plan``), the featurize step when it
lists (report); the status shows the later of the two.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from lambdas.contract.documents import document_from_json
from lambdas.contract.object_keys import NO_SUFFIX, Kind, key_problem, kind_of, shown, suffix_of

SUMMARY_VERSION = 1
"""The major version of the schema, see :mod:`lambdas.contract.documents`."""
SUFFIXES_KEPT = 100
"""Different suffixes that are counted by name; names that end in numbers could be millions."""
SUFFIXES_TOLD = 5
PICTURES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".mpo")
)
"""Suffixes of formats that are read (:mod:`spark.images.decoding`)."""
HOW_TO_RESTORE = "restore it (`aws s3api restore-object`) or copy it to another class, then start a new run"


@dataclass
class ListingSummary:
    """Counts of what was listed, added to object by object. Examples are URIs.

    ``images`` includes those that are ``unaddressable`` or ``archived``: they are quarantined.
    ``skipped``: objects that are no images, by :class:`Kind`. ``suffixes``: of those of ``OTHER_SUFFIX``.
    ``archived``: images by storage class, as far as a listing tells.
    """

    images: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    suffixes: dict[str, int] = field(default_factory=dict)
    unaddressable: int = 0
    unaddressable_example: str | None = None
    backslashes: int = 0
    backslash_example: str | None = None
    archived: dict[str, int] = field(default_factory=dict)
    archived_example: str | None = None

    @property
    def listed(self) -> int:
        """All objects: images and skipped ones."""
        return self.images + sum(self.skipped.values())

    @property
    def unreadable(self) -> int:
        """Images that are known to end in the quarantine."""
        return self.unaddressable + sum(self.archived.values())

    def add(self, uri: str, suffixes: Sequence[str], archived_in: str | None = None) -> Kind:
        """Count one listed object, and say what it is. ``archived_in``: the class in which it is archived."""
        key = key_of(uri)
        kind = kind_of(key, suffixes)
        if kind in (Kind.IMAGE, Kind.UNADDRESSABLE):
            self.take(uri, archived_in)
        else:
            self.skipped[kind] = self.skipped.get(kind, 0) + 1
            if kind is Kind.OTHER_SUFFIX:
                suffix = suffix_of(key)
                known = suffix in self.suffixes or len(self.suffixes) < SUFFIXES_KEPT
                name = suffix if known else NO_SUFFIX
                self.suffixes[name] = self.suffixes.get(name, 0) + 1
        return kind

    def take(self, uri: str, archived_in: str | None = None) -> None:
        """Count one image, whatever its name ends with."""
        self.images += 1
        key = key_of(uri)
        if "\\" in key:
            self.backslashes += 1
            self.backslash_example = self.backslash_example or uri
        if key_problem(key):
            self.unaddressable += 1
            self.unaddressable_example = self.unaddressable_example or uri
        elif archived_in:
            self.archived[archived_in] = self.archived.get(archived_in, 0) + 1
            self.archived_example = self.archived_example or uri

    def merge(self, other: ListingSummary) -> None:
        """Count what another one has counted, too."""
        for name in ("skipped", "suffixes", "archived"):
            counts = getattr(self, name)
            for key, count in getattr(other, name).items():
                counts[key] = counts.get(key, 0) + count
        self.images += other.images
        self.unaddressable += other.unaddressable
        self.backslashes += other.backslashes
        self.unaddressable_example = self.unaddressable_example or other.unaddressable_example
        self.backslash_example = self.backslash_example or other.backslash_example
        self.archived_example = self.archived_example or other.archived_example

    def notes(self) -> tuple[str, ...]:
        """What a person should know, a sentence each; none where all that was listed is images."""
        return tuple(
            filter(None, (self._left_out(), *self._skipped(), *self._unreadable(), self._backslash()))
        )

    def counts_by_suffix(self) -> str:
        """``.webp 500, .jfif 20``: of what was left out, the most frequent first."""
        ordered = sorted(self.suffixes.items(), key=lambda entry: (-entry[1], entry[0]))
        return ", ".join(f"{suffix} {count:,}" for suffix, count in ordered[:SUFFIXES_TOLD])

    def pictures_left_out(self) -> tuple[str, ...]:
        """Suffixes of pictures among what was left out: images.suffixes would take them."""
        return tuple(sorted(PICTURES.intersection(self.suffixes), key=lambda name: -self.suffixes[name]))

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> ListingSummary:
        """Read it back, as any document: raises UnreadableError, and leaves aside what it does not know."""
        return document_from_json(cls, text, SUMMARY_VERSION)

    def _left_out(self) -> str:
        if not self.suffixes:
            return ""
        text = f"{_objects(sum(self.suffixes.values()))} left out for the suffix ({self.counts_by_suffix()})"
        taken = ", ".join(self.pictures_left_out())
        return f"{text}; images.suffixes would take {taken}." if taken else f"{text}."

    def _skipped(self) -> tuple[str, ...]:
        junk, placeholders = (self.skipped.get(kind, 0) for kind in (Kind.JUNK, Kind.PLACEHOLDER))
        return (
            f"{_objects(junk)} skipped as what file managers leave behind (__MACOSX/, ._*, .DS_Store, "
            "Thumbs.db, desktop.ini)."
            if junk
            else "",
            f"{_objects(placeholders)} skipped for a key that ends with '/', as a folder's placeholder."
            if placeholders
            else "",
        )

    def _unreadable(self) -> tuple[str, ...]:
        example = self.unaddressable_example
        bad = (
            f"{images_are(self.unaddressable)} quarantined, because no store client can address such a key: "
            f"{shown(example)} {key_problem(key_of(example))}. Rename what is to be read."
            if example
            else ""
        )
        archived = (
            f"{images_are(sum(self.archived.values()))} quarantined unless restored meanwhile: archived in "
            f"{', '.join(f'{name} ({count:,})' for name, count in sorted(self.archived.items()))}, for "
            f"example {shown(self.archived_example)}. To have features of such an image, {HOW_TO_RESTORE}."
            if self.archived_example
            else ""
        )
        return bad, archived

    def _backslash(self) -> str:
        if self.backslash_example is None:
            return ""
        keys = "1 key holds" if self.backslashes == 1 else f"{self.backslashes:,} keys hold"
        return (
            f"{keys} a backslash, for example {shown(self.backslash_example)}: S3 divides folders by '/' "
            "alone. Where it is in the name behind the last '/', parent_folder gives no label. Rename what "
            "was meant as a folder."
        )


def key_of(uri: str) -> str:
    """``s3://bucket/some/key`` -> ``some/key``; of ``file:///some/key``, too."""
    return uri.partition("://")[2].partition("/")[2]


def _objects(count: int) -> str:
    return "1 object was" if count == 1 else f"{count:,} objects were"


def images_are(count: int) -> str:
    """``1 image is``, ``2 images are``: the beginning of a sentence."""
    return "1 image is" if count == 1 else f"{count:,} images are"
