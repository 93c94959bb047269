"""What to let go wrong at AWS' services, scripted, and done at the wire in front of MiniStack.

The n-th call of a service takes the n-th entry of that service's script; after a script's end all is well.
Only calls made with temporary credentials count: those of the stack's functions, and not root's, who watches.
Scripts are put to :data:`PATH`, from which what took effect is read.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PATH = "/_failures"
SLOW_SECONDS = 3.0
"""Longer than a service takes on its bad days, and well below what the functions' clients wait for."""
_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d+/[^/]+/(?P<service>[^/]+)/")
"""In the header Authorization. Source: IAM User Guide, "Elements of an AWS API request signature"."""
_TEMPORARY = "ASIA"
"""How the ids of temporary access keys begin. Source: IAM User Guide, "IAM identifiers"."""
_CALL = b"amz-sdk-invocation-id"
_ATTEMPT = b"amz-sdk-request"
"""The headers by which SDKs tell that several requests are attempts at one call, and which this is of how
many: ``attempt=2; max=4``. botocore sends both."""
_ATTEMPT_OF = re.compile(r"attempt=(?P<attempt>\d+)(?:; max=(?P<most>\d+))?")


class ServiceFailure(StrEnum):
    """What happens to a call."""

    THROTTLED = "throttled"
    """Refused once, which the caller's SDK tries again by itself."""
    THROTTLED_FOR_LONG = "throttled until its caller gave up"
    SLOW = "answered slowly"
    ANSWER_LOST = "carried out, and its answer lost"
    """What was written is written; the caller hears of a fault of the server, and asks again."""
    REFUSED = "refused"
    """For good: what it is about does not exist."""


@dataclass(frozen=True)
class Answer:
    """A service's own words."""

    status: int
    content_type: str
    body: str


def _dynamodb(status: int, code: str, message: str) -> Answer:
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    return Answer(status, "application/x-amz-json-1.0", json.dumps({"__type": kind, "message": message}))


def _s3(status: int, code: str, message: str) -> Answer:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>{error}')


def _sns(status: int, code: str, message: str) -> Answer:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f'<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">{error}</ErrorResponse>'
    return Answer(status, "text/xml", body)


_THROTTLING: Mapping[str, tuple[Answer, ...]] = {
    "dynamodb": (
        _dynamodb(
            400,
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded.",
        ),
        _dynamodb(400, "ThrottlingException", "Throughput exceeds the current capacity of your table."),
    ),
    "s3": (_s3(503, "SlowDown", "Please reduce your request rate."),),
}
_FAULT: Mapping[str, Answer] = {
    "dynamodb": _dynamodb(500, "InternalServerError", "Internal server error"),
    "s3": _s3(500, "InternalError", "We encountered an internal error. Please try again."),
}
_REFUSAL: Mapping[str, Answer] = {"sns": _sns(404, "NotFound", "Topic does not exist")}
"""Sources of all these: "Error handling with DynamoDB" in the DynamoDB Developer Guide (also that a write may
have succeeded where the answer is 500), "Error responses" in the Amazon S3 API Reference, "Publish" in the
Amazon SNS API Reference."""


class FailingServices:
    """An ASGI application in front of another, ``app``, which answers whatever no script is about."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._scripts: dict[str, deque[ServiceFailure | None]] = {}
        self._refused_on: set[str] = set()
        """Calls whose every attempt is throttled."""
        self._throttling = {service: itertools.cycle(words) for service, words in _THROTTLING.items()}
        self._happened: Counter[tuple[str, ServiceFailure]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == PATH:
            await self._control(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if scope["method"] == "PUT":
            self._scripts = {
                service: deque(failure and ServiceFailure(failure) for failure in script)
                for service, script in json.loads(body).items()
            }
        happened: dict[str, dict[str, int]] = {}
        for (service, failure), times in self._happened.items():
            happened.setdefault(service, {})[failure] = times
        await _answer(scope, send, Answer(200, "application/json", json.dumps(happened)))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        caller = _CREDENTIAL.search(headers.get(b"authorization", ""))
        attempt = _ATTEMPT_OF.search(headers.get(_ATTEMPT, ""))
        if caller is None or attempt is None or not caller["key"].startswith(_TEMPORARY):
            await self._app(scope, receive, send)
            return
        service, is_first = caller["service"], attempt["attempt"] == "1"
        failure = self._next(service, headers.get(_CALL, ""), is_first=is_first)
        match failure:
            case None:
                await self._app(scope, receive, send)
                return
            case ServiceFailure.SLOW:
                await asyncio.sleep(SLOW_SECONDS)
                await self._app(scope, receive, send)
            case ServiceFailure.ANSWER_LOST:
                if not await self._carried_out(scope, receive, send):
                    self._scripts[service].appendleft(failure)  # nothing was lost: the next call's turn
                    return
                await _answer(scope, send, _FAULT[service])
            case ServiceFailure.REFUSED:
                await _read(receive)
                await _answer(scope, send, _REFUSAL[service])
            case _:
                await _read(receive)
                await _answer(scope, send, next(self._throttling[service]))
        goes_on = failure is ServiceFailure.THROTTLED_FOR_LONG and attempt["most"] != attempt["attempt"]
        self._happened[service, failure] += not goes_on

    async def _carried_out(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether the call was, whose answer nobody hears then. An answer that it was not is passed on."""
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        await self._app(scope, receive, keep)
        if kept[0]["status"] < HTTPStatus.BAD_REQUEST:
            return True
        for message in kept:
            await send(message)
        return False

    def _next(self, service: str, call: str, *, is_first: bool) -> ServiceFailure | None:
        if not is_first:
            return ServiceFailure.THROTTLED_FOR_LONG if call in self._refused_on else None
        script = self._scripts.get(service)
        failure = script.popleft() if script else None
        if failure is ServiceFailure.THROTTLED_FOR_LONG:
            self._refused_on.add(call)
        return failure


async def _read(receive: Receive) -> bytes:
    """The request's whole body."""
    parts: list[bytes] = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts)


async def _answer(scope: Scope, send: Send, answer: Answer) -> None:
    body = b"" if scope["method"] == "HEAD" else answer.body.encode()
    headers = [(b"content-type", answer.content_type.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
