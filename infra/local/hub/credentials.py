"""The instance role's credentials as a machine's programs get them: asked for when they need some.

On EC2 the metadata service answers; here a server on loopback, by the protocol of containers, which every AWS
client speaks, too. A workbench outlives credentials, which hold for an hour.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.local.process import StartedAndStopped

Assumed = Callable[[], Mapping[str, Any]]
"""Assumes the role: the ``Credentials`` of STS' answer."""


class CredentialsServer(StartedAndStopped):
    """Gives the role's credentials to whoever asks, as all of the local cloud is open to whoever is here."""

    def __init__(self, assumed: Assumed, token: Path) -> None:
        """``token``: a file that is made by :meth:`start`. obstore asks only where there is one."""
        self._server = _Server(assumed)
        self._token = token
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """By which AWS clients find it. Source: SDKs and Tools Reference, "Container credential provider"."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self._server.server_port}/",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(self._token),
        }

    def start(self) -> None:
        self._token.write_text("-")
        self._thread.start()

    def stop(self) -> None:
        """Harmless when not started."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, assumed: Assumed) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.assumed = assumed


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:  # the name that http.server calls
        role = self.server.assumed()
        answer = {name: role[name] for name in ("AccessKeyId", "SecretAccessKey")}
        expires = role["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")
        body = json.dumps({**answer, "Token": role["SessionToken"], "Expiration": expires}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's signature
        pass
