"""What a reader of a published table needs of its ``_manifest.json``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.contract.documents import UnreadableError
from lambdas.contract.published import Part, PublishedTable

PART = {"name": "part-00000.parquet", "rows": 2, "bytes": 7, "sha256": "ab"}
DOCUMENT: dict[str, Any] = {"rows": 2, "columns": {"path": "string"}, "parts": [PART], "provenance": {"x": 1}}


def test_the_parts_are_read_and_what_else_there_is_is_left_aside() -> None:
    table = PublishedTable.from_json(json.dumps(DOCUMENT).encode())
    assert table == PublishedTable(2, {"path": "string"}, (Part("part-00000.parquet", 2, 7, "ab"),))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "is not JSON"),
        (json.dumps({**DOCUMENT, "version": 2}).encode(), "a newer release wrote it"),
        (json.dumps({"rows": 2, "columns": {}}).encode(), "lacks parts"),
    ],
)
def test_what_cannot_be_read_says_why(text: bytes, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        PublishedTable.from_json(text)
