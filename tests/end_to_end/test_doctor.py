"""`fruits doctor --run`: a small data set through the whole system, as a person starts it, who watches it in
another terminal with `fruits status --watch`.

What both say of each outcome is told by their own tests. Here a step is really at work while they look.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import pytest

from lambdas.cli.main import main
from lambdas.cli.result import ExitCode
from lambdas.contract.run import RunState

from .conftest import Happened, User

SOON_SECONDS = 120.0


@dataclass(frozen=True)
class Trial:
    """What doctor found, and what `fruits status --watch --json` said of its run meanwhile."""

    findings: list[dict[str, str]]
    errors: str
    run_id: str
    exit_code: int
    seen: list[dict[str, Any]]


@pytest.fixture(scope="module")
def trial(happened: Happened) -> Trial:
    user = happened.user
    command = [sys.executable, "-m", "infra.doctor", "--json", "--run"]
    environment = {**user.shell, "PATH": os.environ["PATH"]}
    with (
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as doctor,
        pytest.MonkeyPatch.context() as shell,
    ):
        for name, value in user.shell.items():
            shell.setenv(name, value)
        run_id = run_of_doctor()
        exit_code, watched = says("status", run_id, "--watch", "--json")
        out, errors = doctor.communicate()
    seen = [json.loads(line) for line in watched.splitlines()]
    return Trial(json.loads(out)["findings"], errors, run_id, exit_code, seen)


def says(*arguments: str) -> tuple[int, str]:
    """The exit code of a `fruits` command, and its output."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        return main(arguments), said.getvalue()


def run_of_doctor() -> str:
    """The id of the run that doctor starts, as soon as there is one."""
    deadline = time.monotonic() + SOON_SECONDS
    while True:
        for run in json.loads(says("runs", "--json")[1]):
            if run["run_id"].startswith("doctor-"):
                return str(run["run_id"])
        assert time.monotonic() < deadline, "doctor has started no run"
        time.sleep(0.5)


def test_a_trial_goes_through_the_whole_stack_and_says_what_came_of_it(trial: Trial, user: User) -> None:
    assert trial.errors == ""
    (found,) = (found for found in trial.findings if found["check"] == "run")
    assert found["status"] == "ok", found
    assert "120 images featurized, 2 broken ones in quarantine" in found["text"]
    assert found["text"].split()[1] == trial.run_id
    item = user.cloud.client("dynamodb").get_item(
        TableName=user.cloud.outputs["ledger_table"], Key={"run_id": {"S": trial.run_id}}
    )["Item"]
    assert item["state"]["S"] == RunState.COMPLETED
    results = user.s3.list_objects_v2(Bucket=user.bucket, Prefix=f"Results/doctor/{trial.run_id}/")[
        "Contents"
    ]
    assert any(entry["Key"].endswith("/_SUCCESS") for entry in results)


def test_a_person_can_watch_a_run_from_the_command_line(trial: Trial) -> None:
    assert trial.exit_code == ExitCode.OK
    assert trial.seen[-1]["state"] == "COMPLETED"
    assert any(status["progress"] for status in trial.seen), "no step was seen at work"
