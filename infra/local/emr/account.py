"""What EMR keeps for an account besides clusters: security configurations and the block on public access."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from infra.local.emr import views
from infra.local.emr.protocol import invalid_request

_OPEN: Mapping[str, Any] = {"BlockPublicSecurityGroupRules": False}


class AccountSettings:
    """Kept, described and required to exist; nothing of it is enforced, since nodes here are processes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._security: dict[str, dict[str, Any]] = {}
        self._public_access: Mapping[str, Any] = _OPEN

    def require_security_configuration(self, name: str | None) -> None:
        """Return if a cluster may be launched with this security configuration (None: with none).

        Raises:
            EmrError: there is no such security configuration.
        """
        if name is not None:
            self._named(name)

    def create_security_configuration(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises EmrError when the name is taken, or the configuration is no JSON object."""
        name, text = request["Name"], request["SecurityConfiguration"]
        try:
            is_object = isinstance(json.loads(text), dict)
        except ValueError:
            is_object = False
        if not is_object:
            raise invalid_request("The security configuration is not a valid JSON object.")
        created = views.moment(time.time())
        with self._lock:
            if name in self._security:
                raise invalid_request(f"Security configuration with name '{name}' already exists.")
            self._security[name] = {"Name": name, "CreationDateTime": created, "SecurityConfiguration": text}
        return {"Name": name, "CreationDateTime": created}

    def describe_security_configuration(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises EmrError when there is none of that name."""
        return self._named(request["Name"])

    def list_security_configurations(self, _request: Mapping[str, Any]) -> Mapping[str, Any]:
        """All of them, in one page."""
        with self._lock:
            names = [
                {"Name": name, "CreationDateTime": found["CreationDateTime"]}
                for name, found in self._security.items()
            ]
        return {"SecurityConfigurations": names}

    def delete_security_configuration(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Running clusters keep what they were launched with. Raises EmrError when there is none."""
        self._named(request["Name"])
        with self._lock:
            self._security.pop(request["Name"], None)
        return {}

    def get_block_public_access(self, _request: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was put last; where nothing was, an account of long ago: open."""
        metadata = {"CreationDateTime": views.moment(time.time()), "CreatedByArn": ""}
        return {
            "BlockPublicAccessConfiguration": self._public_access,
            "BlockPublicAccessConfigurationMetadata": metadata,
        }

    def put_block_public_access(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Replaces the whole configuration."""
        self._public_access = request["BlockPublicAccessConfiguration"]
        return {}

    def _named(self, name: str) -> Mapping[str, Any]:
        with self._lock:
            found = self._security.get(name)
        if found is None:
            raise invalid_request(f"Security configuration with name '{name}' does not exist.")
        return found
