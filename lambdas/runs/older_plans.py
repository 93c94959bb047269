"""What plans that an older release wrote do not hold. Pure."""

from __future__ import annotations

import json

from lambdas.contract.documents import UnreadableError, dataclass_from_dict
from lambdas.contract.plan import ClusterSpec

_DEFAULTS = {"workers": 2, "instance_types": ["m5.xlarge"], "market": "on_demand"}
"""Those of manifests in the releases whose plans did not say which cluster is wanted."""


def cluster_of(manifest: bytes) -> ClusterSpec:
    """The cluster that the plan's manifest asks for, which was found to be valid when the plan was made.

    Raises:
        UnreadableError: this is no such manifest.
    """
    try:
        document = json.loads(manifest)
        asked = {name: value for name, value in document.get("cluster", {}).items() if value is not None}
    except (ValueError, AttributeError, RecursionError) as error:
        raise UnreadableError(f"the manifest cannot be read again: {error}") from error
    return dataclass_from_dict(ClusterSpec, _DEFAULTS | asked)
