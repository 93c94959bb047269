"""``build/model/model.json``: what the packaged model is. The packager writes it, the stack reads it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from lambdas.contract.documents import dataclass_from_dict

DESCRIPTION = "model.json"
UNTRAINED = "untrained"
"""What the weights are called that nobody trained."""


@dataclass(frozen=True)
class ModelPackage:
    """``weights`` is ``imagenet``, the name of the given file, or ``untrained``. Hashes are SHA-256 in hex.
    The two files lie beside the description."""

    name: str
    file: str
    sha256: str
    weights: str
    weights_file: str
    weights_sha256: str

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelPackage:
        """Raises ValueError when it is not JSON, or a field is missing or of another type."""
        return dataclass_from_dict(cls, json.loads(text))
