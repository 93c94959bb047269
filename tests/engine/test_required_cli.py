"""Which Pulumi CLI the project asks for, and how `pulumi` refuses another."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.local.engine.cli import find_cli, needed_version
from infra.local.engine.home import make_home
from infra.program import REPOSITORY

MAJOR, MINOR, _ = needed_version().split(".")


def test_the_project_asks_for_a_cli_as_new_as_the_sdk_and_the_document_says_so() -> None:
    project = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())
    assert project["requiredPulumiVersion"] == f">={needed_version()} <{int(MAJOR) + 1}.0.0"
    assert f"{MAJOR}.{MINOR} or newer" in (REPOSITORY / "docs" / "deploy.md").read_text()


@pytest.mark.parametrize("command", ["preview", "up", "refresh", "destroy"])
def test_a_cli_that_is_too_old_for_the_project_is_refused_with_one_line(tmp_path: Path, command: str) -> None:
    project = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())
    (tmp_path / project["main"]).mkdir()
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump({**project, "requiredPulumiVersion": ">=999.0.0"}))
    environment = {**os.environ, **make_home(tmp_path / "home"), "PULUMI_SKIP_CONFIRMATIONS": "true"}

    def pulumi(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [find_cli(), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert pulumi("stack", "init", "eu").returncode == 0
    refused = pulumi(command)
    assert refused.returncode != 0
    assert "does not satisfy the version range" in refused.stderr
    assert len((refused.stdout + refused.stderr).strip().splitlines()) == 1
