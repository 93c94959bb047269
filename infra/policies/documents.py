"""Documents: JSON inside a property, of which a preview may know only parts."""

from __future__ import annotations

import json
from typing import Any

from infra.policies.resource import KNOWN_LATER, UNKNOWN


class UnreadableError(ValueError):
    """Nobody can judge the document. The text says why and what to do."""


def parse(document: Any) -> Any:
    """What a document says, ``UNKNOWN`` standing for what is known later.

    Args:
        document: JSON text, or what it was made of.

    Raises:
        UnreadableError: the document is unknown as a whole, or no JSON.
    """
    if document is UNKNOWN:
        raise UnreadableError(
            "is unknown as a whole until it is created, so nobody can judge it before; "
            "make it with infra.components.json_documents.document, which keeps what is known"
        )
    if not isinstance(document, str):
        return document
    try:
        return _with_unknowns(json.loads(document))
    except ValueError as problem:
        remedy = "make it with infra.components.json_documents.document"
        raise UnreadableError(f"is no JSON ({problem}); {remedy}") from problem


def _with_unknowns(value: Any) -> Any:
    if value == KNOWN_LATER:
        return UNKNOWN
    if isinstance(value, dict):
        return {key: _with_unknowns(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_unknowns(item) for item in value]
    return value
