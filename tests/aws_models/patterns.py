"""AWS' regular expressions, which are Java's, as Python's ``regex`` package reads them.

Source: the documentation of java.util.regex.Pattern, from which all differences below are taken.
"""

from __future__ import annotations

import functools

import regex

_CLASSES = {"w": "a-zA-Z0-9_", "d": "0-9", "s": r" \t\n\x0b\f\r"}
"""Java means ASCII by these, Python every alphabet."""
_POSIX = ("Alpha", "Digit", "Alnum", "Upper", "Lower", "Graph", "Print", "Blank", "Cntrl", "XDigit")
"""The same names mean ASCII only in Java, everything in ``regex``."""
_PROPERTIES = {
    **{name: rf"[\p{{ASCII}}&&\p{{{name}}}]" for name in _POSIX},
    "Punct": r"[\p{ASCII}&&[\p{P}\p{S}]]",
    "LD": r"[\p{L}\p{Nd}]",
    "all": r"\p{Any}",
}
_ESCAPE = regex.compile(
    r"\\(?:(?P<high>u[dD][89abAB]\p{XDigit}{2})\\(?P<low>u[dD][c-fC-F]\p{XDigit}{2})"
    r"|(?P<not>[pP])\{(?P<property>\w+)\}"
    r"|x\{(?P<code>\p{XDigit}+)\}"
    r"|(?P<letter>u\p{XDigit}{4}|x\p{XDigit}{2}|.))",
    regex.DOTALL,
)
_SET_OPERATORS = frozenset("-|~")
"""Doubled inside a set they are operators of ``regex``, and plain characters to Java."""


@functools.cache
def compiled(pattern: str) -> regex.Pattern[str]:
    """The expression to ``fullmatch`` with: a service asks that the whole value match, anchored or not.

    Raises:
        regex.error: it cannot be read.
    """
    return regex.compile(_translated(pattern), regex.VERSION1)


def _translated(pattern: str) -> str:
    parts: list[str] = []
    depth = position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "\\" and (escape := _ESCAPE.match(pattern, position)):
            parts.append(_escape(escape))
            position = escape.end()
            continue
        if character == "[":
            depth += 1
        elif character == "]" and depth:
            depth -= 1
        elif depth and character in _SET_OPERATORS and pattern[position - 1] == character:
            character = "\\" + character
        parts.append(character)
        position += 1
    return "".join(parts)


def _escape(escape: regex.Match[str]) -> str:
    found = escape.groupdict()
    letter = found["letter"] or ""
    if found["high"]:
        units = int(found["high"][1:], 16), int(found["low"][1:], 16)
        return rf"\U{0x10000 + ((units[0] - 0xD800) << 10) + units[1] - 0xDC00:08x}"
    if found["code"]:
        return rf"\U{int(found['code'], 16):08x}"
    if found["property"] in _PROPERTIES:
        inside = _PROPERTIES[found["property"]]
        return f"[^{inside}]" if found["not"] == "P" else inside
    if letter in _CLASSES:
        return f"[{_CLASSES[letter]}]"
    if letter.lower() in _CLASSES:
        return f"[^{_CLASSES[letter.lower()]}]"
    return r"\Z" if letter == "z" else escape[0]
