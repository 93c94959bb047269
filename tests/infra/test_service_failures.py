"""What goes wrong at AWS' services is done at the wire, by a script, to the functions' calls alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.model import Shape
from botocore.parsers import create_parser

from infra.local import service_failures
from infra.local.service_failures import PATH, FailingServices, ServiceFailure

ROOT, ROLE = "000000000000", "ASIA0123456789ABCDEF"


@dataclass
class Wire:
    """Requests to services that answer 200, or ``status``, and note which calls were carried out."""

    status: int = 200
    carried_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._app = FailingServices(self._serve)

    async def _serve(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        await receive()
        self.carried_out.append(dict(scope["headers"])[b"amz-sdk-invocation-id"].decode())
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def request(self, path: str, headers: Mapping[str, str], body: bytes, method: str) -> tuple[int, bytes]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": encoded}
        asyncio.run(self._app(scope, receive, send))
        start, *rest = sent
        return start["status"], b"".join(message.get("body", b"") for message in rest)

    def script(self, **scripts: Sequence[ServiceFailure | None]) -> None:
        self.request(PATH, {}, json.dumps(scripts).encode(), "PUT")

    @property
    def happened(self) -> dict[str, dict[str, int]]:
        return dict(json.loads(self.request(PATH, {}, b"", "GET")[1]))

    def call(
        self, service: str, call: str, attempt: int = 1, *, key: str = ROLE, method: str = "POST"
    ) -> tuple[int, bytes]:
        credential = f"{key}/20260101/eu-west-1/{service}/aws4_request"
        headers = {
            "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0",
            "amz-sdk-invocation-id": call,
            "amz-sdk-request": f"ttl=20260101T000000Z; attempt={attempt}; max=4",
        }
        return self.request("/", headers, b"x", method)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    monkeypatch.setattr(service_failures, "SLOW_SECONDS", 0.0)
    return Wire()


def test_the_nth_call_takes_the_nth_entry_and_after_the_script_all_is_well(wire: Wire) -> None:
    wire.script(dynamodb=[None, ServiceFailure.THROTTLED, ServiceFailure.SLOW])
    assert [wire.call("dynamodb", call)[0] for call in "abcd"] == [200, 400, 200, 200]
    assert wire.call("dynamodb", "b", attempt=2)[0] == 200
    assert wire.happened == {"dynamodb": {"throttled": 1, "answered slowly": 1}}


def test_a_call_that_is_throttled_for_long_is_refused_at_every_attempt_and_counted_at_the_last(
    wire: Wire,
) -> None:
    wire.script(s3=[ServiceFailure.THROTTLED_FOR_LONG])
    assert [wire.call("s3", "a", attempt)[0] for attempt in (1, 2, 3)] == [503, 503, 503]
    assert (wire.carried_out, wire.happened["s3"]["throttled until its caller gave up"]) == ([], 0)
    assert wire.call("s3", "a", 4)[0] == 503
    assert wire.happened["s3"]["throttled until its caller gave up"] == 1


def test_what_is_carried_out_stays_so_when_its_answer_is_lost(wire: Wire) -> None:
    wire.script(dynamodb=[ServiceFailure.ANSWER_LOST])
    assert wire.call("dynamodb", "a")[0] == 500
    assert (wire.carried_out, wire.happened) == (["a"], {"dynamodb": {"carried out, and its answer lost": 1}})


def test_an_answer_that_nothing_was_carried_out_is_not_lost_and_the_next_call_has_its_turn(
    wire: Wire,
) -> None:
    wire.script(dynamodb=[ServiceFailure.ANSWER_LOST])
    wire.status = 400
    assert wire.call("dynamodb", "a")[0] == 400
    wire.status = 200
    assert (wire.call("dynamodb", "b")[0], wire.call("dynamodb", "c")[0]) == (500, 200)


def test_nothing_befalls_root_other_services_and_who_sends_no_attempts(wire: Wire) -> None:
    wire.script(dynamodb=[ServiceFailure.THROTTLED])
    assert wire.call("dynamodb", "a", key=ROOT)[0] == 200
    assert wire.call("sqs", "b")[0] == 200
    assert wire.request("/", {"amz-sdk-invocation-id": "c"}, b"", "POST")[0] == 200
    assert (wire.carried_out, wire.happened) == (["a", "b", "c"], {})


@pytest.mark.parametrize(
    ("service", "protocol", "failure", "codes"),
    [
        ("dynamodb", "json", "throttled", {"ProvisionedThroughputExceededException", "ThrottlingException"}),
        ("dynamodb", "json", "carried out, and its answer lost", {"InternalServerError"}),
        ("s3", "rest-xml", "throttled", {"SlowDown"}),
        ("s3", "rest-xml", "carried out, and its answer lost", {"InternalError"}),
        ("sns", "query", "refused", {"NotFound"}),
    ],
)
def test_botocore_reads_the_service_s_own_words(
    wire: Wire, service: str, protocol: str, failure: str, codes: set[str]
) -> None:
    wire.script(**{service: [ServiceFailure(failure)] * 2})
    found = set()
    for call in "ab":
        status, body = wire.call(service, call)
        answer = {"status_code": status, "headers": {}, "body": body}
        found.add(
            create_parser(protocol).parse(answer, Shape("Answer", {"type": "structure"}))["Error"]["Code"]
        )
    assert found == codes


def test_a_head_is_refused_without_a_body(wire: Wire) -> None:
    wire.script(s3=[ServiceFailure.THROTTLED])
    assert wire.call("s3", "a", method="HEAD") == (503, b"")
