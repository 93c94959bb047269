"""The instance types that EMR has in a region. A request that names another one is refused as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.local.emr.protocol import invalid_request, validation_error
from lambdas.contract.cost.prices import INSTANCE_TYPES

PAGE_SIZE = 10
"""EMR's own is not documented. Small, so that who reads one page only is found out."""

_ARCHITECTURES = {"x86_64": "X86_64", "arm64": "AARCH64"}
"""As EMR writes them. Source: API reference of SupportedInstanceType."""


class Offer:
    """Every type that a manifest may name, but for those ``missing`` here."""

    def __init__(self, missing: frozenset[str]) -> None:
        self._missing = missing
        self._types = [
            {"Type": name, "VCPU": kind.vcpus, "Architecture": _ARCHITECTURES[kind.architecture]}
            for name, kind in sorted(INSTANCE_TYPES.items())
            if name not in missing
        ]

    def list_supported_instance_types(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """A page of them, for every release alike. Raises EmrError for a marker that is none of ours."""
        marker = request.get("Marker", "0")
        if not marker.isdigit():
            raise invalid_request(f"Marker '{marker}' is not valid.")
        end = int(marker) + PAGE_SIZE
        following = str(end) if end < len(self._types) else None
        return {"SupportedInstanceTypes": self._types[int(marker) : end], "Marker": following}

    def require(self, request: Mapping[str, Any]) -> None:
        """Return if a RunJobFlow request names no type that is missing here.

        Raises:
            EmrError: it does, in EMR's words (as boto3's users quote them).
        """
        for name in _named(request):
            if name in self._missing:
                raise validation_error(f"Instance type '{name}' is not supported.")


def _named(request: Mapping[str, Any]) -> Iterator[str]:
    for fleet in request["Instances"].get("InstanceFleets", []):
        for kind in fleet.get("InstanceTypeConfigs", []):
            yield kind["InstanceType"]
