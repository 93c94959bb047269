"""Carrying out checks: whatever AWS answers instead of facts becomes a finding, too."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError

from infra.config import ConfigInvalid
from infra.doctor.endpoints import EndpointInvalid, is_loopback
from infra.doctor.finding import Finding, Status, fault, refused, unknown
from lambdas.aws.errors import error_code
from lambdas.contract.settings import SettingsError

Client = Callable[[str], Any]
"""Makes a boto3 client of a service, by boto3's name for it."""

MEND = "mend it; `pulumi preview` says the same"
LOG_IN = "log in (`aws configure`; with SSO: `aws sso login` of the AWS CLI v2)"
RESTORE = "`pulumi up --refresh` restores what the program says"
ENDED = (
    "the local cloud has ended: `make local`, then source .local/cloud/env.sh again; "
    "or a new terminal for AWS"
)
NO_WAY = "check network, region and AWS_ENDPOINT_URL"
_NOT_OFFERED = frozenset(
    {"UnknownOperationException", "UnknownOperation", "InvalidAction", "NotImplemented", "400", "404", "501"}
)
"""Such an operation is not known, or (bare HTTP status) the answer holds no error of AWS."""
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "UnauthorizedOperation",
    }
)
_LOG_IN = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "InvalidClientTokenId",
        "AuthFailure",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
    }
)


class NotThere(Exception):  # noqa: N818  # a fact, not an error
    """Something that the stack consists of does not exist; the text names it."""


@dataclass(frozen=True)
class Check:
    """``look`` reads facts and judges them. It may raise :class:`NotThere`, SettingsError, and what boto3
    raises. ``part``: what it is about, such as ``the account``."""

    part: str
    name: str
    look: Callable[[], Iterable[Finding]]


@dataclass(frozen=True)
class Gate:
    """A check without which others make no sense, if its finding is ``closed_by``."""

    check: Check
    closed_by: Status


@dataclass(frozen=True)
class Line:
    """One finding of one check. ``is_behind``: it was not asked; a line before says why."""

    check: Check
    finding: Finding
    is_behind: bool = False


def examine(check: Check) -> list[Line]:
    """Carry out one check."""
    return [Line(check, finding) for finding in _findings(check)]


def examine_behind(gates: Iterable[Gate], checks: Iterable[Check]) -> Iterator[Line]:
    """Carry out the gates, one after the other, and then the checks.

    As soon as a gate is closed, each that follows says that nothing was asked, and why.
    """
    obstacle: Finding | None = None
    for gate in gates:
        for line in [_not_asked(gate.check, obstacle)] if obstacle else examine(gate.check):
            yield line
            if obstacle is None and line.finding.status is gate.closed_by:
                obstacle = line.finding
    for check in checks:
        yield from [_not_asked(check, obstacle)] if obstacle else examine(check)


def there(what: str, read: Callable[[], Any], codes: Iterable[str]) -> Any:
    """What ``read`` answers.

    Raises:
        NotThere: it raised an error with one of these codes, by which AWS says that there is no ``what``.
    """
    try:
        return read()
    except ClientError as error:
        if error_code(error) in codes:
            raise NotThere(what) from error
        raise


def _not_asked(check: Check, why: Finding) -> Line:
    status = Status.REFUSED if why.status is Status.REFUSED else Status.UNKNOWN
    finding = dataclasses.replace(why, status=status, text=f"not asked: {why.text}")
    return Line(check, finding, is_behind=True)


def _findings(check: Check) -> list[Finding]:
    try:
        return list(check.look())
    except NotThere as missing:
        return [fault(f"{missing} is not there", f"{RESTORE}; a stack that was destroyed needs `pulumi up`")]
    except ConfigInvalid as error:
        return [fault(_sentence(error), MEND)]
    except SettingsError as error:
        text = f"what is deployed is of another version than this checkout ({error})"
        return [fault(text, "check out what was deployed, or `make package` and `pulumi up`")]
    except EndpointInvalid as error:
        return [refused(str(error), error.remedy)]
    except NoCredentialsError:
        return [refused("no AWS credentials were found", LOG_IN)]
    except ClientError as error:
        return [_answered(error)]
    except ResponseParserError:
        return [_not_answered("what came back is no answer of AWS")]
    except BotoCoreError as error:
        return [_not_reached(error)]


def _not_reached(error: BotoCoreError) -> Finding:
    if isinstance(error, ProfileNotFound):
        profile = error.kwargs["profile"]
        return refused(
            f"there is no profile {profile!r} in the AWS configuration files",
            f"`aws configure --profile {profile}` makes it; or `unset AWS_PROFILE AWS_DEFAULT_PROFILE`",
        )
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return refused(_sentence(error), ENDED if is_loopback(error.kwargs["endpoint_url"]) else NO_WAY)
    return refused(_sentence(error), NO_WAY)


def _answered(error: ClientError) -> Finding:
    code, operation = error_code(error), error.operation_name
    if code in _NOT_OFFERED:
        return _not_answered(f"there is no {operation}")
    if code in _DENIED:
        return refused(
            f"your AWS credentials may not ask for it ({operation})",
            "use others, or have this read granted: docs/deploy.md lists what doctor reads",
        )
    if code in _LOG_IN:
        return refused(f"AWS does not accept the credentials ({code})", LOG_IN)
    return refused(_sentence(error), "try again; if it stays, AWS' message says what is wrong")


def _not_answered(why: str) -> Finding:
    return unknown(f"not answered here: {why}", "nothing here: emulators lack it; AWS itself answers")


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())
