"""No call to AWS takes longer than the Lambda that makes it lives: whichever client, however slow AWS is."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config

from infra.components import launcher, reconciler, tracker
from lambdas.aws.clients import LONGEST_CALL_SECONDS, PUBLISH_SECONDS
from lambdas.aws.composition import Composition
from lambdas.contract.settings import CommandSettings, DoorSettings, TrackerSettings
from lambdas.runs.dispatch import LAUNCH_CALL_SECONDS

from .fakes import FakeMeter
from .world import SETTINGS

TIMEOUTS = {
    "launcher": launcher.TIMEOUT_SECONDS,
    "tracker": tracker.TIMEOUT_SECONDS,
    "reconciler": reconciler.TIMEOUT_SECONDS,
}


def longest_call(config: Config) -> float:
    """Seconds until a call without an answer fails. Between attempts, botocore's standard mode waits up to
    2 ** n seconds, at most 20. Source: botocore's ``ExponentialBackoff``."""
    retries: dict[str, Any] = config.retries  # type: ignore[attr-defined]  # set from the options
    attempts = retries["total_max_attempts"]
    pauses = sum(min(20, 2**number) for number in range(attempts - 1))
    return float(attempts * (config.connect_timeout + config.read_timeout) + pauses)  # type: ignore[attr-defined]


DOOR = DoorSettings("", "", "")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Config]]:
    """Every client that the composition root makes, with its limits."""
    clients: list[tuple[str, Config]] = []
    make = boto3.Session.client

    def client(session: boto3.Session, service: str, *args: Any, **options: Any) -> Any:
        made = make(session, service, *args, **options)
        clients.append((service, made.meta.config))
        return made

    monkeypatch.setattr(boto3.Session, "client", client)
    parts = Composition(data_bucket="b", ledger_table="t", region="eu-west-1")
    parts.dispatcher(SETTINGS, DOOR)
    parts.tracker(TrackerSettings("fruits-eu", "b", "t", "arn"), DOOR, FakeMeter())
    parts.failures(CommandSettings("b", "t", "eu-west-1", "https://queue", "fruits-eu", "", "", "", ""))
    with pytest.raises(Exception, match=r"."):  # nothing to ask without credentials; the client is made
        parts.caller()
    return clients


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, and no way to ask for some."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def test_every_client_gives_up_while_its_lambda_can_still_say_so(made: list[tuple[str, Config]]) -> None:
    assert {service for service, _ in made} == {"s3", "dynamodb", "emr", "sns", "sqs", "lambda", "sts"}
    for service, config in made:
        assert longest_call(config) <= LONGEST_CALL_SECONDS < min(TIMEOUTS.values()), service


def test_a_launch_and_a_message_are_asked_for_once_and_answered_in_time(
    made: list[tuple[str, Config]],
) -> None:
    """A launch before its claim may be taken for dead; a message while others still wait gladly."""
    once = {
        service: longest_call(config)
        for service, config in made
        if config.retries["total_max_attempts"] == 1  # type: ignore[attr-defined]  # as above
    }
    assert once == {"emr": LAUNCH_CALL_SECONDS, "sns": PUBLISH_SECONDS}
