"""The manifest's schema for other programs: ``manifest.schema.json``, which lies beside this file.

``python -m lambdas.contract.manifest.json_schema`` prints it as the code has it now.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from lambdas.contract.manifest.schema import Manifest


def json_schema() -> dict[str, Any]:
    """The published schema: JSON Schema 2020-12."""
    described: dict[str, Any] = _without_nulls(Manifest.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}


def _without_nulls(schema: Any) -> Any:
    """null stands for a field that is left out; a manifest that holds one is refused."""
    if isinstance(schema, dict):
        return {name: _without_nulls(value) for name, value in schema.items() if value is not None}
    return schema


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
