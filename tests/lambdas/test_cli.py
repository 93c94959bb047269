"""The commands for people, against a real local AWS."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.local.ministack import MiniStack
from lambdas.cli import views
from lambdas.cli.main import main
from lambdas.cli.result import ExitCode
from lambdas.contract.cost.estimate import Estimate, Job
from lambdas.contract.run import Ending, RunState
from lambdas.contract.settings import CommandSettings
from lambdas.runs.admission import Admissions
from lambdas.runs.cluster_choice import Choice
from lambdas.runs.ports import Newest

from .deployed import CAPS, RUN, Deployed


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[..., str]:
    def write(bucket: str = "my-bucket", **changes: Any) -> str:
        document = {
            "version": 1,
            "dataset": "fruits",
            "images": {"prefixes": [f"s3://{bucket}/images/"]},
            **changes,
        }
        path = tmp_path / "manifest.json"
        path.write_text(json.dumps(document))
        return str(path)

    return write


def test_a_valid_manifest_is_confirmed_without_aws_or_environment(
    manifest: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", manifest()], {}) == ExitCode.OK
    assert capsys.readouterr().out == "The manifest is valid.\n"


def test_a_faulty_manifest_is_answered_with_field_problem_and_remedy(
    manifest: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", manifest(engin="fast")], {}) == ExitCode.NO
    said = capsys.readouterr().out
    assert said.startswith("$.engin is not a known key\n    Did you mean engine?")
    assert "Nearest: engine" in said
    assert main(["validate", manifest(engin="fast"), "--json"], {}) == ExitCode.NO
    answer = json.loads(capsys.readouterr().out)
    assert (answer["valid"], answer["faults"][0]["path"]) == (False, "$.engin")


def test_a_manifest_can_come_through_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{")))
    assert main(["validate", "-"], {}) == ExitCode.NO
    assert "$ is not JSON" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "no/such/manifest.json"], {}) == ExitCode.USAGE
    assert capsys.readouterr().err == (
        "fruits: no/such/manifest.json cannot be read: No such file or directory. Check how it is spelt.\n"
    )


def test_a_plan_counts_and_prices_and_launches_nothing(
    deployed: Deployed, manifest: Callable[..., str]
) -> None:
    for number in range(40):
        deployed.s3.put_object(Bucket=deployed.bucket, Key=f"images/apple/{number}.jpg", Body=b"")
    before = len(deployed.emr.list_clusters()["Clusters"])
    code, answer = deployed.json("plan", manifest(deployed.bucket))
    assert (code, answer["images"], answer["shards"]) == (ExitCode.OK, 40, 3)
    assert answer["minutes"] == 10.0
    assert 0 < answer["eur"] < answer["worst_case_eur"]
    _, said, _ = deployed.run("plan", manifest(deployed.bucket))
    assert "40 in 3 shards" in said
    assert "list prices of 2025-06 in eu-west-1; an estimate, not a bill" in said
    assert deployed.ledger.recent(1) == ()
    assert len(deployed.emr.list_clusters()["Clusters"]) == before


def test_a_plan_without_images_says_what_the_launcher_would_say(
    deployed: Deployed, manifest: Callable[..., str]
) -> None:
    code, said, _ = deployed.run("plan", manifest(deployed.bucket))
    assert code == ExitCode.NO
    assert "no image was found" in said


def test_a_plan_of_a_faulty_manifest_asks_nothing_of_aws(
    manifest: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = CommandSettings("b", "t", "eu-west-1", "https://localhost:1/q", "fruits-x", *CAPS).to_env()
    assert main(["plan", manifest(dataset=7)], nowhere) == ExitCode.NO
    assert "$.dataset" in capsys.readouterr().out


def test_a_plan_that_would_be_stopped_unfinished_says_so() -> None:
    known = Estimate("eu-west-1", minutes=200.0, eur=2.5, worst_case_eur=1.5, prices_as_of="2025-06")
    choice = Choice(Job(1000, "fast", 224, 1, ("m5.xlarge",), spot=False, region="eu-west-1"))
    assert "It would probably be stopped unfinished" in views.plan(1000, 4, known, choice, 120)


def test_runs_are_listed_the_newest_first(deployed: Deployed) -> None:
    assert deployed.run("runs")[:2] == (
        ExitCode.OK,
        "No runs yet. Upload a manifest below manifests/ to start one.\n",
    )
    # The ledger holds more than runs.
    deployed.ledger.note("manifests/a.json", Newest("00", deleted=False))
    deployed.ledger.swap_admissions(Admissions(), Admissions(tokens=1.0))
    deployed.records(RunState.FAILED, "old", accepted_at=1.7e9, actual_eur=0.25, closed=True)
    deployed.records(RunState.RUNNING, "new")
    code, said, _ = deployed.run("runs")
    assert code == ExitCode.OK
    assert [line.split()[0] for line in said.splitlines()] == ["RUN", "new", "old"]
    assert "0.25" in said
    _, answer = deployed.json("runs")
    assert [(run["run_id"], run["state"]) for run in answer] == [("new", "RUNNING"), ("old", "FAILED")]


def test_of_many_runs_only_the_newest_are_read_and_that_is_said(deployed: Deployed) -> None:
    for number in range(5):
        deployed.records(RunState.COMPLETED, f"run-{number}", accepted_at=1.7e9 + number, closed=True)
    code, said, _ = deployed.run("runs", "--limit", "2")
    assert code == ExitCode.OK
    assert [line.split()[0] for line in said.splitlines()] == ["RUN", "run-4", "run-3", "..."]
    assert "older runs are not shown" in said
    assert "older" not in deployed.run("runs", "--limit", "5")[1]
    assert [run["run_id"] for run in deployed.json("runs", "--limit", "1")[1]] == ["run-4"]


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_that_is_no_positive_number_is_wrong_use(
    limit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["runs", "--limit", limit], {})
    assert ended.value.code == ExitCode.USAGE
    assert "--limit" in capsys.readouterr().err


def test_the_status_of_a_running_run_shows_how_far_its_step_is(deployed: Deployed) -> None:
    record = deployed.records(RunState.RUNNING, cluster_id="j-1")
    deployed.has_status(record)
    deployed.has_progress()
    code, said, _ = deployed.run("status", RUN)
    assert code == ExitCode.OK
    assert f"{RUN}  RUNNING" in said
    assert "featurize: infer, 60 of 122 images, 55.1 images/s, about 2 s left" in said
    _, answer = deployed.json("status", RUN)
    assert answer["progress"]["images_done"] == 60
    assert answer["remaining_seconds"] == 1.1


def test_a_run_that_has_no_status_file_yet_is_shown_from_the_ledger(deployed: Deployed) -> None:
    deployed.records(RunState.CLAIMED)
    assert deployed.json("status", RUN)[1]["state"] == "CLAIMED"


def test_a_failed_run_is_an_exit_code_and_says_why_and_what_to_do(deployed: Deployed) -> None:
    record = deployed.records(RunState.CLAIMED)
    deployed.moves(record, RunState.FAILED, Ending("X", "It broke.", "Mend it.", "ours"))
    code, said, _ = deployed.run("status", RUN)
    assert code == ExitCode.NO
    assert "why      It broke." in said
    assert "to do    Mend it." in said


def test_an_unknown_run_is_answered_with_the_nearest_known_one(deployed: Deployed) -> None:
    deployed.records(RunState.RUNNING)
    code, _, said = deployed.run("status", "fruits-0123456789xy")
    assert code == ExitCode.UNKNOWN_RUN
    assert said == f"fruits: there is no run 'fruits-0123456789xy'. Did you mean {RUN}?\n"
    assert "`fruits runs` lists the newest" in deployed.run("cancel", "zzz")[2]


def test_cancelling_ends_the_cluster_even_a_protected_one(deployed: Deployed) -> None:
    cluster_id = deployed.has_cluster()
    deployed.records(RunState.RUNNING, cluster_id=cluster_id)
    code, answer = deployed.json("cancel", RUN)
    assert (code, answer["cluster_id"]) == (ExitCode.OK, cluster_id)
    assert deployed.cluster_state(cluster_id).startswith("TERMINAT")
    record = deployed.ledger.get(RUN)
    assert record is not None
    # Its cluster is not gone yet; when it is, the tracker finds here why.
    assert (record.state, record.stopping) == (RunState.RUNNING, RunState.CANCELLED)
    assert record.reason == "USER_REQUEST"


def test_cancelling_keeps_the_reason_for_which_a_cluster_is_being_stopped_already(deployed: Deployed) -> None:
    cluster_id = deployed.has_cluster()
    why = {"reason": "MAX_RUNTIME", "stopping": RunState.FAILED}
    deployed.records(RunState.RUNNING, cluster_id=cluster_id, **why)
    assert deployed.run("cancel", RUN)[0] == ExitCode.OK
    record = deployed.ledger.get(RUN)
    assert record is not None
    assert (record.stopping, record.reason) == (RunState.FAILED, "MAX_RUNTIME")


def test_cancelling_a_run_without_a_cluster_ends_it_at_once(deployed: Deployed) -> None:
    deployed.records(RunState.QUEUED)
    code, answer = deployed.json("cancel", RUN)
    assert (code, answer["state"], answer["cluster_id"]) == (ExitCode.OK, "CANCELLED", None)
    status = deployed.json("status", RUN)[1]
    assert (status["state"], status["reason"]) == ("CANCELLED", "USER_REQUEST")


def test_cancelling_finds_a_cluster_that_could_not_be_recorded(deployed: Deployed) -> None:
    cluster_id = deployed.has_cluster()
    deployed.records(RunState.CLAIMED, accepted_at=0.0)
    assert deployed.json("cancel", RUN)[1]["cluster_id"] == cluster_id
    assert deployed.cluster_state(cluster_id).startswith("TERMINAT")


def test_cancelling_a_run_that_has_ended_changes_nothing(deployed: Deployed) -> None:
    deployed.records(RunState.COMPLETED)
    code, said, _ = deployed.run("cancel", RUN)
    assert (code, said) == (ExitCode.NO, f"Run {RUN} has ended already: COMPLETED.\n")


def test_an_empty_failure_queue_is_no_error(deployed: Deployed) -> None:
    assert deployed.run("redrive")[:2] == (ExitCode.OK, "The failure queue is empty.\n")


def test_a_shell_that_does_not_know_the_stack_is_told_both_ways_to_tell_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["runs"], {}) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "FRUITS_LEDGER_TABLE" in said
    assert 'eval "$(pulumi stack output shell)"' in said
    assert "source .local/cloud/env.sh" in said


def test_missing_credentials_are_said_without_a_trace(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    code, out, said = deployed.run("runs")
    assert (code, out) == (ExitCode.UNAVAILABLE, "")
    assert "no AWS credentials were found" in said


def test_credentials_without_permission_are_said(
    deployed: Deployed, ministack: MiniStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = ministack.client("iam")
    iam.create_user(UserName="guest")
    key = iam.create_access_key(UserName="guest")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    code, _, said = deployed.run("runs")
    assert code == ExitCode.UNAVAILABLE
    assert said.startswith("fruits: your AWS credentials may not do this: ")


def test_an_aws_that_cannot_be_reached_is_named(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://localhost:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    code, _, said = deployed.run("runs")
    assert code == ExitCode.UNAVAILABLE
    assert "https://localhost:1" in said
    assert "Check network, region and AWS_ENDPOINT_URL" in said


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"], {})
    assert ended.value.code == 0
    said = capsys.readouterr().out
    commands = ("validate", "plan", "runs", "status", "cancel", "pause", "resume", "redrive", "doctor")
    for word in (*commands, "exit codes", "4 AWS"):
        assert word in said
