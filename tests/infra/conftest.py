"""A stub build folder, and a recording provider that creates nothing."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.components.certificates import file_of, today, write_node_certificate
from infra.deployed import DEPLOYED_RESOURCES
from infra.local.deploy import deploy
from lambdas.contract.regions import EU_REGIONS

ACCOUNT_ID = "123456789012"
PREINSTALLED = {"aws:region": "eu-west-1", "fruits:nodePackages": "preinstalled"}
STUB_HANDLER = """
import json, os, boto3

def handler(event, context):
    bucket = os.environ["FRUITS_DATA_BUCKET"]
    boto3.client("s3").put_object(Bucket=bucket, Key="runs/stub/seen.json", Body=json.dumps(event))
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
    """What the program declares with this configuration."""
    provider = RecordingProvider()
    deploy(provider, stack=stack, config={**PREINSTALLED, **config}, build=build)
    return provider


@pytest.fixture(scope="module")
def declared(build: Path) -> RecordingProvider:
    return preview(build)


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def statements_of(policy: str) -> dict[str, dict[str, Any]]:
    """The statements of a policy document by their Sid."""
    return {statement["Sid"]: statement for statement in json.loads(policy)["Statement"]}
