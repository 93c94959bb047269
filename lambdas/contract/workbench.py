"""What a workbench's cluster and the functions agree on: how its password is checked, and when it was used.

Standard library only, and self-contained: the set-up step's own files read and write the same JSON.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re

from lambdas.contract.documents import json_object

SETUP_STEP = "open-workbench"
"""The cluster's only step: when it has succeeded, JupyterHub refuses everything but this password."""
PORT = 9443
"""JupyterHub's, on EMR and at the door."""
USER = "analyst"
"""The only account; a workbench belongs to whoever has its password."""
SCRYPT = {"n": 2**14, "r": 8, "p": 1}
"""Cost of checking one password: 16 MiB and some 50 ms. Source: RFC 7914, which names these values."""

_FINGERPRINT = re.compile("[0-9A-F]{2}(:[0-9A-F]{2}){31}")


def login_json(password: str, salt: bytes) -> str:
    """What the workbench checks its password by; nobody gets in with it."""
    digest = hashlib.scrypt(password.encode(), salt=salt, **SCRYPT)
    held = {"salt": base64.b64encode(salt).decode(), "digest": base64.b64encode(digest).decode()}
    return json.dumps({"user": USER, **held, **SCRYPT}, sort_keys=True) + "\n"


def certificate_sha256(activity: bytes | None) -> str | None:
    """The fingerprint of the workbench's certificate, ``AB:CD:...``, by what the workbench wrote; None where
    that is none. Whoever is inside may have written it."""
    told = json_object(activity).get("certificate_sha256")
    return told if isinstance(told, str) and _FINGERPRINT.fullmatch(told) else None


def last_active_at(activity: bytes | None) -> float | None:
    """When a kernel was last busy (Unix seconds), by what the workbench wrote; None where not told."""
    at = json_object(activity).get("last_active_at")
    if not isinstance(at, int | float) or isinstance(at, bool) or not 0 <= at < math.inf:
        return None
    return float(at)
