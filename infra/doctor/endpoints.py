"""The endpoints that a shell names for AWS: `AWS_ENDPOINT_URL`, and `AWS_ENDPOINT_URL_<SERVICE>`.

Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError

VARIABLES = "AWS_ENDPOINT_URL"
"""How their names begin."""


class EndpointInvalid(Exception):  # noqa: N818  # a fact, not an error
    """No client of AWS can be made. The text says which value is wrong, ``remedy`` what to do."""

    def __init__(self, text: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(text)


@contextlib.contextmanager
def named_in(environ: Mapping[str, str]) -> Iterator[None]:
    """Around the making of clients, which takes endpoints from these variables.

    Raises:
        EndpointInvalid: where botocore raises a bare ValueError, which is what it does of a bad endpoint.
    """
    try:
        yield
    except BotoCoreError:
        raise
    except ValueError as error:
        raise invalid(str(error), environ) from error


def check_port(url: str) -> None:
    """Look at it before botocore does, with the first call.

    Raises:
        ValueError: it is none.
    """
    _ = urlsplit(url).port


def invalid(said: str, environ: Mapping[str, str]) -> EndpointInvalid:
    """What is wrong, by botocore's words and the variables that hold no URL."""
    wrong = {
        name: value
        for name, value in sorted(environ.items())
        if name.startswith(VARIABLES) and value and not is_url(value)
    }
    if not wrong:
        return EndpointInvalid(said, "mend endpoint_url in the AWS configuration file, or remove it")
    shown = " and ".join(f"{name} is {value!r}, which is no URL" for name, value in wrong.items())
    return EndpointInvalid(
        shown, f"for AWS `unset {' '.join(wrong)}`; an emulator has a URL such as https://localhost:4566"
    )


def is_url(value: str) -> bool:
    """Whether botocore can call this endpoint."""
    try:
        parts = urlsplit(value)
        check_port(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def is_loopback(url: str) -> bool:
    """Whether it is an endpoint of this machine, as the local cloud's are."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
