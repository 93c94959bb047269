"""`make local` in a process of its own, as a person's other terminal sees it."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.cloud import STACK
from infra.local.ministack import client
from tests.engine.left_behind import resources_of

_CTRL_C = "ctrl-C"
"""Stands in the last lines of what it tells when it is up."""


@dataclass(frozen=True)
class KeptCloud:
    """The process that keeps the cloud, the folder of its files, and what it told, line by line."""

    process: subprocess.Popen[str]
    folder: Path
    told: list[str]

    def line(self, part: str) -> str:
        return next(line for line in self.told if part in line)

    @property
    def exported(self) -> Mapping[str, str]:
        """What the shell is told to export."""
        lines = map(shlex.split, (self.folder / "env.sh").read_text().splitlines())
        return dict(line[1].split("=", 1) for line in lines if line[0] == "export")

    def client(self, service: str) -> Any:
        """One that goes by that."""
        return client(service, self.exported)

    def its_stack(self) -> dict[str, list[str]]:
        """What there is of the stack that came with the cloud."""
        return resources_of(self.client, STACK)

    def names(self) -> set[str]:
        """Buckets, functions, roles and tables, whoever's they are."""
        s3, functions, iam, dynamodb = map(self.client, ("s3", "lambda", "iam", "dynamodb"))
        return {
            *(one["Name"] for one in s3.list_buckets()["Buckets"]),
            *(one["FunctionName"] for one in functions.list_functions()["Functions"]),
            *(one["RoleName"] for one in iam.list_roles()["Roles"]),
            *dynamodb.list_tables()["TableNames"],
        }


def comes_up(process: subprocess.Popen[str], folder: Path) -> KeptCloud:
    """Read what ``process`` tells, until it is up."""
    assert process.stdout is not None
    printed = ""
    while _CTRL_C not in printed:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        printed += line
    told = printed.replace("\\\n", "").splitlines()
    return KeptCloud(process, folder, [line.strip() for line in told])
