"""Telling boto3's errors apart."""

from __future__ import annotations

from botocore.exceptions import ClientError

_THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "SlowDown"}
)


def error_code(error: ClientError) -> str:
    """AWS' code, such as ``NoSuchKey``; a bare HTTP status (``404``) where the answer had no body."""
    return error.response["Error"].get("Code", "")


def is_temporary(error: ClientError) -> bool:
    """Throttled, or a fault on the server's side."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return error_code(error) in _THROTTLED or status == 429 or status >= 500
