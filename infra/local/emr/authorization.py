"""May this caller do that? The local AWS is asked, with the caller's own signed request.

A request is forwarded as it came, so its signature still holds, to MiniStack's own EMR. That checks
signature, session token and policies as for any service before it looks at what is asked. Only a
refusal matters here; what MiniStack's EMR would have done is ignored (it keeps shadow clusters that
run nothing).

Not checked: ``iam:PassRole`` on the roles that RunJobFlow names. Nothing in the local AWS tells whose
session an access key is, and its policy simulator knows no condition keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import urllib3

_PASSED = frozenset({"InvalidRequestException", "ValidationException", "InvalidAction"})
"""What MiniStack's EMR answers to callers it has let in. Everything else is a refusal."""
_HOP_HEADERS = frozenset({"connection", "keep-alive", "expect", "transfer-encoding"})


class Refused(Exception):  # noqa: N818  # the answer to relay, not an error
    """The caller may not; ``status`` and ``body`` are the answer that AWS would give."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(body.decode(errors="replace"))
        self.status = status
        self.body = body


class Authorizer:
    """Asks the AWS at ``endpoint_url``, whose certificate ``ca`` vouches for."""

    def __init__(self, endpoint_url: str, ca: Path) -> None:
        self._endpoint_url = endpoint_url
        self._http = urllib3.PoolManager(ca_certs=str(ca), retries=False)

    def check(self, headers: Mapping[str, str], body: bytes) -> None:
        """Return if the caller may send this request.

        Raises:
            Refused: the signature is wrong, or no policy allows the action.
        """
        signed = {name: value for name, value in headers.items() if name.lower() not in _HOP_HEADERS}
        answer = self._http.request("POST", f"{self._endpoint_url}/", headers=signed, body=body)
        if answer.status >= 400 and _code(answer.data) not in _PASSED:
            raise Refused(answer.status, answer.data)

    def close(self) -> None:
        self._http.clear()


def _code(body: bytes) -> str:
    try:
        return str(json.loads(body)["__type"]).rsplit("#", 1)[-1]
    except (ValueError, KeyError, TypeError):
        return ""
