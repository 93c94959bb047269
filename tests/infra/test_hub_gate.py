"""Who is let into a workbench, how fast, and what many at once change about it: nothing for the owner."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from infra.components.workbench import hub
from lambdas.contract.workbench import USER, login_json

Answer = TypeVar("Answer")

RIGHT = "the right one"
SCRYPT = {"n": 2, "r": 8, "p": 1}
DIGEST = hashlib.scrypt(RIGHT.encode(), salt=b"salt", **SCRYPT)
CHEAP: dict[str, Any] = {
    "user": USER,
    "salt": base64.b64encode(b"salt").decode(),
    "digest": base64.b64encode(DIGEST).decode(),
    **SCRYPT,
}
"""As the stack's login, but for what a check costs."""
PATIENCE_SECONDS = 20


def outcome(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """What it returns. `asyncio.run` would leave the thread without the event loop that Pulumi takes."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


class Pauses:
    """Instead of sleeping: how long everybody had to wait, and how many at once at most."""

    def __init__(self, until: asyncio.Event | None = None) -> None:
        self.seconds: list[float] = []
        self.until = until
        self.now = self.most = 0

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.now += 1
        self.most = max(self.most, self.now)
        if self.until is not None:
            await self.until.wait()
        self.now -= 1


def gate_with(pauses: Pauses, clock: Callable[[], float] = lambda: 0.0) -> hub.Gate:
    return hub.Gate(CHEAP, pauses.sleep, clock)


@pytest.mark.parametrize(
    ("user", "password", "let_in"),
    [(USER, RIGHT, True), (USER, "wrong", False), ("jovyan", RIGHT, False), ("", "", False)],
)
def test_the_account_with_its_password_is_let_in_and_nobody_else(
    user: str, password: str, let_in: bool
) -> None:
    gate = hub.Gate(json.loads(login_json(RIGHT, b"salt")))
    assert outcome(gate.lets_in(user, password)) is let_in


def test_answers_are_slow_after_a_few_failures_until_somebody_gets_in() -> None:
    pauses = Pauses()

    async def tries() -> None:
        gate = gate_with(pauses)
        for _ in range(12):
            assert not await gate.lets_in(USER, "wrong")
        assert await gate.lets_in(USER, RIGHT)
        assert not await gate.lets_in(USER, "wrong")

    outcome(tries())
    assert pauses.seconds == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 0]


def test_failures_of_long_ago_are_forgotten() -> None:
    pauses, times = Pauses(), [0.0]

    async def tries() -> None:
        gate = gate_with(pauses, lambda: times[0])
        for at in (0.0,) * 7 + (600.0, 1200.1):
            times[0] = at
            await gate.lets_in(USER, "wrong")

    outcome(tries())
    assert pauses.seconds == [0, 0, 0, 0, 0, 1, 2, 4, 0]


def test_many_wrong_ones_wait_one_after_another_and_the_right_one_for_none_of_them() -> None:
    async def tries() -> None:
        over = asyncio.Event()
        pauses = Pauses(until=over)
        gate = gate_with(pauses)
        wrong = [asyncio.create_task(gate.lets_in(USER, "wrong")) for _ in range(40)]
        await asyncio.sleep(0)  # they come first
        assert await asyncio.wait_for(gate.lets_in(USER, RIGHT), PATIENCE_SECONDS)
        assert [task.done() for task in wrong].count(False) == hub.MOST_WAITING
        assert pauses.most == 1
        over.set()
        assert not any(await asyncio.wait_for(asyncio.gather(*wrong), PATIENCE_SECONDS))
        assert (pauses.most, len(pauses.seconds)) == (1, hub.MOST_WAITING)

    outcome(tries())


def test_of_more_than_can_be_checked_in_time_the_rest_is_refused_unchecked() -> None:
    async def tries() -> list[bool]:
        gate = gate_with(Pauses())
        answers = await asyncio.gather(*(gate.lets_in(USER, RIGHT) for _ in range(hub.MOST_CHECKED + 1)))
        assert await gate.lets_in(USER, RIGHT)
        return answers

    assert outcome(tries()) == [True] * hub.MOST_CHECKED + [False]


def test_a_check_leaves_the_hubs_event_loop_free(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def scrypt(*_arguments: Any, **_options: Any) -> bytes:
        threads.append(threading.current_thread())
        return DIGEST

    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    assert outcome(gate_with(Pauses()).lets_in(USER, RIGHT))
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()
