"""How a run is watched: live at a terminal, in lines elsewhere."""

from __future__ import annotations

import dataclasses
import io
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from lambdas.cli import commands, forecast, live_view, views
from lambdas.cli.result import ExitCode
from lambdas.cli.stack import connect
from lambdas.contract.report import Progress
from lambdas.contract.run import RunRecord, RunState
from lambdas.contract.status import QueuePlace, timestamp
from lambdas.runs.admission import Wait

from .deployed import RUN, Deployed

Sleep = Callable[[float], None]


@pytest.fixture
def running(deployed: Deployed) -> RunRecord:
    record = deployed.records(RunState.RUNNING)
    deployed.has_status(record)
    deployed.has_progress()
    return record


def completes_in_the_third(waits: list[float], deployed: Deployed, record: RunRecord) -> Sleep:
    """Notes the ``waits`` of who watches."""

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            deployed.has_status(deployed.moves(record, RunState.COMPLETED))

    return sleep


def test_a_watched_run_is_looked_at_again_and_again_until_it_has_ended(
    deployed: Deployed, running: RunRecord
) -> None:
    waits: list[float] = []
    sleep = completes_in_the_third(waits, deployed, running)
    answers = list(commands.watch(connect(deployed.environment), RUN, sleep))
    assert [answer.document["state"] for answer in answers] == ["RUNNING"] * 3 + ["COMPLETED"]
    assert waits == [commands.POLL_SECONDS] * 3


def watched(deployed: Deployed, record: RunRecord, *options: str) -> list[str]:
    """The lines that watching prints where there is no terminal; the run completes meanwhile."""
    completed = deployed.moves(record, RunState.COMPLETED)
    end = threading.Timer(1.5 * commands.POLL_SECONDS, deployed.has_status, [completed])
    end.start()
    code, said, _ = deployed.run("status", RUN, "--watch", *options)
    end.join()
    assert code == ExitCode.OK
    return said.splitlines()


def test_watching_at_no_terminal_prints_each_change_once_in_plain_lines(
    deployed: Deployed, running: RunRecord
) -> None:
    lines = watched(deployed, running)
    states = [line.split()[1] for line in lines if line.startswith(RUN)]
    assert states == ["RUNNING", "COMPLETED"]
    assert "\x1b" not in "".join(lines)


def test_a_script_that_watches_gets_a_line_of_json_a_change(deployed: Deployed, running: RunRecord) -> None:
    states = [json.loads(line)["state"] for line in watched(deployed, running, "--json")]
    assert states == ["RUNNING", "COMPLETED"]


def test_watching_at_a_terminal_draws_in_place_and_leaves_the_end(
    deployed: Deployed, running: RunRecord
) -> None:
    screen = io.StringIO()
    sleep = completes_in_the_third([], deployed, running)
    answers = commands.watch(connect(deployed.environment), RUN, sleep)
    console = Console(file=screen, force_terminal=True, width=100, legacy_windows=False)
    assert live_view.follow(answers, console) == ExitCode.OK
    drawn = screen.getvalue()
    assert "60 of 122 images, 55.1 images/s, about 2 s left" in drawn
    assert "\x1b[1A" in drawn, "the cursor goes up to draw over what was there"
    assert f"{RUN}  COMPLETED" in drawn.rpartition("\x1b[2K")[2]


LAUNCHED_AT = 1_000_000.0
ON_ITS_SECOND_CLUSTER = {
    "state": "RUNNING",
    "estimated_minutes": 20.0,
    "estimated_eur": 0.5,
    "actual_eur": 0.25,
    "history": [
        {"state": "LAUNCHED", "at": timestamp(LAUNCHED_AT - 3600)},
        {"state": "QUEUED", "at": timestamp(LAUNCHED_AT - 60)},
        {"state": "LAUNCHED", "at": timestamp(LAUNCHED_AT)},
    ],
}


def test_the_cost_so_far_is_that_of_earlier_attempts_and_of_the_time_on_this_cluster() -> None:
    so_far = forecast.eur_so_far(ON_ITS_SECOND_CLUSTER, LAUNCHED_AT + 10 * 60)
    assert so_far == pytest.approx(0.25 + 0.25)


@pytest.mark.parametrize("change", [{"state": "QUEUED"}, {"state": "COMPLETED"}, {"estimated_minutes": None}])
def test_without_a_cluster_or_an_estimate_there_is_no_cost_so_far(change: dict[str, Any]) -> None:
    assert forecast.eur_so_far(ON_ITS_SECOND_CLUSTER | change, LAUNCHED_AT) is None


@pytest.mark.parametrize(("state", "seconds"), [("LAUNCHED", 40.0), ("COMPLETED", None)])
def test_how_long_a_run_is_in_its_state_is_told_until_it_has_ended(state: str, seconds: float | None) -> None:
    known = ON_ITS_SECOND_CLUSTER | {"state": state}
    assert forecast.seconds_in_state(known, LAUNCHED_AT + 40) == seconds


def test_a_run_of_which_no_time_is_known_is_in_its_state_for_nobody_knows_how_long() -> None:
    assert forecast.seconds_in_state({"state": "QUEUED", "history": []}, 1.0) is None


@pytest.mark.parametrize(
    ("images_done", "rate", "remaining", "said"),
    [
        (0, 0.0, None, "featurize: infer, 0 of 122 images"),
        (61, 61.0, 1.0, "featurize: infer, 61 of 122 images, 61 images/s, about 1 s left"),
        (122, 61.0, 0.0, "featurize: infer, 122 of 122 images, 61 images/s"),
    ],
)
def test_a_step_is_told_as_far_as_it_is(
    images_done: int, rate: float, remaining: float | None, said: str
) -> None:
    progress = dataclasses.asdict(Progress(RUN, "featurize", "infer", images_done, 122, 0, rate, 2.0))
    assert views.step(progress, remaining) == said


def test_what_remains_is_not_guessed_without_a_rate() -> None:
    assert forecast.remaining_seconds(Progress(RUN, "featurize", "list", 0, 122, 0, 0.0, 2.0)) is None
    assert forecast.remaining_seconds(Progress(RUN, "pca", "fit", 0, 0, 0, 55.0, 2.0)) is None


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "1 s"), (60, "60 s"), (61, "2 min"), (3600, "1 h 0 min"), (7500, "2 h 5 min")]
)
def test_durations_are_said_in_the_unit_that_fits(seconds: float, said: str) -> None:
    assert views.duration(seconds) == said


def test_a_queued_run_shows_its_place_and_what_it_waits_for(deployed: Deployed) -> None:
    record = deployed.records(RunState.QUEUED, attempt=2)
    deployed.has_status(record, QueuePlace(3, Wait.CLUSTERS))
    _, said, _ = deployed.run("status", RUN)
    assert said.startswith(f"{RUN}  QUEUED")
    assert ", attempt 2 of 3\n" in said
    assert f"  queue    place 3; {Wait.CLUSTERS}" in said
