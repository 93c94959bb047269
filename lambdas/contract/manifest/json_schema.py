"""The manifest's schemas for other programs: ``manifest.schema.json`` for datasets and
``workbench.schema.json`` for workbenches, which lie beside this file.

``python -m lambdas.contract.manifest.json_schema`` prints the one as the code has it now, and with
``workbench`` behind it the other.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from lambdas.contract.manifest.schema import Manifest
from lambdas.contract.manifest.workbench import WorkbenchManifest


def json_schema(kind: type[Manifest | WorkbenchManifest] = Manifest) -> dict[str, Any]:
    """The published schema of a kind of manifest: JSON Schema 2020-12."""
    described: dict[str, Any] = _without_nulls(kind.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}


def _without_nulls(schema: Any) -> Any:
    """null stands for a field that is left out; a manifest that holds one is refused."""
    if isinstance(schema, dict):
        return {name: _without_nulls(value) for name, value in schema.items() if value is not None}
    return schema


if __name__ == "__main__":
    asked = WorkbenchManifest if sys.argv[1:] == ["workbench"] else Manifest
    sys.stdout.write(json.dumps(json_schema(asked), indent=2) + "\n")
