"""A stub build folder, a recording provider that creates nothing, and a stack in the local cloud."""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.components.artifacts import NODE
from infra.components.certificates import file_of, today, write_node_certificate
from infra.deployed import DEPLOYED_RESOURCES
from infra.local.cloud import LocalCloud
from infra.local.deploy import deploy
from lambdas.contract.regions import EU_REGIONS
from tests.infra.nodes import packaged

ACCOUNT_ID = "123456789012"
PREINSTALLED = {"aws:region": "eu-west-1", "fruits:nodePackages": "preinstalled"}
GUESTS = "203.0.113.0/24"
"""The network that the door of the stack in the local cloud lets in."""
SEEN = "runs/stub/seen.json"
"""Where a stub Lambda writes the event that it got."""
BROKEN = "broken"
"""A stub Lambda fails on an event that has this word in it, until there is an object at :data:`MENDED`."""
MENDED = "runs/stub/mended"
STUB_HANDLER = f"""
import json, os, boto3
from botocore.exceptions import ClientError

def handler(event, context):
    s3, bucket, text = boto3.client("s3"), os.environ["FRUITS_DATA_BUCKET"], json.dumps(event)
    if "{BROKEN}" in text:
        try:
            s3.get_object(Bucket=bucket, Key="{MENDED}")
        except ClientError as error:
            raise RuntimeError("the function is broken") from error
    s3.put_object(Bucket=bucket, Key="{SEEN}", Body=text)
"""


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make package` makes, but with Lambdas that only note the event that they got."""
    folder = tmp_path_factory.mktemp("build")
    (folder / "model").mkdir()
    for name in ("launcher", "tracker", "reconciler"):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            archive.writestr("lambdas/__init__.py", "")
            archive.writestr(f"lambdas/{name}/__init__.py", "")
            archive.writestr(f"lambdas/{name}/handler.py", STUB_HANDLER)
    for name in ("job.zip", "step.py", "model/stub.tflite", "model/stub.h5"):
        (folder / name).write_text(name)
    for region in EU_REGIONS:
        write_node_certificate(folder / file_of(region), region, today())
    model = {
        "name": "mobilenet_v2",
        "file": "stub.tflite",
        "sha256": "a" * 64,
        "weights": "untrained",
        "weights_file": "stub.h5",
        "weights_sha256": "b" * 64,
    }
    (folder / "model" / "model.json").write_text(json.dumps(model))
    return folder


@dataclass
class RecordingProvider(pulumi.runtime.Mocks):
    """Notes what the program declares; ids and ARNs are made of the logical names."""

    declared: list[pulumi.runtime.MockResourceArgs] = field(default_factory=list)
    deployed: dict[str, Any] = field(default_factory=dict)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.declared.append(args)
        known = {
            "arn": f"arn:test:{args.typ.split(':')[1]}:::{args.name}",
            "name": args.name,
            "prefixListId": f"pl-{args.name}",
        }
        return args.name, {**known, **args.inputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        if args.token == DEPLOYED_RESOURCES:
            return {"outputs": self.deployed}, []
        return {"accountId": ACCOUNT_ID, "arn": "", "userId": "", "id": ACCOUNT_ID}, []

    def all_of(self, token_end: str, name_end: str = "") -> list[dict[str, Any]]:
        """The inputs of every resource whose type token and logical name end so."""
        return [
            args.inputs
            for args in self.declared
            if args.custom and args.typ.endswith(f":{token_end}") and args.name.endswith(name_end)
        ]

    def one(self, token_end: str, name_end: str = "") -> dict[str, Any]:
        (inputs,) = self.all_of(token_end, name_end)
        return inputs

    def statements(self, role: str) -> list[dict[str, Any]]:
        """The policy statements of a role, by the end of its name."""
        return [
            statement
            for inputs in self.all_of("RolePolicy")
            if inputs["role"].endswith(role)
            for statement in json.loads(inputs["policy"])["Statement"]
        ]


def preview(build: Path, stack: str = "eu", **config: str) -> RecordingProvider:
    """What the program declares with this configuration. Only to be looked at: tests share it."""
    return _previewed(build, stack, frozenset(config.items()))


@functools.cache
def _previewed(build: Path, stack: str, config: frozenset[tuple[str, str]]) -> RecordingProvider:
    provider = RecordingProvider()
    deploy(provider, stack=stack, config={**PREINSTALLED, **dict(config)}, build=build)
    return provider


@pytest.fixture(scope="session")
def declared(build: Path) -> RecordingProvider:
    return preview(build)


@pytest.fixture(scope="session")
def wheelhouse() -> Path:
    """The packaged wheels of every node."""
    return packaged(NODE)


@pytest.fixture(scope="session")
def cloud(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A stack with stub Lambdas and a door, for tests that leave it as it is but for objects and users of
    their own."""
    door = {"fruits:workbenchCidrs": f'["{GUESTS}"]'}
    with LocalCloud(tmp_path_factory.mktemp("cloud"), build=build, config=door) as running:
        yield running


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def statements_of(policy: str) -> dict[str, dict[str, Any]]:
    """The statements of a policy document by their Sid."""
    return {statement["Sid"]: statement for statement in json.loads(policy)["Statement"]}
