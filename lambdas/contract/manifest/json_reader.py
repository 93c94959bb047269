"""Reading JSON that a person wrote: every mistake gets a place and a remedy.

Stricter than :func:`json.loads`, which keeps the last of two equal keys and accepts ``NaN``.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from typing import Any

from lambdas.contract.manifest.faults import Fault, ManifestError, json_path, shorten

MAX_BYTES = 1024 * 1024
"""Largest manifest that is read: 1 MiB, some 15,000 explicit keys."""

_CHECK_LOCALLY = "`python3 -m json.tool <file>` checks a file before it is uploaded."


def read_json(body: bytes) -> tuple[Any, list[Fault]]:
    """The document, and faults that do not keep it from being checked further (equal keys, NaN).

    Raises:
        ManifestError: there is no document: too large, empty, not UTF-8, not JSON, nested too deeply.
    """
    text = _text(body)
    try:
        document = json.loads(text, object_pairs_hook=_Object)
    except json.JSONDecodeError as error:
        raise ManifestError([_syntax_fault(error)]) from error
    except RecursionError as error:
        raise _whole("is nested too deeply", "A manifest has three levels at most.") from error
    except ValueError as error:  # json.loads raises it for integers of more than 4,300 digits
        raise _whole("holds a number of thousands of digits", "Write a number of ordinary size.") from error
    faults = _tree_faults(document)
    if any(fault.problem == _BROKEN_TEXT for fault in faults):
        raise ManifestError(faults)  # such a text can be neither stored nor used as a key
    return document, faults


_BROKEN_TEXT = "holds half of a surrogate pair, which is no character"
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Object(dict[str, Any]):
    """A JSON object that remembers which keys were given twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]


def _text(body: bytes) -> str:
    if len(body) > MAX_BYTES:
        remedy = "Name a prefix (images.prefixes) instead of listing every key."
        raise _whole(f"is larger than {MAX_BYTES:,} bytes, the limit for a manifest", remedy)
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _whole("is encoded in UTF-16", "Save the file as UTF-8 and upload it again.")
    if body.startswith(codecs.BOM_UTF8):
        raise _whole("starts with a byte order mark", "Save the file as UTF-8 without BOM; upload it again.")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        place = f"is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}"
        raise _whole(place, "Save the file as UTF-8 and upload it again.") from error
    if not text.strip():
        raise _whole("is empty", "Upload a JSON object with at least version, dataset and images.")
    return text


def _whole(problem: str, remedy: str) -> ManifestError:
    return ManifestError([Fault("$", problem, remedy)])


def _syntax_fault(error: json.JSONDecodeError) -> Fault:
    rest = error.doc[error.pos :].partition("\n")[0].strip()
    found = f"found {shorten(rest, 30)}" if rest else "the text ends there"
    reason = error.msg[0].lower() + error.msg[1:].removesuffix(" at")
    problem = f"is not JSON: line {error.lineno}, column {error.colno}: {reason}; {found}"
    return Fault("$", problem, f"Correct that place and upload the manifest again. {_CHECK_LOCALLY}")


def _tree_faults(document: Any) -> list[Fault]:
    faults: list[Fault] = []
    # A list of pending nodes, not recursion: depth is the uploader's choice.
    pending: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while pending:
        location, node = pending.pop()
        if isinstance(node, _Object):
            faults += [
                Fault(json_path((*location, key)), "is given more than once", "Keep one of them.")
                for key in node.repeated
            ]
            pending += [((*location, key), key) for key in node if not _is_text(key)]
            pending += [((*location, key), child) for key, child in node.items()]
        elif isinstance(node, list):
            pending += [((*location, index), child) for index, child in enumerate(node)]
        elif isinstance(node, str) and not _is_text(node):
            faults.append(Fault(json_path(location), _BROKEN_TEXT, "Write the character itself."))
        elif isinstance(node, float) and not math.isfinite(node):
            faults.append(Fault(json_path(location), "is not a finite number", "Write an ordinary number."))
    return faults


def _is_text(text: str) -> bool:
    return _SURROGATE.search(text) is None
