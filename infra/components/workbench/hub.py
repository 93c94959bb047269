"""JupyterHub's configuration for a workbench: one account, one password, no default one.

The set-up step puts this file before EMR's ``jupyterhub_config.py``, and behind both a call of
:func:`open_only_to`. It runs in JupyterHub's container, with the Python that is there and no library of ours.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from typing import Any

FREE_FAILURES = 5
"""So many wrong passwords are answered at once, of which the set-up step uses three; each later one after a
pause twice as long."""
LONGEST_PAUSE_SECONDS = 30.0
MEMORY_BYTES = 64 * 1024 * 1024
"""Above what the digest takes; OpenSSL's own limit is just below that."""


class Gate:
    """Lets one account in. ``login`` is what the stack wrote (``lambdas.contract.workbench.login_json``)."""

    def __init__(self, login: dict[str, Any]) -> None:
        self.user = str(login["user"])
        self._salt, self._digest = (base64.b64decode(login[name]) for name in ("salt", "digest"))
        self._cost = {name: int(login[name]) for name in ("n", "r", "p")}
        self._failures = 0

    def pause_seconds(self) -> float:
        """How long the next answer has to wait."""
        beyond = self._failures - FREE_FAILURES
        return 0.0 if beyond < 0 else min(LONGEST_PAUSE_SECONDS, 2.0 ** min(beyond, 10))

    def lets_in(self, user: str, password: str) -> bool:
        """Whether this is the account with its password. How long the answer takes tells neither."""
        digest = hashlib.scrypt(password.encode(), salt=self._salt, maxmem=MEMORY_BYTES, **self._cost)
        is_right = hmac.compare_digest(digest, self._digest) and user == self.user
        self._failures = 0 if is_right else self._failures + 1
        return is_right


def open_only_to(c: Any, login: dict[str, Any], token: str) -> None:
    """Set JupyterHub's configuration ``c``. ``token``: of the service that asks when kernels were busy."""
    from jupyterhub.auth import Authenticator  # type: ignore[import-not-found]  # in its container alone

    gate = Gate(login)

    class OnePassword(Authenticator):  # type: ignore[misc]
        """Instead of the accounts of the container, of which EMR makes one with a known password."""

        async def authenticate(self, _handler: Any, data: dict[str, Any]) -> str | None:
            await asyncio.sleep(gate.pause_seconds())
            let_in = gate.lets_in(str(data.get("username", "")), str(data.get("password", "")))
            return gate.user if let_in else None

    c.JupyterHub.authenticator_class = OnePassword
    c.Authenticator.allowed_users = {gate.user}
    c.Authenticator.admin_users = set()
    # The service looks into the account's server.
    c.JupyterHub.admin_access = True
    c.JupyterHub.services = [{"name": "activity", "admin": True, "api_token": token}]
