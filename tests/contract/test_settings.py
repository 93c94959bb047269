"""Settings are environment variables, and what is missing or wrong is told at once."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
from collections.abc import Callable

import pytest

from lambdas.contract.settings import (
    Caps,
    CommandSettings,
    LauncherSettings,
    ReconcilerSettings,
    SettingsError,
    TrackerSettings,
)

LAUNCHER = LauncherSettings(**{name: name for name in LauncherSettings.__dataclass_fields__})


def test_a_setting_is_an_environment_variable_of_its_name() -> None:
    written = TrackerSettings("fruits-eu", "bkt", "runs", "arn").to_env()
    assert written == {
        "FRUITS_PREFIX": "fruits-eu",
        "FRUITS_DATA_BUCKET": "bkt",
        "FRUITS_LEDGER_TABLE": "runs",
        "FRUITS_TOPIC_ARN": "arn",
    }


WHEELHOUSES = tuple(f"{of}wheelhouse_prefix" for of in ("", "reference_", "arm_", "arm_reference_"))
MAY_BE_EMPTY = (
    "bootstrap_key", "node_architectures", "graviton_speed", "workbench_address", "workbench_setup_prefix",
)  # fmt: skip
PLANNING_NEEDS = ("release_label", "max_clusters", "max_eur_per_day", "launches_per_second")
"""What the commands are told of the launcher's settings."""


@pytest.mark.parametrize("settings", [TrackerSettings, ReconcilerSettings, CommandSettings, LauncherSettings])
def test_every_missing_or_empty_variable_is_named_at_once(settings: type[LauncherSettings]) -> None:
    needed = [
        f"FRUITS_{name.upper()}"
        for name in settings.__dataclass_fields__
        if name not in (*WHEELHOUSES, *MAY_BE_EMPTY)
        and not (settings is CommandSettings and name in PLANNING_NEEDS)
    ]
    for environ in ({}, dict.fromkeys(needed, "")):
        with pytest.raises(SettingsError) as caught:
            settings.from_env(environ)
        assert caught.value.missing == tuple(needed)
        assert str(caught.value) == (
            f"missing in the environment: {', '.join(needed)}; deploy the stack again"
        )


def test_a_stack_whose_nodes_come_with_everything_has_no_bootstrap_action() -> None:
    environ = LAUNCHER.to_env() | {"FRUITS_BOOTSTRAP_KEY": ""}
    del environ["FRUITS_WHEELHOUSE_PREFIX"]
    read = LauncherSettings.from_env(environ)
    assert (read.bootstrap_key, read.wheelhouse_prefix, read.job_key) == ("", "", "job_key")


def test_a_stack_from_when_one_wheelhouse_held_both_engines_packages_is_read() -> None:
    environ = LAUNCHER.to_env()
    del environ["FRUITS_REFERENCE_WHEELHOUSE_PREFIX"]
    assert LauncherSettings.from_env(environ) == dataclasses.replace(LAUNCHER, reference_wheelhouse_prefix="")


def test_a_stack_of_before_graviton_machines_has_none() -> None:
    environ = {name: value for name, value in LAUNCHER.to_env().items() if "ARM_" not in name}
    del environ["FRUITS_NODE_ARCHITECTURES"], environ["FRUITS_GRAVITON_SPEED"]
    older = LauncherSettings.from_env(environ)
    assert (older.architectures, older.arm_speed) == (("x86_64",), 1.0)
    shell = CommandSettings("b", "t", "eu-west-1", "q", "p", "emr-7.12.0", "20", "99.5", "0.5")
    assert (shell.architectures, shell.arm_speed) == (("x86_64",), 1.0)
    both = dataclasses.replace(shell, node_architectures="x86_64,arm64", graviton_speed="1.25")
    assert (both.architectures, both.arm_speed) == (("x86_64", "arm64"), 1.25)
    assert CommandSettings.from_env(both.to_env()) == both
    with pytest.raises(SettingsError, match="FRUITS_GRAVITON_SPEED"):
        _ = dataclasses.replace(both, graviton_speed="fast").arm_speed


def test_the_wheels_of_an_architecture_are_its_own() -> None:
    assert LAUNCHER.wheelhouses("x86_64") == ("wheelhouse_prefix", "reference_wheelhouse_prefix")
    assert LAUNCHER.wheelhouses("arm64") == ("arm_wheelhouse_prefix", "arm_reference_wheelhouse_prefix")


def test_caps_are_numbers_and_a_cap_that_is_none_is_told() -> None:
    numbers = {"max_clusters": "20", "max_eur_per_day": "99.5", "launches_per_second": "0.5"}
    assert dataclasses.replace(LAUNCHER, **numbers).caps == Caps(20, 99.5, 0.5)
    assert Caps(20, 99.5, 0.5).as_settings() == numbers
    for name in numbers:
        broken = dataclasses.replace(LAUNCHER, **{**numbers, name: "many"})
        with pytest.raises(SettingsError, match="not a number") as caught:
            _ = broken.caps
        names = ("FRUITS_MAX_CLUSTERS", "FRUITS_MAX_EUR_PER_DAY", "FRUITS_LAUNCHES_PER_SECOND")
        assert caught.value.missing == names
        assert re.fullmatch(
            rf"one of these is not a number \(.*'many'\): {', '.join(names)}; deploy the stack again",
            str(caught.value),
        )


def test_commands_know_the_launchers_caps_or_which_variables_would_tell_them() -> None:
    told = CommandSettings("b", "t", "eu-west-1", "q", "p", "emr-7.12.0", "20", "99.5", "0.5")
    assert told.caps == Caps(20, 99.5, 0.5)
    environ = {name: value for name, value in told.to_env().items() if name != "FRUITS_MAX_EUR_PER_DAY"}
    with pytest.raises(SettingsError) as caught:
        _ = CommandSettings.from_env(environ).caps
    assert caught.value.missing == ("FRUITS_MAX_EUR_PER_DAY",)


def pickled(error: Exception) -> object:
    return pickle.loads(pickle.dumps(error))  # noqa: S301  # its own, as processes hand it on


@pytest.mark.parametrize("through", [copy.copy, pickled])
def test_an_error_of_the_settings_says_the_same_when_it_has_crossed_a_process(
    through: Callable[[SettingsError], SettingsError],
) -> None:
    for error in (SettingsError(["FRUITS_A", "FRUITS_B"]), SettingsError(["FRUITS_A"], "not a time (x)")):
        again = through(error)
        assert (str(again), again.missing) == (str(error), error.missing)
    assert str(SettingsError(["FRUITS_A"])) == "missing in the environment: FRUITS_A; deploy the stack again"


def test_an_error_of_the_settings_names_a_single_variable_whole() -> None:
    assert SettingsError("FRUITS_A").missing == ("FRUITS_A",)


def test_the_names_of_a_stacks_resources_begin_with_project_and_stack() -> None:
    assert dataclasses.replace(LAUNCHER, project="fruits", stack="eu").prefix == "fruits-eu"


def test_when_the_nodes_certificate_ends_is_unix_seconds() -> None:
    assert ReconcilerSettings("1970-01-02T01:00:00+01:00").certificate_expires_at == 86_400.0
    with pytest.raises(SettingsError) as caught:
        _ = ReconcilerSettings("some day").certificate_expires_at
    assert str(caught.value) == (
        "not a time (Invalid isoformat string: 'some day'): FRUITS_CERTIFICATE_EXPIRY; deploy the stack again"
    )
    assert caught.value.missing == ("FRUITS_CERTIFICATE_EXPIRY",)
