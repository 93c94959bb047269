"""`make arm` where its machine cannot be made: it says why, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arm.machine import ArmMachine, MachineUnavailableError, machine_in


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    (folder / "requirements.txt").write_text("numpy==1 --hash=sha256:0\n")
    return folder


def test_where_debians_tools_are_missing_another_machine_is_named(
    wheelhouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineUnavailableError) as refused:
        machine_in(tmp_path / "arm", wheelhouse)
    assert str(refused.value) == (
        "this machine has no apt-get and no dpkg and no dpkg-deb, which fetch an emulator and an Arm Python; "
        "run `make arm` on Debian 12, or in a container of it"
    )


def test_where_debian_cannot_be_reached_its_own_words_are_shown_and_nothing_is_kept(
    wheelhouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, script in (("apt-get", "echo 'Err: no route' >&2; exit 100"), ("dpkg", "echo amd64")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "dpkg-deb").symlink_to(tmp_path / "dpkg")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for _ in range(2):
        with pytest.raises(
            MachineUnavailableError, match=r"(?s)`apt-get --quiet` failed: Err: no route.*Debian"
        ):
            machine_in(tmp_path / "arm", wheelhouse)


def test_a_machine_that_was_made_of_the_same_packages_is_taken_again(
    wheelhouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = ArmMachine(tmp_path / "arm")
    machine.folder.mkdir()
    machine.ready.write_bytes((wheelhouse / "requirements.txt").read_bytes())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine_in(machine.folder, wheelhouse) == machine
    (wheelhouse / "requirements.txt").write_text("numpy==2 --hash=sha256:0\n")
    with pytest.raises(MachineUnavailableError):
        machine_in(machine.folder, wheelhouse)
