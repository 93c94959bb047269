"""The field tables of docs/manifest.md, made from the schema.

``python -m lambdas.contract.manifest.reference docs/manifest.md`` writes them into that document, between its
two marker comments; the text around them is written by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lambdas.contract.manifest.json_schema import json_schema
from lambdas.contract.manifest.workbench import WorkbenchManifest

BEGIN = "<!-- fields: `python -m lambdas.contract.manifest.reference docs/manifest.md` -->"
END = "<!-- end of fields -->"
WORKBENCH = "## The fields of a workbench"
_HEADER = "| field | value | default | meaning | example |\n|---|---|---|---|---|"
_UNITS = {"string": "texts", "integer": "whole numbers"}


def with_fields(document: str) -> str:
    """``document`` with the tables as the schema has them now.

    Raises:
        ValueError: it lacks one of the markers.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document lacks {BEGIN!r} or, behind that, {END!r}")
    datasets, workbenches = field_tables(json_schema()), field_tables(json_schema(WorkbenchManifest))
    return f"{before}{BEGIN}\n\n{datasets}\n{WORKBENCH}\n\n{workbenches}\n{END}{after}"


def field_tables(schema: Mapping[str, Any]) -> str:
    """Markdown: one table of the top level's fields, then one a section, under the section's name."""
    parts = [_table("The top level", schema["description"], schema)]
    for name, field in schema["properties"].items():
        for section in (_section(choice, schema) for choice in field.get("oneOf", [field])):
            if section is not None:
                parts.append(_table(f"`{name}`", section["description"], section))
    return "\n".join(parts)


def _section(field: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if "$ref" not in field:
        return None
    found: Mapping[str, Any] = schema["$defs"][field["$ref"].rpartition("/")[2]]
    return found


def _table(title: str, description: str, section: Mapping[str, Any]) -> str:
    required = section.get("required", ())
    rows = [_row(name, field, required=name in required) for name, field in section["properties"].items()]
    return "\n".join([f"### {title}", "", description.replace("``", "`"), "", _HEADER, *rows, ""])


def _row(name: str, field: Mapping[str, Any], *, required: bool) -> str:
    default = "required" if required else "" if "$ref" in field else _shown(field.get("default"))
    example = _shown(next(iter(field.get("examples", [])), None))
    cells = [f"`{name}`", _value(name, field), default, field["description"], example]
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _value(name: str, field: Mapping[str, Any]) -> str:
    """What may stand there, in words."""
    if "$ref" in field:
        return f"an object, see [{name}](#{name})"
    if "oneOf" in field:
        return ", or ".join(_value(name, choice) for choice in field["oneOf"])
    if "const" in field:
        return _shown(field["const"])
    if "enum" in field:
        return " or ".join(map(_shown, field["enum"]))
    if field["type"] == "array":
        return f"a list of {_count(field)}{_items(field['items'])}"
    if field["type"] == "boolean":
        return "`true` or `false`"
    limits = {
        "minimum": "at least {}",
        "exclusiveMinimum": "more than {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "less than {}",
        "maxLength": "at most {} characters",
        "pattern": "matching `{}`",
    }
    kind = {"integer": "a whole number", "number": "a number", "string": "a text"}[field["type"]]
    return ", ".join([kind, *(text.format(field[key]) for key, text in limits.items() if key in field)])


def _count(field: Mapping[str, Any]) -> str:
    least, most = field["minItems"], field.get("maxItems")
    return f"{least} to {most} " if most else f"{least} or more "


def _items(item: Mapping[str, Any]) -> str:
    if "enum" in item:
        return f"of: {', '.join(map(_shown, item['enum']))}"
    pattern = f", each matching `{item['pattern']}`" if "pattern" in item else ""
    return f"{_UNITS[item['type']]}{pattern}"


def _shown(value: Any) -> str:
    return "" if value is None else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(with_fields(target.read_text()))
