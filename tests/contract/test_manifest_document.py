"""docs/manifest.md says of the manifest what the schema says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lambdas.contract.manifest.faults import ManifestError
from lambdas.contract.manifest.json_schema import json_schema
from lambdas.contract.manifest.reference import BEGIN, END, field_tables, with_fields
from lambdas.contract.manifest.schema import Manifest, parse_either, parse_manifest
from lambdas.contract.manifest.workbench import WorkbenchManifest

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "manifest.md").read_text()
EXAMPLES = [
    json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
]


def row(tables: str, field: str) -> list[str]:
    (found,) = re.findall(rf"^\| `{field}` \| .*$", tables, re.MULTILINE)
    return [cell.strip() for cell in found.strip("|").split("|")]


def section(**field: Any) -> dict[str, Any]:
    return {"description": "About.", "properties": {"x": {"description": "What it means.", **field}}}


def test_the_tables_are_what_the_schema_says() -> None:
    assert with_fields(DOCUMENT) == DOCUMENT, (
        "run: .venv/bin/python -m lambdas.contract.manifest.reference docs/manifest.md"
    )


@pytest.mark.parametrize("kind", [Manifest, WorkbenchManifest])
def test_every_field_of_every_section_has_a_row(kind: type[Manifest | WorkbenchManifest]) -> None:
    schema = json_schema(kind)
    sections = [schema, *schema["$defs"].values()]
    rows = re.findall(r"^\| `(\w+)` \|", field_tables(schema), re.MULTILINE)
    assert sorted(rows) == sorted(name for part in sections for name in part["properties"])


def test_a_row_tells_value_default_meaning_and_example() -> None:
    assert row(field_tables(json_schema()), "workers") == [
        "`workers`", "a whole number, at least 1, at most 50", "`2`", "Worker nodes.", "`2`",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"const": 1, "type": "integer"}, "`1`"),
        ({"enum": ["a", "b"], "type": "string"}, '`"a"` or `"b"`'),
        ({"type": "boolean"}, "`true` or `false`"),
        (
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "a number, more than 0, less than 1",
        ),
        ({"type": "number", "minimum": 0.5, "maximum": 9}, "a number, at least 0.5, at most 9"),
        ({"type": "string", "maxLength": 7}, "a text, at most 7 characters"),
        ({"type": "string", "pattern": "^a$"}, "a text, matching `^a$`"),
        ({"type": "array", "minItems": 1, "items": {"type": "string"}}, "a list of 1 or more texts"),
        (
            {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string", "pattern": "^b$"}},
            "a list of 1 to 3 texts, each matching `^b$`",
        ),
        (
            {"type": "array", "minItems": 2, "maxItems": 3, "items": {"type": "string", "enum": ["a", "b"]}},
            'a list of 2 to 3 of: `"a"`, `"b"`',
        ),
    ],
)
def test_what_a_value_may_be_is_told_in_words(field: dict[str, Any], words: str) -> None:
    assert row(field_tables(section(**field)), "x")[1] == words


def test_a_required_field_says_so_in_place_of_a_default() -> None:
    assert row(field_tables({**section(type="boolean"), "required": ["x"]}), "x")[2] == "required"
    assert row(field_tables(section(type="boolean", default=False)), "x")[2] == "`false`"
    assert row(field_tables(section(type="boolean")), "x")[2] == ""


def test_only_what_is_between_the_markers_is_written() -> None:
    written = with_fields(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert written.startswith(f"before\n{BEGIN}\n\n### The top level")
    assert written.endswith(f"\n{END}\nafter\n")
    assert "\nold\n" not in written
    assert with_fields(f"{BEGIN}old{BEGIN}{END}more{END}end").endswith(f"\n{END}more{END}end")
    assert with_fields(f"{BEGIN}{BEGIN}{END}").startswith(f"{BEGIN}\n\n### The top level")


@pytest.mark.parametrize("document", ["nothing", BEGIN, f"{END}{BEGIN}"])
def test_a_document_without_its_markers_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match="the document lacks"):
        with_fields(document)


@pytest.mark.parametrize("example", [one for one in EXAMPLES if "version" in one], ids=len)
def test_an_example_is_a_manifest_that_is_taken(example: dict[str, Any]) -> None:
    asked = parse_either(json.dumps(example).encode())
    assert isinstance(asked, WorkbenchManifest if "workbench" in example else Manifest)


def test_the_rejection_shown_is_what_such_a_manifest_gets() -> None:
    smallest, *_, rejection = EXAMPLES
    (fault,) = rejection["faults"]
    bad = {**smallest, "label": {"regex": "/[^/]+_[0-9]+"}}
    with pytest.raises(ManifestError) as refused:
        parse_manifest(json.dumps(bad).encode())
    assert [vars(found) for found in refused.value.faults] == [fault]
