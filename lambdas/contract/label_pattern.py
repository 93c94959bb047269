"""Label patterns: RE2's regular expressions, for the launcher that checks them and the steps that search.

RE2 searches in time that grows with the text alone, whatever the pattern's author wrote. What that excludes
(look-ahead, look-behind, back-references) is refused with a sentence. Source: RE2's wiki, "Syntax" and
"WhyRE2".
"""

from __future__ import annotations

import re
from typing import Protocol

import re2

NO_GROUP = "has no group"
_LOOKS = re.compile(r"\(\?<?[=!]")
_BACK_REFERENCE = re.compile(r"(?<!\\)(?:\\\\)*(?:\\[1-9]|\(\?P=)")
_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")
_QUOTED = re.compile(r"(?<!\\)(?:\\\\)*\\Q.*?(?:\\E|$)", re.DOTALL)
_END = re.compile(r"(?<!\\)(?:\\\\)*\\Z")


class Match(Protocol):
    """What a search found."""

    def group(self, number: int) -> str | None: ...


class Pattern(Protocol):
    """A compiled pattern."""

    groups: int

    def search(self, text: str) -> Match | None: ...


class PatternError(ValueError):
    """The pattern cannot be used. The message continues "a pattern, which ..."."""


def compile_pattern(pattern: str) -> Pattern:
    """The pattern, ready to search.

    Raises:
        PatternError: it is no regular expression of RE2's, or has no group.
    """
    options = re2.Options()
    options.log_errors = False  # RE2 would also write to standard error
    try:
        compiled: Pattern = re2.compile(pattern, options)
    except re2.error as error:
        raise PatternError(_why(pattern, error)) from error
    if _BYTE.search(_QUOTED.sub("", pattern)):
        raise PatternError(
            r"holds \C, which is not supported: a single byte may be half a letter; write a dot"
        )
    if compiled.groups < 1:
        raise PatternError(NO_GROUP)
    return compiled


def _why(pattern: str, error: Exception) -> str:
    if _LOOKS.search(pattern):
        return "looks ahead or behind, which is not supported: such a search may take for ever"
    if _BACK_REFERENCE.search(pattern):
        return "refers back to a group, which is not supported: such a search may take for ever"
    if _END.search(pattern):
        return r"holds \Z, which is not supported: write $ for the end of the path"
    said = error.args[0]  # RE2's own words are bytes, its Python package's a text
    return f"is no regular expression: {said.decode() if isinstance(said, bytes) else said}"
