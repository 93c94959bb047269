"""`pulumi up` against an emulator: all is asked there, and nothing that could be AWS passes for one."""

from __future__ import annotations

import json
from pathlib import Path

import pulumi_aws
import pytest

from infra.config import ConfigInvalid
from infra.emulator import SERVICES, emulator_faults
from tests.infra.conftest import RecordingProvider, preview
from tests.infra.test_policies import EVERYTHING_ON

HERE = {"fruits:emulatorEndpoint": "https://localhost:4566"}
SERVICES_OF: dict[str, set[str]] = {
    "cloudwatch": {"cloudwatch", "events", "logs"},
    "lb": {"elbv2"},
    "s3": {"s3", "s3control"},
    "vpc": {"ec2"},
}
"""The services behind a module of the provider that is not called as its service."""


def previewed(build: Path, **config: str) -> RecordingProvider:
    return preview(build, "local-cli", **EVERYTHING_ON, **config)


def endpoints(declared: RecordingProvider) -> dict[str, str]:
    (found,) = json.loads(declared.one("aws")["endpoints"])
    assert isinstance(found, dict)
    return found


def test_every_service_that_the_program_uses_is_asked_at_the_emulator(build: Path) -> None:
    declared = previewed(build, **HERE)
    modules = {
        args.typ.split(":")[1].split("/")[0]
        for args in declared.declared
        if args.custom and args.typ.startswith("aws:")
    }
    used = {service for module in modules for service in SERVICES_OF.get(module, {module})}
    assert {*used, "sts"} == set(SERVICES)
    assert endpoints(declared) == dict.fromkeys(SERVICES, "https://localhost:4566")
    assert json.loads(declared.one("aws")["s3UsePathStyle"]) is True


def test_the_provider_knows_every_service_by_that_name() -> None:
    known = {name.rstrip("_") for name in pulumi_aws.ProviderEndpointArgs.__init__.__annotations__}
    assert set(SERVICES) <= known


def test_emr_may_have_an_endpoint_of_its_own(build: Path) -> None:
    found = endpoints(previewed(build, **HERE, **{"fruits:emulatorEmrEndpoint": "http://127.0.0.1:8998"}))
    assert found.pop("emr") == "http://127.0.0.1:8998"
    assert set(found.values()) == {"https://localhost:4566"}


def test_without_the_key_the_provider_asks_aws(declared: RecordingProvider) -> None:
    assert "endpoints" not in declared.one("aws")


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.eu-west-1.amazonaws.com",
        "https://elasticmapreduce.eusc-de-east-1.amazonaws.eu",
        "https://s3.dualstack.eu-west-1.api.aws",
        "https://8.8.8.8:4566",
        "https://emulator.example.org",
        "https://localhost:4566/path",
        "https://user@localhost:4566",
        "localhost:4566",
        "ftp://localhost",
        "https://[::1",
        "",
    ],
)
def test_an_address_that_could_be_aws_or_anybodys_is_refused(url: str) -> None:
    (fault,) = emulator_faults({"emulatorEndpoint": url}, "local")
    assert f"emulatorEndpoint: {url!r} is not a service on this machine" in fault


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:4566",
        "https://127.0.0.1:4566/",
        "http://[::1]:1",
        "http://10.1.2.3:4566",
        "http://ministack:4566",
        "http://host.docker.internal:4566",
        "http://aws.localhost",
    ],
)
def test_an_address_of_ones_own_is_accepted(url: str) -> None:
    assert emulator_faults({"emulatorEndpoint": url}, "local") == []


def test_half_a_stack_on_aws_is_refused(build: Path) -> None:
    with pytest.raises(ConfigInvalid, match="all but EMR would be on AWS; set both"):
        previewed(build, **{"fruits:emulatorEmrEndpoint": "http://localhost:8998"})


def test_a_stack_that_may_be_on_aws_is_never_pointed_at_an_emulator(build: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"'eu' may have resources on AWS.*pulumi stack init local"):
        preview(build, **HERE)


def test_nothing_is_said_of_emulators_where_none_is_configured() -> None:
    assert emulator_faults({}, "eu") == []
