"""Names, states and regions that every plane relies on."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract import layout
from lambdas.contract.cost.prices import INSTANCE_TYPES, worst_case_eur
from lambdas.contract.plan import ManifestRef
from lambdas.contract.regions import EU_REGIONS, REFUSED, allowed_regions, region_problem
from lambdas.contract.report import Progress, StepError, StepReport
from lambdas.contract.run import TRANSITIONS, IllegalTransitionError, RunState, is_terminal, moved
from lambdas.contract.settings import (
    CommandSettings,
    DoorSettings,
    LauncherSettings,
    ReconcilerSettings,
    SettingsError,
    TrackerSettings,
)
from lambdas.contract.status import Status, compose_status, timestamp
from tests.records import QUEUED

RECORD = dataclasses.replace(QUEUED, run_id="r")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_manifest_and_its_rejection_have_the_same_name(name: str) -> None:
    key = f"{layout.MANIFESTS}{name}.json"
    assert layout.manifest_name(key) == name
    assert layout.rejection_key(key) == f"{layout.REJECTIONS}{name}.json"


@pytest.mark.parametrize("key", ["images/a.json", "manifests/a.txt", "manifests-rejected/a.json"])
def test_other_keys_are_no_manifests(key: str) -> None:
    with pytest.raises(ValueError, match="is not a manifest key"):
        layout.manifest_name(key)


def test_nothing_that_a_run_writes_can_trigger_a_run() -> None:
    written = (*layout.STEP_OUTPUTS, layout.REJECTIONS, layout.LOGS)
    assert not any(prefix.startswith(layout.MANIFESTS) for prefix in written)


def test_terminal_states_have_no_way_out_and_every_other_state_has() -> None:
    terminal = {state for state in RunState if is_terminal(state)}
    assert terminal == {RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED}
    assert all(bool(TRANSITIONS[state]) is (state not in terminal) for state in RunState)
    assert set(TRANSITIONS) == set(RunState)


def test_every_run_can_end_in_failure_from_everywhere() -> None:
    open_states = {state for state in RunState if not is_terminal(state)}
    assert {state for state in RunState if RunState.FAILED in TRANSITIONS[state]} == open_states


def test_an_illegal_transition_is_an_error() -> None:
    with pytest.raises(IllegalTransitionError, match="cannot go from QUEUED to RUNNING"):
        moved(RECORD, RunState.RUNNING, 0.0)


@pytest.mark.parametrize("region", [*REFUSED, "us-east-1", "eu-west-9", ""])
def test_no_region_is_allowed_but_those_on_the_list(region: str) -> None:
    assert region_problem(region)
    assert all(region_problem(allowed) is None for allowed in EU_REGIONS)
    assert "eu-west-3 (Paris)" in allowed_regions()


@pytest.mark.parametrize(
    "settings", [LauncherSettings, DoorSettings, TrackerSettings, ReconcilerSettings, CommandSettings]
)
def test_settings_survive_their_way_through_the_environment(
    settings: type[LauncherSettings | TrackerSettings | ReconcilerSettings | CommandSettings],
) -> None:
    made = settings(**{name: f"the {name}" for name in settings.__dataclass_fields__})
    assert settings.from_env(made.to_env()) == made


def test_an_expiry_that_is_no_time_is_told_by_its_variable() -> None:
    with pytest.raises(SettingsError, match="FRUITS_CERTIFICATE_EXPIRY"):
        _ = ReconcilerSettings("some day").certificate_expires_at


@given(st.sampled_from(sorted(INSTANCE_TYPES)), st.integers(1, 50), st.integers(10, 1440))
def test_more_machines_for_longer_never_cost_less(name: str, workers: int, minutes: int) -> None:
    cost = worst_case_eur((name,), workers, minutes)
    assert 0 < cost < worst_case_eur((name,), workers + 1, minutes)
    assert cost < worst_case_eur((name,), workers, minutes + 1)
    assert cost <= worst_case_eur((name, "m5.4xlarge"), workers, minutes)


def test_a_report_survives_its_way_through_json() -> None:
    report = StepReport(
        "pca", "r", False, "fast", "imagenet", "a", "b", {"fit": 0.5}, error=StepError("data", "m", "r")
    )
    assert StepReport.from_json(report.to_json()) == report


def test_a_status_without_plan_or_reports_claims_nothing() -> None:
    status = compose_status(RECORD, None, (), timestamp(0))
    assert status.manifest == ManifestRef("bkt", "manifests/a.json", "v1")
    assert (status.images_in, status.weights, status.explained_variance) == (None, None, None)
    assert json.loads(status.to_json())["updated_at"] == "1970-01-01T00:00:00+00:00"


def test_every_field_that_people_poll_is_documented_and_no_other() -> None:
    text = (Path(__file__).parents[2] / "docs" / "status.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert re.findall(r"`(\w+)`", "".join(rows)) == [field.name for field in dataclasses.fields(Status)]
    progress = text.split("`progress.json`")[-1].split("`fruits ")[0]
    assert set(re.findall(r"`(\w+)`", progress)) == {field.name for field in dataclasses.fields(Progress)}
