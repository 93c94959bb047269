"""`pulumi up` against an emulator of AWS: where it may be, and which services are asked there."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

STACKS = "local"
"""How the name of such a stack begins, so that no stack of AWS is ever pointed at an emulator by mistake."""
SERVICES = (
    "athena",
    "cloudtrail",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "elbv2",
    "emr",
    "events",
    "glue",
    "iam",
    "kms",
    "lambda",
    "logs",
    "s3",
    "s3control",
    "sns",
    "sqs",
    "sts",
)
"""What the provider calls for the program's resources, by the names in its ``endpoints``."""


@dataclass(frozen=True)
class Emulator:
    """``emr_endpoint`` is apart: emulators of AWS run no steps, so the local cloud has its own for EMR."""

    endpoint: str
    emr_endpoint: str

    def provider_arguments(self) -> dict[str, Any]:
        """What sets the AWS provider on the emulator, whose credentials come from the environment."""
        endpoints = dict.fromkeys(SERVICES, self.endpoint) | {"emr": self.emr_endpoint}
        return {
            "endpoints": [endpoints],
            "s3_use_path_style": True,
            "skip_credentials_validation": True,
            "skip_metadata_api_check": True,
        }


def emulator_of(given: Mapping[str, Any]) -> Emulator | None:
    """The emulator that valid configuration values name, if any."""
    if (endpoint := given.get("emulatorEndpoint")) is None:
        return None
    return Emulator(endpoint, given.get("emulatorEmrEndpoint", endpoint))


def emulator_faults(given: Mapping[str, Any], stack: str) -> list[str]:
    """What speaks against configuration values that name an emulator, for a stack of this name."""
    keys = [key for key in ("emulatorEndpoint", "emulatorEmrEndpoint") if key in given]
    faults = [
        f"{key}: {given[key]!r} is not a service on this machine or in a private network; give a URL such as "
        "https://localhost:4566, or remove the key to deploy to AWS"
        for key in keys
        if not _is_local(given[key])
    ]
    if keys == ["emulatorEmrEndpoint"]:
        faults.append(
            "emulatorEmrEndpoint: is set without emulatorEndpoint, so all but EMR would be on AWS; set both"
        )
    if keys and not stack.startswith(STACKS):
        faults.append(
            f"{keys[0]}: stack {stack!r} may have resources on AWS, which Pulumi would replace; use "
            f"a stack whose name begins with {STACKS!r}: `pulumi stack init {STACKS}`"
        )
    return faults


def _is_local(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port  # raises what is no number
    except ValueError:
        return False
    bare = parts.path in ("", "/") and not parts.query and not parts.username
    if parts.scheme not in ("http", "https") or not bare or not host:
        return False
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        # Names without a dot, and these, mean nothing in the public name system.
        return "." not in host or host.endswith((".localhost", ".internal"))
