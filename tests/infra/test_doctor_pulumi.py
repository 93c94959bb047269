"""What doctor says of the Pulumi CLI and of the stack that is selected there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from infra.doctor import workplace
from infra.doctor.finding import Finding, Status
from infra.doctor.workplace import Pulumi
from infra.program import LOCK_FILE
from infra.releases import locked_spark_version

LOCK = f"pulumi==3.272.0 \\\n    --hash=sha256:{'1' * 64}\n"
INSTALL = "install 3.272.0 or newer of the same major version: https://www.pulumi.com/docs/install/"


def said(findings: list[Finding]) -> tuple[Status, str, str | None]:
    (finding,) = findings
    return finding.status, finding.text, finding.remedy


@pytest.mark.parametrize(
    ("cli", "status", "text"),
    [
        (Pulumi(None), Status.FAULT, "the Pulumi CLI is not on the PATH"),
        (Pulumi("dev"), Status.FAULT, "`pulumi version` says 'dev', which is no version"),
        (
            Pulumi("v3.99.1"),
            Status.FAULT,
            "Pulumi v3.99.1 is older than the SDK in requirements.lock (3.272.0)",
        ),
        (
            Pulumi("v4.1.0", has_host=True),
            Status.FAULT,
            "Pulumi v4.1.0 is another major version than the SDK in requirements.lock (3.272.0)",
        ),
    ],
)
def test_a_cli_that_the_sdk_refuses_is_a_fault(cli: Pulumi, status: Status, text: str) -> None:
    assert said(workplace.pulumi(cli, LOCK)) == (status, text, INSTALL)


@pytest.mark.parametrize("version", ["v3.272.0", "v3.274.1", "3.300.0-alpha.1"])
def test_a_cli_that_is_as_new_as_the_sdk_will_do(version: str) -> None:
    assert said(workplace.pulumi(Pulumi(version, has_host=True), LOCK)) == (
        Status.OK,
        f"Pulumi {version}, for the SDK 3.272.0",
        None,
    )


def program(file: Path, script: str = "") -> Path:
    """A program that runs these lines of shell."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def test_a_cli_without_a_python_language_host_cannot_run_the_program(tmp_path: Path) -> None:
    def found(path: Path) -> list[Finding]:
        search = {"PATH": f"{path}:{tmp_path / 'others'}"}
        return workplace.pulumi(workplace.read_pulumi(tmp_path, search), LOCK)

    cli = program(tmp_path / "release" / "pulumi", "echo v3.274.1")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").symlink_to(cli)
    assert said(found(tmp_path / "bin")) == (
        Status.FAULT,
        "Pulumi v3.274.1 cannot run `pulumi up`: it has no Python language host",
        "install a release of Pulumi: https://www.pulumi.com/docs/install/",
    )
    beside = program(tmp_path / "release" / "pulumi-language-python")
    assert said(found(tmp_path / "bin"))[0] is Status.OK
    (tmp_path / "others").mkdir()
    beside.rename(tmp_path / "others" / beside.name)
    assert said(found(tmp_path / "bin"))[0] is Status.OK


def cli_that(folder: Path, script: str) -> dict[str, str]:
    """An environment with a `pulumi` that runs these lines of shell."""
    program(folder / "pulumi", script)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def judged_stack(cli: Pulumi, shell_prefix: str | None = None) -> list[Finding]:
    return workplace.stack_settings(cli, locked_spark_version(LOCK_FILE.read_text()), shell_prefix)


def test_the_settings_are_those_of_the_selected_stack(tmp_path: Path) -> None:
    answer = json.dumps({"aws:region": {"value": "eu-west-3", "secret": False}, "fruits:x": {"secret": True}})
    environ = cli_that(
        tmp_path, f"case $1 in version) echo v3.274.1;; stack) echo me/fruits/eu;; *) echo '{answer}';; esac"
    )
    found = workplace.read_pulumi(tmp_path, environ)
    assert (found.stack, found.settings, found.secrets) == ("eu", {"aws:region": "eu-west-3"}, ("fruits:x",))


REGION = {"aws:region": "eu-west-1"}


def test_settings_that_the_preview_accepts_are_ok() -> None:
    cli = Pulumi("v3.274.1", {**REGION, "fruits:maxClusters": "3"}, stack="eu")
    assert said(judged_stack(cli)) == (Status.OK, "fruits-eu is selected, with 2 settings", None)


def test_each_setting_that_the_preview_refuses_is_a_fault() -> None:
    given = {**REGION, "fruits:maxClusters": "many", "fruits:typo": "1", "fruits:logRetentionDays": "2"}
    stack, typed, typo, days = judged_stack(Pulumi("v3.274.1", given, stack="EU"))
    assert {one.status for one in (stack, typed, typo, days)} == {Status.FAULT}
    assert {one.remedy for one in (stack, typed, typo, days)} == {"mend it; `pulumi preview` says the same"}
    assert "'EU' becomes part of names" in stack.text
    assert "maxClusters: 'many' is not a whole number" in typed.text
    assert "typo: is no setting" in typo.text
    assert "does not offer 2 days" in days.text


def test_secret_settings_are_not_judged_and_that_is_said() -> None:
    secrets = ("aws:region", "fruits:notificationEmail")
    fine, unread = judged_stack(Pulumi("v3.274.1", {}, stack="eu", secrets=secrets))
    assert fine == Finding(Status.OK, "fruits-eu is selected, with 2 settings", None)
    assert unread == Finding(
        Status.UNKNOWN,
        "secret, so not looked at: aws:region, fruits:notificationEmail",
        "nothing here: `pulumi preview` reads them",
    )


def test_a_shell_that_knows_another_stack_than_the_selected_one_is_warned() -> None:
    cli = Pulumi("v3.274.1", REGION, stack="mine")
    _, other = judged_stack(cli, "fruits-local")
    assert other == Finding(
        Status.WARNING,
        "this shell knows fruits-local, and Pulumi has fruits-mine selected",
        '`eval "$(pulumi stack output shell)"`',
    )
    assert said(judged_stack(cli, "fruits-mine"))[0] is Status.OK


def test_who_has_not_logged_in_is_told_that_it_comes_next(tmp_path: Path) -> None:
    refusal = "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions"
    script = f"[ $1 = version ] && echo v3.274.1 || {{ echo '{refusal}' >&2; exit 3; }}"
    assert said(judged_stack(workplace.read_pulumi(tmp_path, cli_that(tmp_path, script)))) == (
        Status.WARNING,
        "nobody has logged in to Pulumi, so the default settings are assumed",
        "`pulumi login` comes next, then `pulumi stack init eu` or `pulumi stack select eu`",
    )


def test_a_cli_that_speaks_no_text_is_said(tmp_path: Path) -> None:
    found = workplace.read_pulumi(tmp_path, cli_that(tmp_path, r"printf '\377\376'"))
    assert (
        said(workplace.pulumi(found, LOCK))[1] == "`pulumi version` says '\ufffd\ufffd', which is no version"
    )
    assert said(judged_stack(found))[1].endswith("what it says is no JSON")


SELECT = "`pulumi login`, then `pulumi stack init eu` or `pulumi stack select eu`"


def test_without_a_stack_the_defaults_are_assumed_and_that_is_said(tmp_path: Path) -> None:
    script = "echo v3.274.1; [ $1 = version ] || { echo 'error: no stack selected; please' >&2; exit 1; }"
    found = workplace.read_pulumi(tmp_path, cli_that(tmp_path, script))
    assert (found.version, found.settings) == ("v3.274.1", None)
    assumed = (Status.WARNING, "no stack is selected, so the default settings are assumed", SELECT)
    assert said(judged_stack(found)) == assumed
    assert said(judged_stack(workplace.read_pulumi(tmp_path, {"PATH": "/none"}))) == assumed


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (
            "echo 'error: could not validate Pulumi.yaml:\n  * bad' >&2",
            "could not validate Pulumi.yaml: * bad",
        ),
        ("true", "it said nothing"),
    ],
)
def test_a_project_that_pulumi_cannot_read_is_a_fault(tmp_path: Path, script: str, why: str) -> None:
    script = f"[ $1 = version ] && echo v3.274.1 || {{ {script}; exit 1; }}"
    assert said(judged_stack(workplace.read_pulumi(tmp_path, cli_that(tmp_path, script)))) == (
        Status.FAULT,
        f"Pulumi cannot tell the settings of a stack: {why}",
        "`pulumi config` says it in full",
    )


def test_a_cli_that_speaks_otherwise_is_said(tmp_path: Path) -> None:
    found = workplace.read_pulumi(tmp_path, cli_that(tmp_path, "echo v3.274.1"))
    assert said(judged_stack(found))[1] == (
        "Pulumi cannot tell the settings of a stack: what it says is no JSON"
    )


def test_a_cli_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    environ = cli_that(tmp_path, "")
    (tmp_path / "pulumi").write_text("#!/no/such/shell\n")
    found = workplace.read_pulumi(tmp_path, environ)
    assert found.version == ""
    assert f"{tmp_path}/pulumi does not answer" in said(judged_stack(found))[1]
