"""docs/operations.md lists what a person has to be allowed; it suffices, and nothing of it is too much."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.local.ministack import MiniStack
from lambdas.cli.result import ExitCode
from lambdas.contract.run import RunState

from .deployed import RUN, Deployed
from .submitting import write
from .test_results_command import KEYS, publish
from .test_workbench_command import SECRET, there_is

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
WHERE = {
    "the data bucket, and others that a manifest names": ["arn:aws:s3:::{bucket}"],
    "the ledger and its indexes": [
        "arn:aws:dynamodb:*:*:table/{table}",
        "arn:aws:dynamodb:*:*:table/{table}/*",
    ],
    "the passwords of workbenches, `fruits-<stack>/workbench/*`": [
        "arn:aws:secretsmanager:*:*:secret:fruits-test/workbench/*"
    ],
}
"""What the table says in words; the rest is prefixes of the data bucket."""


def statements(bucket: str, table: str, without: str = "") -> list[dict[str, Any]]:
    """The document's table as a policy, but for the rows that have ``without`` in them."""
    text = DOCUMENT.split("\n## What a person needs to be allowed\n")[1].split("\n\n")[0]
    made = []
    for row in text.splitlines()[3:]:
        actions, where, _ = row.strip("| ").split(" | ")
        if "kms:" in actions or (without and without in row):
            continue
        places = WHERE.get(where) or [
            place if place == "*" else f"arn:aws:s3:::{{bucket}}/{place}"
            for place in re.findall("`([^`]+)`", where)
        ]
        resources = [place.format(bucket=bucket, table=table) for place in places]
        made.append({"Effect": "Allow", "Action": re.findall(r"`(\w+:\w+)`", actions), "Resource": resources})
    return made


@pytest.fixture
def person(deployed: Deployed, ministack: MiniStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Somebody who may do what the table lists, but for some rows, as whom commands are carried out."""
    deployed.s3.put_bucket_versioning(Bucket=deployed.bucket, VersioningConfiguration={"Status": "Enabled"})
    deployed.records(RunState.COMPLETED)
    publish(deployed, KEYS.features, {"part-00000.parquet": "x"})
    write(tmp_path / "photos", "apple/1.jpg")
    iam, name = ministack.client("iam"), deployed.bucket
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    table = deployed.environment["FRUITS_LEDGER_TABLE"]

    def carries_out(command: str, without: str = "") -> tuple[int, str]:
        policy = {"Version": "2012-10-17", "Statement": statements(deployed.bucket, table, without)}
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        arguments = {
            "submit": [str(tmp_path / "photos"), "--dataset", "apples", "--yes"],
            "results": [RUN, "--to", str(tmp_path / "results")],
            "status": [RUN],
            "report": [RUN, "--to", str(tmp_path / "report.html")],
            "workbench": ["password", "explore"],
        }
        code, out, said = deployed.run(command, *arguments[command])
        return code, out + said

    return carries_out


def test_what_is_listed_suffices(person: Any) -> None:
    # Submitting twice: the second time, what is there is compared.
    for command in ("submit", "submit", "results", "status"):
        assert person(command)[0] == ExitCode.OK, person(command)


@pytest.mark.parametrize(
    ("without", "command", "sentence"),
    [
        ("s3:ListBucket", "submit", "may not list the stack's data bucket"),
        ("s3:PutObject", "submit", "0 of 1 photos are in the bucket; the same command goes on from there"),
        ("dynamodb:GetItem", "submit", "your AWS credentials may not do this"),
        ("| `images/*` |", "submit", "your AWS credentials may not do this"),
        ("s3:ListBucket", "results", "your AWS credentials may not list s3://"),
        ("`Results/*`", "results", "your AWS credentials may not do this"),
        ("`runs/*`", "status", "your AWS credentials may not do this"),
        ("`runs/*`", "report", "your AWS credentials may not do this"),
    ],
)
def test_without_it_a_command_says_so(without: str, command: str, sentence: str, person: Any) -> None:
    if without == "| `images/*` |":
        assert person(command)[0] == ExitCode.OK
    code, said = person(command, without)
    assert (code, sentence in said) == (ExitCode.UNAVAILABLE, True), said
    assert "docs/operations.md lists" in said


def test_the_password_of_a_workbench_is_for_those_who_may_read_it(
    person: Any, deployed: Deployed, ministack: MiniStack
) -> None:
    there_is(deployed, RunState.RUNNING)
    vault = ministack.client("secretsmanager")
    vault.create_secret(Name=SECRET, SecretString="correct horse")
    try:
        assert person("workbench") == (ExitCode.OK, "correct horse\n")
        code, said = person("workbench", "secretsmanager:GetSecretValue")
    finally:
        vault.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    assert code == ExitCode.UNAVAILABLE
    assert "may not read the password of explore: that takes secretsmanager:GetSecretValue" in said
    assert "correct horse" not in said
    assert "docs/operations.md lists" in said
