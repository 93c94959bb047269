"""Launching is paused and resumed, and nobody who looks at the stack can overlook the pause."""

from __future__ import annotations

import json
import uuid

import pytest

from infra.local.ministack import MiniStack
from lambdas.cli.main import main
from lambdas.cli.result import ExitCode
from lambdas.contract.run import RunState
from lambdas.contract.status import QueuePlace
from lambdas.runs.admission import Admissions, Pause, Wait

from .deployed import RUN, Deployed

SOMEBODY = Pause(1_800_000_000.0, "arn:aws:iam::123456789012:user/ada", "the model is wrong")
DESCRIBED = "since 2027-01-15T08:00:00+00:00, by user/ada: the model is wrong"


def test_a_pause_says_what_stops_and_what_goes_on(deployed: Deployed) -> None:
    code, said, _ = deployed.run("pause")
    assert code == ExitCode.OK
    assert said == (
        "Launching is paused: from now on no run is started.\n"
        "Uploads queue, and runs that have a cluster go on. `fruits resume` ends the pause.\n"
    )
    assert deployed.ledger.admissions().paused is not None


def test_a_pause_records_when_and_by_whom_and_why(deployed: Deployed) -> None:
    code, answer = deployed.json("pause", "--reason", " an upgrade,\nuntil noon ")
    assert code == ExitCode.OK
    recorded = deployed.ledger.admissions().paused
    assert recorded is not None
    assert recorded.since is not None
    assert recorded.since > 1.7e9
    assert recorded.by is not None
    assert recorded.by.startswith("arn:aws:")
    assert recorded.reason == "an upgrade, until noon"
    assert answer["changed"]
    assert answer["paused"]["by"] == recorded.by
    assert answer["paused"]["description"] == recorded.description


def test_pausing_twice_leaves_the_first_pause_and_tells_whose_it_is(deployed: Deployed) -> None:
    deployed.ledger.pause(SOMEBODY)
    code, said, _ = deployed.run("pause", "--reason", "mine")
    assert code == ExitCode.OK
    assert said.startswith(f"Launching is paused already, and stays as it was ({DESCRIBED}).\n")
    assert "there is one pause for everybody" in said
    assert deployed.ledger.admissions().paused == SOMEBODY
    _, answer = deployed.json("pause")
    assert (answer["changed"], answer["paused"]["reason"]) == (False, "the model is wrong")


def test_resuming_tells_what_pause_is_over_and_when_it_goes_on(deployed: Deployed) -> None:
    deployed.ledger.pause(SOMEBODY)
    code, said, _ = deployed.run("resume")
    assert code == ExitCode.OK
    assert said == (
        f"The pause is over ({DESCRIBED}): "
        "the next pass of the reconciler, within five minutes, starts what has queued up.\n"
    )
    assert deployed.ledger.admissions().paused is None


def test_resuming_what_is_not_paused_changes_nothing(deployed: Deployed) -> None:
    deployed.ledger.swap_admissions(Admissions(), Admissions(committed_eur=1.0))
    assert deployed.run("resume")[:2] == (ExitCode.OK, "Launching was not paused.\n")
    _, answer = deployed.json("resume")
    assert answer == {"paused": None, "changed": False, "was": None}
    assert deployed.ledger.admissions().committed_eur == 1.0


def test_whoever_lists_runs_hears_of_a_pause_and_a_script_reads_on(deployed: Deployed) -> None:
    deployed.records(RunState.QUEUED)
    assert deployed.run("runs")[2] == ""
    deployed.ledger.pause(SOMEBODY)
    code, out, told = deployed.run("runs")
    assert (code, out.split()[4]) == (ExitCode.OK, RUN)
    assert told == (
        f"fruits: launching is paused ({DESCRIBED}); uploads queue until somebody says `fruits resume`\n"
    )
    assert [run["run_id"] for run in deployed.json("runs")[1]] == [RUN]


def test_a_queued_run_shows_the_pause_before_its_status_file_does(deployed: Deployed) -> None:
    deployed.has_status(deployed.records(RunState.QUEUED), QueuePlace(3, Wait.CLUSTERS))
    deployed.ledger.pause(SOMEBODY)
    _, said, _ = deployed.run("status", RUN)
    assert f"  queue    place 3; {Wait.PAUSED}\n" in said
    assert f"  paused   {DESCRIBED}; `fruits resume` ends it\n" in said
    _, answer = deployed.json("status", RUN)
    assert (answer["waits_for"], answer["paused"]["reason"]) == (Wait.PAUSED, "the model is wrong")


def test_a_queued_run_shows_that_its_turn_comes_before_its_status_file_does(deployed: Deployed) -> None:
    deployed.has_status(deployed.records(RunState.QUEUED), QueuePlace(1, Wait.PAUSED))
    _, said, _ = deployed.run("status", RUN)
    assert "place 1; Launching was resumed: the next pass of the reconciler, within five minutes" in said
    assert "paused" not in said


def test_a_run_that_has_its_cluster_is_not_bothered_with_the_pause(deployed: Deployed) -> None:
    deployed.has_status(deployed.records(RunState.RUNNING))
    deployed.ledger.pause(SOMEBODY)
    assert "paused" not in deployed.run("status", RUN)[1]
    assert deployed.json("status", RUN)[1]["paused"] is None


@pytest.mark.parametrize("missing", [None, "dynamodb:GetItem", "dynamodb:UpdateItem"])
def test_reading_and_updating_the_ledger_is_all_that_it_takes(
    deployed: Deployed, ministack: MiniStack, monkeypatch: pytest.MonkeyPatch, missing: str | None
) -> None:
    deployed.ledger.pause(SOMEBODY)
    iam, name = ministack.client("iam"), f"operator-{uuid.uuid4().hex[:8]}"
    actions = [action for action in ("dynamodb:GetItem", "dynamodb:UpdateItem") if action != missing]
    allowed = {"Effect": "Allow", "Action": actions, "Resource": "arn:aws:dynamodb:*:*:table/runs-*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="operator", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    code, said, refused = deployed.run("pause")
    if missing:
        assert code == ExitCode.UNAVAILABLE
        assert missing in refused
        return
    assert "is paused already" in said
    assert deployed.run("resume")[0] == ExitCode.OK
    assert deployed.run("pause")[0] == ExitCode.OK
    paused = deployed.ledger.admissions().paused
    assert paused is not None
    assert paused.description.endswith(f"by user/{name}")


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_neither_can_be_said_of_an_unknown_stack(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command], {}) == ExitCode.USAGE
    assert "does not know the stack" in capsys.readouterr().err
