"""What `fruits doctor` does in shells that know little, or have AWS settings that cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from infra.doctor import __main__ as doctor
from infra.doctor.finding import ExitCode
from lambdas.cli.main import main as fruits
from lambdas.cli.output import READER_GONE


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A shell without credentials, CLI and stack."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    nothing = {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": "/nonexistent",
    }
    for name, value in nothing.items():
        monkeypatch.setenv(name, value)
    return nothing


def test_without_credentials_what_needs_none_is_looked_at_and_the_rest_says_why(
    nobody: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # What this process has used before says nothing about this shell.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session("earlier", "secret"))
    assert doctor.main(["--json"], nobody) == ExitCode.UNAVAILABLE
    answer = json.loads(capsys.readouterr().out)
    asked = {
        finding["check"]: finding["text"]
        for finding in answer["findings"]
        if finding["part"] == "the account"
    }
    assert asked.pop("identity") == "no AWS credentials were found"
    assert set(asked.values()) == {"not asked: no AWS credentials were found"}
    assert len(asked) == 7
    machine = {f["check"]: f["text"] for f in answer["findings"] if f["part"] == "this machine"}
    assert machine["Pulumi CLI"] == "the Pulumi CLI is not on the PATH"


@pytest.mark.parametrize(
    ("variable", "value", "text", "remedy"),
    [
        *(
            (
                variable,
                value,
                f"{variable} is {value!r}, which is no URL",
                f"for AWS `unset {variable}`; an emulator has a URL such as https://localhost:4566",
            )
            for variable, value in (
                ("AWS_ENDPOINT_URL", "localhost:4566"),
                ("AWS_ENDPOINT_URL", "http://localhost:port"),
                ("AWS_ENDPOINT_URL", "http://[::1"),
                ("AWS_ENDPOINT_URL_STS", "foo"),
            )
        ),
        (
            "AWS_PROFILE",
            "nope",
            "there is no profile 'nope' in the AWS configuration files",
            "`aws configure --profile nope` makes it; or `unset AWS_PROFILE AWS_DEFAULT_PROFILE`",
        ),
    ],
)
def test_aws_settings_of_the_shell_that_cannot_be_used_are_named(
    nobody: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    text: str,
    remedy: str,
) -> None:
    monkeypatch.setenv(variable, value)
    assert doctor.main(["--json"], {**nobody, variable: value}) == ExitCode.UNAVAILABLE
    found = json.loads(capsys.readouterr().out)["findings"]
    (identity,) = (one for one in found if one["check"] == "identity")
    assert (identity["status"], identity["text"], identity["remedy"]) == ("refused", text, remedy)
    assert {one["text"] for one in found if one["part"] == "the account"} == {text, f"not asked: {text}"}


def test_an_endpoint_of_the_configuration_file_is_named_by_what_is_said_of_it(
    nobody: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    (tmp_path / "config").write_text("[default]\nendpoint_url = localhost:4566\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert doctor.main([], nobody) == ExitCode.UNAVAILABLE
    assert capsys.readouterr().out.count("Invalid endpoint: localhost:4566\n") == 8


def test_a_shell_that_does_not_know_the_stack_is_told_how_to_know_it(
    nobody: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    doctor.main([], nobody)
    said = capsys.readouterr().out
    assert "the stack was not looked at: this shell does not know it; FRUITS_DATA_BUCKET, " in said
    assert 'On AWS:  eval "$(pulumi stack output shell)"\n' in said
    assert "\n\n14 looked at: " in said


def test_nothing_is_sent_through_a_stack_that_is_not_known(
    nobody: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.main(["--run"], nobody) == ExitCode.USAGE
    out, said = capsys.readouterr()
    assert out == ""
    assert said.startswith("fruits: the stack was not looked at: this shell does not know it; ")


def test_fruits_doctor_is_the_same_program_with_the_same_arguments(
    nobody: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert fruits(["doctor", "--run"], nobody) == ExitCode.USAGE
    assert capfd.readouterr().err.startswith("fruits: the stack was not looked at: ")
    assert fruits(["doctor", "--json"], nobody) == ExitCode.UNAVAILABLE
    assert json.loads(capfd.readouterr().out)["exit_code"] == ExitCode.UNAVAILABLE


def test_a_reader_who_has_seen_enough_gets_no_trace(nobody: dict[str, str]) -> None:
    program = [sys.executable, "-m", "infra.doctor"]
    with subprocess.Popen(program, env=nobody, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == READER_GONE
