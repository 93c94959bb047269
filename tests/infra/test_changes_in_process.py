"""The program, run again in process: what it declares otherwise is changed, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.local.provider import LocalProvider
from infra.local.provider.monitor import FUNCTION, CannotReplaceError

OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"


class Service:
    """Every AWS service: keeps what it was asked for, by operation."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Any:
        def answer(**request: Any) -> dict[str, Any]:
            self.asked.append((operation, request))
            answers = {"Account": "1", "Arn": "arn", "UserId": "root", "ETag": '"0"', "CodeSize": 1}
            return {**answers, "FunctionArn": "arn"}

        return answer

    def get_waiter(self, _name: str) -> Any:
        return self

    def taken(self) -> list[tuple[str, dict[str, Any]]]:
        """What was asked for since the last time."""
        asked, self.asked = self.asked, []
        return asked


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def provider(service: Service) -> LocalProvider:
    provider = LocalProvider(lambda _: service)
    declare(provider, "pulumi:providers:aws", "aws", region="eu-west-1")
    service.taken()
    return provider


def declare(provider: LocalProvider, token: str, name: str, **inputs: Any) -> tuple[str | None, Any]:
    return provider.new_resource(pulumi.runtime.MockResourceArgs(token, name, inputs, custom=True))


def job(provider: LocalProvider, file: Path, content: str, key: str = "job.zip") -> None:
    file.write_text(content)
    declare(provider, OBJECT, "job", bucket="b", key=key, source=pulumi.FileAsset(str(file)))


def function(provider: LocalProvider, file: Path, content: str) -> tuple[str | None, Any]:
    file.write_text(content)
    code = pulumi.FileArchive(str(file))
    return declare(provider, FUNCTION, "launcher", runtime="python3.11", handler="h", role="r", code=code)


def test_what_is_declared_as_before_is_left_alone(
    provider: LocalProvider, service: Service, tmp_path: Path
) -> None:
    job(provider, tmp_path / "one", "same")
    service.taken()
    job(provider, tmp_path / "other", "same")
    assert service.taken() == []
    assert provider.resources == [f"{OBJECT} job"]


def test_another_content_is_put_in_place_of_the_first(
    provider: LocalProvider, service: Service, tmp_path: Path
) -> None:
    job(provider, tmp_path / "one", "before")
    job(provider, tmp_path / "one", "after")
    assert [request["Body"] for _, request in service.taken()] == [b"before", b"after"]


def test_what_would_have_to_be_replaced_is_refused(provider: LocalProvider, tmp_path: Path) -> None:
    job(provider, tmp_path / "one", "same")
    with pytest.raises(CannotReplaceError, match="'job' cannot be given another key in process"):
        job(provider, tmp_path / "one", "same", key="other.zip")


def test_a_function_keeps_its_name_and_gets_its_code_when_it_is_told_to(
    provider: LocalProvider, service: Service, tmp_path: Path
) -> None:
    name, _ = function(provider, tmp_path / "one", "before")
    service.taken()
    again, properties = function(provider, tmp_path / "other", "after")
    assert (again, properties["name"], service.taken()) == (name, name, [])
    provider.postponed["launcher"]()
    asked = dict(service.taken())
    assert asked["update_function_code"]["ZipFile"] == b"after"
    assert asked["update_function_code"]["FunctionName"] == name
