"""MiniStack as a child process: the local AWS, with IAM enforced, over TLS, on loopback only."""

from __future__ import annotations

import functools
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
import botocore.session

from infra.local.process import ProcessGroup, StartedAndStopped

if TYPE_CHECKING:  # a tenth of the start of the provider's plugin, which issues no certificates
    from infra.local.tls import TlsFiles

ACCOUNT_ID = "000000000000"
"""MiniStack's account. Its id is also the access key of root, whose signature is not checked (that of every
user and role is): whoever can reach the port is root, one more reason to stay on loopback."""
ROOT_SECRET = "test"  # noqa: S105  # no secret: see above
SERVED = "infra.local.ministack_app"
START_TIMEOUT_SECONDS = 60.0
_LOG_LINES_SHOWN = 15
_NO_PERSONAL_SETTINGS: dict[str, tuple[None, list[str], str | None, None]] = {
    name: (None, [], default, None)
    for name, default in {
        "profile": None,
        "config_file": os.devnull,
        "credentials_file": os.devnull,
    }.items()
}
"""botocore's session variables that lead to a person's own files, cut off from file and environment."""
_MAKING_A_CLIENT = threading.Lock()
"""A session makes one client at a time; clients are for all threads. Source: Boto3, "Session reference"."""
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


class MiniStackError(RuntimeError):
    """MiniStack did not come up. The message holds the end of its log."""


class MiniStack(StartedAndStopped):
    """Start with :meth:`start` or ``with``; :attr:`environment` points any AWS client at it, as root.

    The constructor already binds a free loopback port, which the child inherits as a socket: no other
    process can take it in between, and :attr:`url` is known before anything runs.
    """

    def __init__(self, *, tls: TlsFiles, folder: Path, region: str) -> None:
        """``folder`` receives ``ministack.log``."""
        self._tls = tls
        # Bound but not listening: clients are refused, and need not time out, until MiniStack listens.
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._port: int = self._socket.getsockname()[1]
        self._process: ProcessGroup | None = None
        self._state = folder / "ministack-state"
        self.log = folder / "ministack.log"
        self.url = f"https://localhost:{self._port}"
        self.environment: dict[str, str] = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CA_BUNDLE": str(tls.ca),
            "SSL_CERT_FILE": str(tls.ca),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": ACCOUNT_ID,
            "AWS_SECRET_ACCESS_KEY": ROOT_SECRET,
            # A person's own profiles must neither be used nor get in the way.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self, lambda_environment: Mapping[str, str] | None = None) -> None:
        """Start and wait until requests are answered.

        Args:
            lambda_environment: variables that every Lambda function gets besides its own.

        Raises:
            MiniStackError: it ended, or did not answer in time.
        """
        shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir(parents=True)
        self._process = ProcessGroup(
            # `python -m ministack` would also try port 443, so its application is served directly.
            [
                *(sys.executable, "-m", "hypercorn", f"{SERVED}:app", "--workers", "0"),
                *("--bind", f"fd://{self._socket.fileno()}"),
                *("--certfile", str(self._tls.certificate), "--keyfile", str(self._tls.key)),
                *("--keep-alive", "75"),
            ],
            environment={**self._server_environment(), **(lambda_environment or {})},
            folder=self._state,
            log=self.log,
            pass_fds=[self._socket.fileno()],
        )
        self._wait_until_healthy(self._process)

    def stop(self) -> None:
        """End MiniStack with all Lambda workers, free the port and remove its state. The log stays."""
        if self._process is not None:
            self._process.kill()
            self._process = None
            shutil.rmtree(self._state, ignore_errors=True)
        self._socket.close()

    def client(self, service: str, **credentials: str) -> Any:
        """A boto3 client as root, or with other ``credentials`` (boto3's own keyword names)."""
        return client(service, self.environment, **credentials)

    def _server_environment(self) -> dict[str, str]:
        # An explicit list: a person's own AWS credentials and settings must not reach the local Lambdas.
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {
            **inherited,
            **self.environment,
            "TMPDIR": str(self._state),
            "AUTH": "true",
            "GATEWAY_PORT": str(self._port),
            "USE_SSL": "1",
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": self.environment["AWS_REGION"],
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # Its sweep for old containers would otherwise reach a Docker daemon that is none of ours.
            "DOCKER_HOST": "unix:///nonexistent",
        }

    def _wait_until_healthy(self, process: ProcessGroup) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        sts = self.client("sts")
        while True:
            if process.exit_code is not None:
                raise MiniStackError(self._failure(f"ended with exit code {process.exit_code} at start"))
            try:
                sts.get_caller_identity()
            except (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError) as error:
                if time.monotonic() > deadline:
                    reason = f"did not answer within {START_TIMEOUT_SECONDS:.0f} s ({error})"
                    raise MiniStackError(self._failure(reason)) from error
                time.sleep(0.05)
            else:
                return

    def _failure(self, reason: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
        return "\n".join([f"MiniStack {reason}; the end of {self.log}:", *(f"  {line}" for line in lines)])


def client(service: str, environment: Mapping[str, str], **credentials: str) -> Any:
    """A boto3 client for the local cloud that ``environment`` describes.

    Reads nothing of the calling process's own AWS configuration. ``credentials`` (boto3's keyword
    names) replace the environment's.
    """
    with _MAKING_A_CLIENT:
        session = _session(
            environment["AWS_REGION"],
            credentials.get("aws_access_key_id", environment["AWS_ACCESS_KEY_ID"]),
            credentials.get("aws_secret_access_key", environment["AWS_SECRET_ACCESS_KEY"]),
            credentials.get("aws_session_token"),
        )
        endpoint = environment.get(f"AWS_ENDPOINT_URL_{service.upper()}", environment["AWS_ENDPOINT_URL"])
        return session.client(  # type: ignore[call-overload]  # the service's name is not a literal here
            service, endpoint_url=endpoint, verify=environment["AWS_CA_BUNDLE"]
        )


@functools.lru_cache(maxsize=16)
def _session(region: str, access_key_id: str, secret: str, token: str | None) -> boto3.Session:
    """Kept, since a session reads AWS' description of a service once, which takes longer than most calls."""
    return boto3.Session(
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        region_name=region,
        botocore_session=botocore.session.Session(_NO_PERSONAL_SETTINGS),
    )
