"""`fruits workbench`, and what the other commands say of workbenches, against a real local AWS."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from infra.local.ministack import MiniStack
from lambdas.cli.result import ExitCode
from lambdas.cli.views import submitted
from lambdas.contract.cost.estimate import Estimate
from lambdas.contract.plan import ClusterSpec, ManifestRef, WorkbenchPlan, WorkbenchSpec
from lambdas.contract.run import Change, Ending, RunRecord, RunState, stopping
from lambdas.runs.workbench import end_of_workbench

from .deployed import Deployed

RUN = "workbench.explore-0123456789ab"
SECRET = f"fruits-test/workbench/{RUN}"
FINGERPRINT = ":".join(["AB"] * 32)


def there_is(deployed: Deployed, state: RunState, run_id: str = RUN, **known: Any) -> RunRecord:
    """A workbench of four hours in that state, launched an hour ago by the clock of the test."""
    name = run_id.removeprefix("workbench.").rpartition("-")[0]
    entered = known.pop("history", (Change(RunState.LAUNCHED, 1.8e9, "j-1"), Change(state, 1.8e9 + 600)))
    record = deployed.records(
        state, run_id, dataset=name, max_runtime_minutes=240, idle_minutes=60, history=entered, **known
    )
    plan = WorkbenchPlan(
        version=1,
        run_id=run_id,
        dataset=name,
        manifest=ManifestRef(deployed.bucket, "manifests/a.json", "v1"),
        submitted_at="2027-01-15T08:00:00+00:00",
        root=f"s3://{deployed.bucket}",
        notify=False,
        max_runtime_minutes=240,
        estimate=Estimate("eu-west-1", 240.0, 3.0, 3.1, "2025-06", "all of its hours"),
        cluster=ClusterSpec(2, ("m5.xlarge",), "on_demand"),
        workbench=WorkbenchSpec(60, "door.example.org", None, None),
    )
    deployed.objects.write(record.layout.plan, plan.to_json())
    return record


def tells(deployed: Deployed, record: RunRecord, fingerprint: str = FINGERPRINT) -> None:
    """The workbench writes what it does every minute."""
    written = {"version": 1, "last_active_at": 1.8e9, "certificate_sha256": fingerprint}
    deployed.objects.write(record.layout.activity, json.dumps(written))


def test_an_open_workbench_says_where_it_is_how_it_is_known_until_when_and_what_it_cost(
    deployed: Deployed,
) -> None:
    tells(deployed, there_is(deployed, RunState.RUNNING))
    code, told = deployed.json("workbench", "open", "explore")
    assert code == ExitCode.OK
    assert told.pop("eur_so_far") is not None
    assert told == {
        "name": "explore",
        "run_id": RUN,
        "state": "RUNNING",
        "is_open": True,
        "address": "https://door.example.org:9443/",
        "user": "analyst",
        "certificate_sha256": FINGERPRINT,
        "ends_at": "2027-01-15T12:00:00+00:00",
        "idle_minutes": 60,
        "notebooks": f"s3://{deployed.bucket}/notebooks/explore/",
    }
    _, said, _ = deployed.run("workbench", "open", RUN)
    assert said.startswith("explore is open: https://door.example.org:9443/\n")
    for part in (f"SHA-256 {FINGERPRINT}\n", "2027-01-15T12:00:00+00:00", f"fruits cancel {RUN}"):
        assert part in said
    assert re.search(r"about -?[\d.]+ EUR so far", said)


@pytest.mark.parametrize("written", ["\x1b[2J", "AB:CD", ""])
def test_only_a_fingerprint_is_shown_as_one(deployed: Deployed, written: str) -> None:
    tells(deployed, there_is(deployed, RunState.RUNNING), written)
    code, said, _ = deployed.run("workbench", "open", "explore")
    assert (code, "SHA-256 not told yet" in said) == (ExitCode.OK, True)
    assert "\x1b" not in said


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.LAUNCHED])
def test_one_that_is_not_open_yet_says_so(deployed: Deployed, state: RunState) -> None:
    there_is(deployed, state, history=(Change(state, 1.8e9, "j-1"),))
    code, said, _ = deployed.run("workbench", "open", "explore")
    assert code == ExitCode.NO
    assert said.startswith(f"explore is not open yet: {state}")
    assert f"`fruits status {RUN} --watch` follows it" in said


def test_one_that_is_ending_says_why(deployed: Deployed) -> None:
    record = there_is(deployed, RunState.RUNNING)
    ending = end_of_workbench(record, 5 * 3600.0, None, 1.8e9)
    assert ending is not None
    assert deployed.ledger.swap(record, stopping(record, RunState.COMPLETED, ending))
    code, said, _ = deployed.run("workbench", "open", "explore")
    assert (code, said.startswith("explore is ending (The workbench was ended after its time, 4 hours")) == (
        ExitCode.NO,
        True,
    )


@pytest.mark.parametrize("action", ["open", "password"])
def test_one_that_has_ended_says_how_to_have_another(deployed: Deployed, action: str) -> None:
    record = there_is(deployed, RunState.RUNNING)
    deployed.moves(record, RunState.COMPLETED, Ending("IDLE_WORKBENCH", "No kernel was busy."))
    after = deployed.ledger.get(RUN)
    assert after is not None
    assert deployed.ledger.swap(after, dataclasses.replace(after, closed=True))
    code, _, said = deployed.run("workbench", action, "explore")
    assert code == ExitCode.NO
    assert f"explore is not open: its last workbench, {RUN}, is COMPLETED (No kernel was busy.)" in said
    assert "`fruits submit` of its manifest opens another one" in said


@pytest.mark.parametrize("action", ["open", "password"])
def test_a_name_that_no_workbench_has_is_answered_with_the_nearest(deployed: Deployed, action: str) -> None:
    assert deployed.run("workbench", action, "explore")[0] == ExitCode.UNKNOWN_RUN
    there_is(deployed, RunState.RUNNING)
    code, _, said = deployed.run("workbench", action, "exlpore")
    assert (code, said) == (
        ExitCode.UNKNOWN_RUN,
        "fruits: there is no workbench 'exlpore'. Did you mean explore?\n",
    )


def test_of_two_of_a_name_the_one_with_a_cluster_is_meant(deployed: Deployed) -> None:
    waiting = RUN.replace("0123", "ffff")
    there_is(deployed, RunState.QUEUED, waiting, history=(), accepted_at=1.7e9)
    there_is(deployed, RunState.RUNNING)
    assert deployed.json("workbench", "open", "explore")[1]["run_id"] == RUN
    assert deployed.json("workbench", "open", waiting)[1]["run_id"] == waiting


def test_the_password_is_told_alone_so_that_a_script_can_take_it(
    deployed: Deployed, ministack: MiniStack
) -> None:
    there_is(deployed, RunState.RUNNING)
    vault = ministack.client("secretsmanager")
    vault.create_secret(Name=SECRET, SecretString="correct horse")
    try:
        assert deployed.run("workbench", "password", "explore") == (ExitCode.OK, "correct horse\n", "")
        _, told = deployed.json("workbench", "password", "explore")
        assert told == {"run_id": RUN, "user": "analyst", "password": "correct horse"}
    finally:
        vault.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)


@pytest.mark.parametrize(
    ("state", "why"),
    [(RunState.QUEUED, "it gets one when it is launched"), (RunState.RUNNING, "it is ending")],
)
def test_a_workbench_without_a_password_says_why(deployed: Deployed, state: RunState, why: str) -> None:
    there_is(deployed, state)
    code, _, said = deployed.run("workbench", "password", "explore")
    assert (code, f"explore is {state} and has no password: {why}." in said) == (ExitCode.NO, True)


@pytest.mark.parametrize("arguments", [(), ("open",), ("close", "explore"), ("open", "a", "b")])
def test_wrong_use_is_told(
    deployed: Deployed, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        deployed.run("workbench", *arguments)
    assert left.value.code == ExitCode.USAGE
    assert "usage: fruits" in capsys.readouterr().err


def test_runs_status_and_cancel_know_workbenches(deployed: Deployed) -> None:
    record = there_is(deployed, RunState.QUEUED, history=())
    assert RUN in deployed.run("runs")[1]
    assert deployed.run("status", RUN)[1].startswith(f"{RUN}  QUEUED")
    code, _, said = deployed.run("status", "explore")
    assert (code, "there is no run 'explore'" in said) == (ExitCode.UNKNOWN_RUN, True)
    code, said, _ = deployed.run("cancel", RUN)
    assert (code, said) == (
        ExitCode.OK,
        f"Run {RUN} is cancelled. It had no cluster.\n"
        f"Its notebooks stay at s3://{deployed.bucket}/notebooks/explore/.\n",
    )
    assert deployed.ledger.get(record.run_id).state is RunState.CANCELLED  # type: ignore[union-attr]  # it is there
    assert deployed.run("cancel", RUN)[0] == ExitCode.NO
    assert deployed.run("cancel", "workbench.explore-0")[0] == ExitCode.UNKNOWN_RUN


def test_whoever_asked_for_one_is_told_how_to_get_in() -> None:
    said = submitted(RUN, {})
    assert "fruits workbench open explore " in said
    assert "fruits results" not in said
