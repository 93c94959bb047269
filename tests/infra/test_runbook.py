"""The runbook's commands, typed as they stand there into a shell that knows a stack, find what they name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.cloud import LocalCloud
from lambdas.contract.layout import MANIFESTS
from tests.infra.test_documents import DOCUMENTS, text_of, typed

RUNBOOK = "docs/runbook.md"
KNOWN = {"<run_id>": "a-run"}
"""What any text does for; commands with other placeholders need something that is wrong first."""


def commands() -> Iterator[str]:
    for line in typed(text_of(RUNBOOK)):
        for placeholder, text in KNOWN.items():
            line = line.replace(placeholder, text)
        if line.startswith("aws ") and not re.search(r"<\w+>", line):
            yield line


def run(cloud: LocalCloud, command: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euc", f"{cloud.outputs['shell']}\n{command}"],
        env={**cloud.environment, "PATH": path},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("command", sorted(commands()))
def test_a_command_works_as_typed(cloud: LocalCloud, command: str) -> None:
    # `aws s3 ls` fails where there is nothing.
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key=f"{MANIFESTS}a.json", Body=b"{}")
    # The AWS CLI has host names of its own for SQS, and overlooks the local cloud's variable.
    local = ' --endpoint-url "$AWS_ENDPOINT_URL"' if command.startswith("aws sqs") else ""
    done = run(cloud, command + local)
    assert done.returncode == 0, done.stderr
    if "list-rules" in command:
        assert "ENABLED" in done.stdout


def test_a_shell_knows_each_function_and_where_it_logs(cloud: LocalCloud) -> None:
    for name in ("LAUNCHER", "TRACKER", "RECONCILER"):
        function, log = run(cloud, f"echo $FRUITS_{name} $FRUITS_{name}_LOG").stdout.split()
        assert function == cloud.outputs[f"{name.lower()}_function"]
        known = cloud.client("lambda").get_function_configuration(FunctionName=function)
        assert known["LoggingConfig"]["LogGroup"] == log


def test_commands_about_functions_and_logs_are_among_those_that_were_typed() -> None:
    operations = {" ".join(command.split()[1:3]) for command in commands()}
    assert {"logs start-query", "lambda get-function-concurrency", "lambda invoke"} <= operations


@pytest.mark.parametrize("document", DOCUMENTS)
def test_variables_that_a_document_uses_are_those_that_the_stack_exports(
    document: str, cloud: LocalCloud
) -> None:
    exported = set(re.findall(r"^export (\w+)=", cloud.outputs["shell"], re.MULTILINE))
    assert set(re.findall(r"\$(FRUITS_\w+)", text_of(document))) <= exported
