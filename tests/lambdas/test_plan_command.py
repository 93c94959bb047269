"""`fruits plan` says what the launcher would, because the same code decides."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.cli import manifests
from lambdas.cli.result import CommandError, ExitCode, Result
from lambdas.cli.stack import Stack
from lambdas.contract.cost.measured import Measured, MeasuredRate
from lambdas.contract.settings import CommandSettings, LauncherSettings
from lambdas.runs.admission import Pause, Wait
from lambdas.runs.dispatch import Outcome

from .world import BUCKET, IMAGES, World, manifest, workbench

DEAR = {"cluster": {"workers": 40}, "limits": {"max_runtime_minutes": 720, "max_cost_eur": 1000}}
MANIFESTS: list[dict[str, Any]] = [
    {},
    DEAR,
    {"limits": {"max_runtime_minutes": 60, "max_cost_eur": 0.5}},
    {"images": {"prefixes": [f"s3://{BUCKET}/images/nothing/"]}},
    {"images": {"prefixes": [IMAGES], "suffixes": [".webp"]}},
    {"images": {"keys": [f"{IMAGES}apple/0.jpg", f"{IMAGES}apple/9.jpg"]}},
    {"images": {"prefixes": ["s3://nobodys-bucket/images/"]}},
    {"cluster": {"instance_types": ["c5.xlarge"]}},
    {"engine": "reference", "limits": {"max_quarantined_fraction": 1}},
    {"engine": "reference", "images": {"prefixes": [f"{IMAGES}cold/"]}},
    {"images": {"prefixes": [f"{IMAGES}cold/"]}},
    {"cluster": {"finish_within_minutes": 30}},
    {"cluster": {"finish_within_minutes": 3}},
    {"cluster": {"finish_within_minutes": 30}, "limits": {"max_cost_eur": 0.3}},
]


def settings_of(launcher: LauncherSettings) -> CommandSettings:
    names = {field.name for field in dataclasses.fields(CommandSettings)}
    shared = {name: value for name, value in dataclasses.asdict(launcher).items() if name in names}
    return CommandSettings(failure_queue_url="q", prefix=launcher.prefix, **shared)


def planned(world: World, folder: Path, document: dict[str, Any]) -> Result:
    file = folder / "manifest.json"
    file.write_text(json.dumps(document))
    stack: Any = Stack(
        settings=settings_of(world.acceptor.settings),
        runs=world.runs,
        buckets=world.buckets,  # type: ignore[arg-type]
        ledger=world.ledger,  # type: ignore[arg-type]
        clusters=world.clusters,  # type: ignore[arg-type]
        failures=None,  # type: ignore[arg-type]
        uploads=None,  # type: ignore[arg-type]
        secret=lambda name: None,
        caller=lambda: "somebody",
    )
    return manifests.plan(stack, str(file))


def stocked(world: World) -> World:
    world.buckets.keys[BUCKET] += ["images/cold/1.jpg", "images/cold/2.jpg", "images/cold/3.webp"]
    world.buckets.archived = {"images/cold/2.jpg": "GLACIER"}
    world.clusters.offered = frozenset({"m5.xlarge"})
    return world


@pytest.mark.parametrize("cap", ["1000", "100", "0.01"])
@pytest.mark.parametrize("changes", MANIFESTS, ids=json.dumps)
def test_the_plan_accepts_what_the_launcher_accepts_and_names_the_same_faults_and_notes(
    changes: dict[str, Any], cap: str, world: World, tmp_path: Path
) -> None:
    stocked(world).configure(max_eur_per_day=cap)
    answer = planned(world, tmp_path, manifest(**changes))
    result = world.launch(world.upload(manifest(**changes)))
    if result.outcome is Outcome.REJECTED:
        rejection = world.rejection()
        assert (answer.code, answer.document["faults"]) == (ExitCode.NO, rejection["faults"])
        assert list(answer.document["notes"]) == rejection["notes"]
        assert all(note in answer.text for note in rejection["notes"])
    else:
        assert answer.code == ExitCode.OK
        assert answer.document["images"] == world.plan().images_listed
        assert answer.document["notes"] == world.plan().notes
        assert answer.document["worst_case_eur"] == world.record().worst_case_eur
        assert answer.document["cluster"] == dataclasses.asdict(world.plan().cluster)  # type: ignore[arg-type]
        assert all(f"note     {note}" in answer.text for note in world.plan().notes)


@pytest.mark.parametrize("stack", [{}, {"workbench_address": ""}, {"max_eur_per_day": "1"}], ids=json.dumps)
@pytest.mark.parametrize("changes", [{}, {"run": "nothing"}, {"hours": 2, "workers": 1}], ids=json.dumps)
def test_the_plan_of_a_workbench_says_what_the_launcher_would(
    changes: dict[str, Any], stack: dict[str, str], world: World, tmp_path: Path
) -> None:
    world.configure(**stack)
    answer = planned(world, tmp_path, workbench(**changes))
    result = world.launch(world.upload(workbench(**changes)))
    if result.outcome is Outcome.REJECTED:
        assert (answer.code, answer.document["faults"]) == (ExitCode.NO, world.rejection()["faults"])
        return
    assert (answer.code, answer.document["waits_for"]) == (ExitCode.OK, None)
    assert answer.document["worst_case_eur"] == world.record().worst_case_eur
    hours = changes.get("hours", 4)
    assert "opens    https://door.example.org:9443/" in answer.text
    assert f"ends     after {hours} hours, or when no kernel was busy for 60 minutes" in answer.text
    assert f"{answer.document['eur']:.2f} EUR if it is used to its end" in answer.text


def test_a_plan_beyond_what_the_stack_may_spend_a_day_is_refused_as_a_launch_is(
    world: World, tmp_path: Path
) -> None:
    world.configure(max_eur_per_day="100")
    answer = planned(world, tmp_path, manifest(**DEAR))
    assert answer.code == ExitCode.NO
    [fault] = answer.document["faults"]
    assert fault["path"] == "$.limits.max_runtime_minutes"
    worst = planned_worst_case(world, tmp_path)
    world.configure(max_eur_per_day=str(worst))
    assert planned(world, tmp_path, manifest(**DEAR)).code == ExitCode.OK
    assert world.launch(world.upload(manifest(**DEAR))).outcome is Outcome.LAUNCHED


def planned_worst_case(world: World, folder: Path) -> float:
    world.configure(max_eur_per_day="100000")
    worst: float = planned(world, folder, manifest(**DEAR)).document["worst_case_eur"]
    return worst


def test_a_plan_says_what_the_run_would_wait_for(world: World, tmp_path: Path) -> None:
    assert planned(world, tmp_path, manifest()).document["waits_for"] is None
    world.ledger.pause(Pause(world.time, "somebody", None))
    answer = planned(world, tmp_path, manifest())
    assert (answer.code, answer.document["waits_for"]) == (ExitCode.OK, Wait.PAUSED)
    assert f"queue    {Wait.PAUSED}" in answer.text


def test_a_plan_shows_the_alternatives_side_by_side_and_what_they_rest_on(
    world: World, tmp_path: Path
) -> None:
    world.buckets.keys[BUCKET] = [f"images/apple/{number}.jpg" for number in range(9_600)]
    world.ledger.known = Measured((MeasuredRate("r", "fast", "m6a.xlarge", 4.0),))
    answer = planned(world, tmp_path, manifest(cluster={"finish_within_minutes": 20}))
    rows = [" ".join(line.split()) for line in answer.text.splitlines()]
    table = rows[rows.index("") + 1 :]
    measured = "4 (measured by 1 run of this stack on m6a)"
    assert table[:5] == [
        "NODES TYPE MARKET MINUTES EUR EUR AT MOST IMAGES/S A VCPU",
        "1 + 2 m6g.xlarge on_demand 15.0 0.15 1.27 4 (assumed on arm64)",
        f"1 + 1 m6a.xlarge on_demand 20.0 0.15 0.95 {measured}",
        f"1 + 2 m6a.xlarge spot 15.0 0.15 1.43 {measured}",
        f"chosen 1 + 2 m6a.xlarge on_demand 15.0 0.17 1.43 {measured}",
    ]
    assert f"basis    {measured.replace('4 ', '4 images/s a vCPU ', 1)}, 10.0 minutes" in answer.text
    alternatives = answer.document["alternatives"]
    assert len(alternatives) == len(table) - 1
    assert alternatives[3] == {
        "workers": 2,
        "instance_types": ("m6a.xlarge",),
        "market": "on_demand",
        **{name: answer.document[name] for name in ("region", "minutes", "eur", "worst_case_eur", "basis")},
        "prices_as_of": "2025-06",
    }


def test_a_shell_of_before_the_caps_were_told_says_how_to_get_them(world: World, tmp_path: Path) -> None:
    world.configure(max_eur_per_day="", release_label="")
    with pytest.raises(
        CommandError, match=r"FRUITS_RELEASE_LABEL, FRUITS_MAX_EUR_PER_DAY; deploy the stack again"
    ):
        planned(world, tmp_path, manifest())
