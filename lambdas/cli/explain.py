"""What AWS' answers mean to whoever typed a command."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from lambdas.aws.errors import error_code

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})
"""AWS' codes for what the credentials may not do."""
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


def explain(error: ClientError | BotoCoreError) -> str:
    """What is wrong, and what to do, as a sentence or two."""
    if isinstance(error, NoCredentialsError):
        return "no AWS credentials were found; log in (`aws configure`) first."
    if isinstance(error, BotoCoreError):
        return f"{error} Check network, region and AWS_ENDPOINT_URL."
    if error_code(error) in _EXPIRED:
        return f"the AWS credentials have expired; log in again ({error})."
    if error_code(error) in DENIED:
        needed = "docs/operations.md lists what each command needs"
        return f"your AWS credentials may not do this: {error}. {needed}."
    return f"AWS answered: {error}."
