"""Faults: what is wrong with a manifest, where, and what to do about it. For people."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lambdas.contract.object_keys import printable

MAX_FAULTS = 100
"""Faults reported at once: a list of thousands of bad keys should not make thousands."""


@dataclass(frozen=True)
class Fault:
    """One thing to correct.

    ``path`` names the field (``$.images.prefixes[0]``), ``problem`` continues it as a sentence,
    ``remedy`` says what to write instead, ``nearest`` is the known word that was probably meant.
    """

    path: str
    problem: str
    remedy: str
    nearest: str | None = None


class ManifestError(ValueError):
    """The manifest cannot be run. :attr:`faults`: all that is wrong, one a path, at most ``MAX_FAULTS``."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = _first_of_each_path(faults)
        super().__init__("; ".join(f"{fault.path} {fault.problem}" for fault in self.faults))


def _first_of_each_path(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    by_path: dict[str, Fault] = {}
    for fault in faults:
        by_path.setdefault(fault.path, fault)
    kept = list(by_path.values())
    if len(kept) > MAX_FAULTS:
        more = f"has {len(kept) - MAX_FAULTS + 1} more faults"
        kept[MAX_FAULTS - 1 :] = [Fault("$", more, "Correct these first and upload the manifest again.")]
    return tuple(kept)


def json_path(location: Sequence[str | int]) -> str:
    """``("images", "prefixes", 0)`` -> ``$.images.prefixes[0]``; odd keys are quoted: ``$["a b"]``."""
    path = "$"
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.isidentifier() and step == shorten(step):
            path += f".{step}"
        else:
            path += f"[{json.dumps(shorten(step))}]"
    return path


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``; None when none is alike."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(shorten(word).lower(), by_lower)
    return by_lower[found[0]] if found else None


def one_of(ways: Sequence[str], between: str = ", or ") -> str:
    """The remedy where any of several would do, or the only one: ``Either a, or b.``, ``A.``"""
    if len(ways) == 1:
        return f"{ways[0][0].upper()}{ways[0][1:]}."
    return f"Either {between.join(ways)}."


def shorten(text: str, limit: int = 80) -> str:
    """``text`` cut to ``limit`` characters and printable, so that messages stay so whatever was uploaded."""
    text = text.encode(errors="backslashreplace").decode()  # JSON can hold half a surrogate pair
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def describe(value: object) -> str:
    """A JSON value in words: ``the text "2"``, ``a list``, ``true``, ``3``."""
    if isinstance(value, str):
        return f"the text {printable(json.dumps(shorten(value), ensure_ascii=False))}"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of more than 19 digits"  # Python refuses to print integers of thousands of digits
    return json.dumps(value)
