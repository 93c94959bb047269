"""One clear message for what a person gets wrong, and nothing created."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pytest
from pulumi.automation import CommandError

from infra.local.engine.home import make_home
from infra.local.engine.stack import program, select_stack
from tests.engine.conftest import PREINSTALLED, LocalAws, set_config

Preview = Callable[..., str]


@pytest.fixture
def refused(local_aws: LocalAws, build: Path, tmp_path: Path) -> Preview:
    """What the preview of a new stack says when it fails."""

    def preview(
        name: str = "wrong",
        run: Callable[[], None] | None = None,
        environment: Mapping[str, str] = local_aws.environment,
    ) -> str:
        variables = {**environment, **make_home(tmp_path / "pulumi")}
        stack = select_stack(name, tmp_path / "stack", variables, run or program(build))
        set_config(stack, PREINSTALLED)
        with pytest.raises(CommandError) as failed:
            stack.preview(color="never")
        told = str(failed.value)
        assert "Traceback" not in told
        return told

    return preview


def test_a_shell_that_knows_no_local_cloud_says_how_to_get_one(refused: Preview, local_aws: LocalAws) -> None:
    pulumi_alone = {key: value for key, value in local_aws.environment.items() if key.startswith("PULUMI")}
    told = refused(environment=pulumi_alone)
    assert (
        "AWS_ENDPOINT_URL names no local cloud: run `make local`, then `source .local/cloud/env.sh`" in told
    )


def test_a_local_cloud_that_is_gone_is_told_from_a_fault_of_the_program(
    refused: Preview, local_aws: LocalAws
) -> None:
    told = refused(environment={**local_aws.environment, "AWS_ENDPOINT_URL": "https://localhost:1"})
    assert "https://localhost:1 does not answer" in told
    assert "is `make local` still running?" in told


def test_a_stack_name_that_aws_would_refuse_is_refused_first(refused: Preview) -> None:
    told = refused("a--b")
    assert "stack: 'a--b' becomes part of names that AWS would refuse; use at most 36" in told
    assert "`pulumi stack init <name>`" in told
    assert "aws:" not in told


def test_a_resource_type_that_the_local_cloud_does_not_know_says_where_to_add_it(refused: Preview) -> None:
    def run() -> None:
        provider = aws.Provider("p", region="eu-west-1")
        aws.kinesis.Stream("clicks", opts=pulumi.ResourceOptions(provider=provider))

    told = refused(run=run)
    assert "the local cloud cannot create aws:kinesis/stream:Stream (resource 'clicks')" in told
    assert "add a kind for it in infra/local/provider/" in told
