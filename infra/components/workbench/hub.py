"""JupyterHub's configuration for a workbench: one account, one password, no default one.

The set-up step puts this file before EMR's ``jupyterhub_config.py``, and behind both a call of
:func:`open_only_to`. It runs in JupyterHub's container, with the Python that is there and no library of ours.
"""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any

FREE_FAILURES = 5
"""So many wrong passwords are answered at once, of which the set-up step uses three; each later one after a
pause twice as long."""
LONGEST_PAUSE_SECONDS = 30.0
FORGOTTEN_AFTER_SECONDS = 600.0
"""Without a wrong password for so long, the next one is the first again."""
MOST_WAITING = 20
"""So many wrong ones wait for their pauses; those beyond are refused without one. Nobody guesses 144 random
bits, whatever the pause; were those beyond refused unchecked, twenty others would keep the owner out."""
MOST_CHECKED = 100
"""So many wait to be checked, some five seconds; those beyond are refused unchecked."""
MEMORY_BYTES = 64 * 1024 * 1024
"""Above what the digest takes; OpenSSL's own limit is just below that."""


class Gate:
    """Lets one account in: at once with its password, and whoever has it not waits for the answer.

    The pauses of wrong passwords follow one another, however many come side by side, and no right one waits
    for them. ``login`` is what the stack wrote (``lambdas.contract.workbench.login_json``).
    """

    def __init__(
        self,
        login: dict[str, Any],
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.user = str(login["user"])
        self._salt, self._digest = (base64.b64decode(login[name]) for name in ("salt", "digest"))
        self._cost = {name: int(login[name]) for name in ("n", "r", "p")}
        self._sleep, self._clock = sleep, clock
        # One digest at a time, beside the hub's event loop, which serves everybody.
        self._checker = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        self._checked = self._waiting = self._failures = 0
        self._failed_at = 0.0
        # Before Python 3.10 a lock belongs to the event loop of its making, and there is none yet.
        self._turn: asyncio.Lock | None = None

    async def lets_in(self, user: str, password: str) -> bool:
        """Whether this is the account with its password. How long the answer takes does not tell which of
        the two was wrong."""
        if self._checked >= MOST_CHECKED:
            return False
        self._checked += 1
        try:
            is_right = await asyncio.get_running_loop().run_in_executor(
                self._checker, self._is_right, user, password
            )
        finally:
            self._checked -= 1
        if is_right:
            self._failures = 0
        elif self._waiting < MOST_WAITING:
            await self._pause()
        return is_right

    def _is_right(self, user: str, password: str) -> bool:
        digest = hashlib.scrypt(password.encode(), salt=self._salt, maxmem=MEMORY_BYTES, **self._cost)
        return hmac.compare_digest(digest, self._digest) and user == self.user

    async def _pause(self) -> None:
        self._turn = self._turn or asyncio.Lock()
        self._waiting += 1
        try:
            async with self._turn:
                if self._clock() - self._failed_at > FORGOTTEN_AFTER_SECONDS:
                    self._failures = 0
                beyond, self._failures = self._failures - FREE_FAILURES, self._failures + 1
                await self._sleep(0.0 if beyond < 0 else min(LONGEST_PAUSE_SECONDS, 2.0 ** min(beyond, 10)))
                self._failed_at = self._clock()
        finally:
            self._waiting -= 1


def open_only_to(c: Any, login: dict[str, Any], token: str) -> None:
    """Set JupyterHub's configuration ``c``. ``token``: of the service that asks when kernels were busy."""
    from jupyterhub.auth import Authenticator  # type: ignore[import-not-found]  # in its container alone

    gate = Gate(login)

    class OnePassword(Authenticator):  # type: ignore[misc]
        """Instead of the accounts of the container, of which EMR makes one with a known password."""

        async def authenticate(self, _handler: Any, data: dict[str, Any]) -> str | None:
            let_in = await gate.lets_in(str(data.get("username", "")), str(data.get("password", "")))
            return gate.user if let_in else None

    c.JupyterHub.authenticator_class = OnePassword
    c.Authenticator.allowed_users = {gate.user}
    c.Authenticator.admin_users = set()
    # The service looks into the account's server.
    c.JupyterHub.admin_access = True
    c.JupyterHub.services = [{"name": "activity", "admin": True, "api_token": token}]
