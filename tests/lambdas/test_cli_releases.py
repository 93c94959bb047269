"""The commands beside another release, and a run that the stack cannot deal with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambdas.cli.result import ExitCode
from lambdas.contract.layout import RunLayout
from lambdas.contract.run import ClusterPhases, Ending, FailureKind, RunState, Setback, ended

from .deployed import RUN, Deployed

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("status-*.json")))
def test_the_status_that_another_release_wrote_is_shown(deployed: Deployed, name: str) -> None:
    deployed.records(RunState.LAUNCHED, attempt=2)
    written = json.loads((GOLDEN / f"{name}.json").read_text()) | {"of_tomorrow": 1}
    deployed.objects.write(RunLayout("fruits", RUN).status, json.dumps(written))
    code, said, _ = deployed.run("status", RUN)
    assert code == ExitCode.OK
    assert f"{RUN}  {written['state']}" in said


def test_how_far_the_cluster_came_is_said_phase_by_phase(deployed: Deployed) -> None:
    deployed.has_status(deployed.records(RunState.LAUNCHED, phases=ClusterPhases(60.0, 240.5, 280.0)))
    said = deployed.run("status", RUN)[1]
    assert (
        "cluster  asked for 1970-01-01T00:01:00+00:00, machines there 3 min later, ready 40 s later\n" in said
    )


def test_what_this_release_does_not_know_of_a_status_is_told_from_the_ledger(deployed: Deployed) -> None:
    record = deployed.records(RunState.LAUNCHED)
    deployed.has_status(record)
    key = RunLayout("fruits", RUN).status
    written = json.loads(deployed.objects.read(key) or b"{}")
    newer = written | {"state": "PAUSED", "history": None, "notes": None, "outputs": None, "message": "Hm."}
    deployed.objects.write(key, json.dumps(newer))
    code, known = deployed.json("status", RUN)
    assert (code, known["state"], known["message"]) == (ExitCode.OK, "LAUNCHED", "Hm.")
    assert [entered["state"] for entered in known["history"]] == [
        entered["state"] for entered in written["history"]
    ]


def test_a_status_of_before_the_end_is_not_shown_with_the_reason_of_the_end(deployed: Deployed) -> None:
    record = deployed.records(RunState.LAUNCHED)
    deployed.has_status(record)
    why = Ending("MAX_RUNTIME", "It was stopped.", "Raise it.", FailureKind.USER)
    assert deployed.ledger.swap(record, ended(record, RunState.FAILED, why, 1.9e9))
    _, known = deployed.json("status", RUN)
    assert (known["state"], known["reason"], known["message"]) == ("LAUNCHED", None, None)


@pytest.mark.parametrize("spoiled", ["{", "[]", "null"])
def test_a_status_that_somebody_spoiled_is_shown_from_the_ledger(deployed: Deployed, spoiled: str) -> None:
    deployed.records(RunState.CLAIMED)
    deployed.objects.write(RunLayout("fruits", RUN).status, spoiled)
    assert deployed.json("status", RUN)[1]["state"] == "CLAIMED"


def test_why_a_run_is_left_alone_is_said(deployed: Deployed) -> None:
    deployed.has_status(deployed.records(RunState.QUEUED, setback=Setback(2, "Access Denied", 60.0)))
    assert (
        "trouble  2 times in a row: Access Denied; it is tried again from 1970-01-01T00:01:00+00:00 on"
        in deployed.run("status", RUN)[1]
    )


def test_a_run_whose_record_a_newer_release_wrote_is_refused_with_a_sentence(deployed: Deployed) -> None:
    deployed.records(RunState.RUNNING, version=2)
    deployed.records(RunState.QUEUED, "fruits-ffffffffffff")
    for command in ("status", "cancel"):
        code, _, said = deployed.run(command, RUN)
        assert code == ExitCode.NO
        assert said == (
            "fruits: the run's record is of version 2, and this release reads up to 1: a newer release wrote "
            "it; deploy that one again.\n"
        )
    assert [run["run_id"] for run in deployed.json("runs")[1]] == ["fruits-ffffffffffff"]
