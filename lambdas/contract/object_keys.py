"""Which objects are images, and which keys can be read: one set of rules for launcher and listing.

What the launcher counts and accepts is therefore what the steps find and read. Standard library only, because
Spark workers import it from a zip.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

MAX_KEY_BYTES = 1024
"""S3's limit, in UTF-8. Source: Amazon S3 User Guide, "Object key naming guidelines"."""
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects have to be restored before they can be read. A listing does not tell of those
that Intelligent-Tiering has archived. Source: Amazon S3 User Guide, "Working with archived objects"."""
NO_SUFFIX = "none"

_UNADDRESSABLE = re.compile(r"[\x00-\x1f\x7f]|(?:\A|/)\.{0,2}(?:/|\Z)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_JUNK = re.compile(
    r"(?:\A|/)(?:__MACOSX/|\._[^/]*\Z|\.DS_Store\Z|Thumbs\.db\Z|desktop\.ini\Z)", re.IGNORECASE
)
_SUFFIX = re.compile(r"[^/](\.[a-z0-9]{1,10})\Z")


class Kind(StrEnum):
    """What a listed object is to a run. Every object is exactly one of them."""

    IMAGE = "image"
    UNADDRESSABLE = "unaddressable"
    """An image by its name, but no store client can ask for its key: it is quarantined."""
    PLACEHOLDER = "placeholder"
    """Its key ends with '/': what consoles create to show an empty folder."""
    JUNK = "junk"
    """What file managers leave: ``__MACOSX/``, ``._*``, ``.DS_Store``, ``Thumbs.db``, ``desktop.ini``."""
    OTHER_SUFFIX = "other_suffix"
    """Its name does not end as images of this run do."""


def kind_of(key: str, suffixes: Sequence[str]) -> Kind:
    """What the object of this ``key`` is, given the lower-case ``suffixes`` of the run's images.

    Objects that are no images are never more than skipped, whatever their keys look like.
    """
    if key.endswith("/"):
        return Kind.PLACEHOLDER
    if _JUNK.search(key):
        return Kind.JUNK
    if not key.lower().endswith(tuple(suffixes)):
        return Kind.OTHER_SUFFIX
    return Kind.UNADDRESSABLE if key_problem(key) else Kind.IMAGE


def key_problem(key: str) -> str | None:
    """Why no store client can address the object, or the folder (with its '/'), of this ``key``.

    Clients build a URL's path of the key, in which such segments and characters change or end. The empty key,
    which is all of a bucket, is fine. Source: the documentation of object_store's ``Path``, on which the
    steps' client is built.
    """
    if len(key) * 4 > MAX_KEY_BYTES and len(key.encode(errors="replace")) > MAX_KEY_BYTES:
        return f"has a key of more than {MAX_KEY_BYTES} bytes, S3's limit"
    path = key.removesuffix("/") if len(key) > 1 else key
    if not path or not _UNADDRESSABLE.search(path):
        return None
    if _CONTROL.search(path):
        return "holds a control character"
    if "" in path.split("/"):
        return "holds an empty folder name ('//', or '/' as its first character)"
    return "holds '.' or '..' as the name of a folder or file"


def suffix_of(key: str) -> str:
    """``images/a.JPG`` -> ``.jpg``; ``NO_SUFFIX`` where the name ends with none that a manifest may list."""
    found = _SUFFIX.search(key.lower())
    return found[1] if found else NO_SUFFIX


def archived_in(storage_class: str | None, *, restored: bool) -> str | None:
    """The class in which a listed object is archived; None where it can be read."""
    return storage_class if storage_class in ARCHIVE_CLASSES and not restored else None


def printable(text: str) -> str:
    """``text`` with all that cannot be printed as escapes, so that a message stays one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(text: str) -> str:
    """``text`` in quotes, printable."""
    return f"'{printable(text)}'"
