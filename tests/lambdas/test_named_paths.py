"""Whatever path a person names, what is wrong with it is a sentence that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.cli.main import main
from lambdas.cli.photo_folder import read_folder
from lambdas.cli.result import ExitCode
from lambdas.contract.settings import CommandSettings
from tests.report.run_folder import RUN, write_run

from .deployed import CAPS
from .submitting import write

SHELL = CommandSettings("data", "runs", "eu-west-1", "https://sqs/failures", "fruits-test", *CAPS).to_env()
"""Of a stack that nobody asks: the path is looked at first."""
TOO_LONG = "a" * 5000
READING: dict[str, list[str]] = {
    "validate": [],
    "plan": [],
    "submit": ["--yes"],
    "submit a folder": ["--dataset", "apples", "--yes"],
}


def said_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is complained of a wrong use."""
    assert main(arguments, SHELL) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert said.startswith("fruits: ")
    assert len(said) < 500
    return said


@pytest.mark.parametrize("command", READING)
def test_a_path_that_is_too_long_is_told_in_short(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_of([command.split()[0], TOO_LONG, *READING[command]], capsys)
    assert "aaa... (5,000 characters) cannot be read: File name too long. Give it a shorter name." in said


@pytest.mark.parametrize("command", READING)
def test_a_path_below_a_folder_that_may_not_be_entered_is_told(
    command: str, open_folder: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    locked = write(open_folder / "locked", "photos/a/1.jpg")
    locked.chmod(0o000)
    request.getfixturevalue("without_privileges")
    said = said_of([command.split()[0], str(locked / "photos"), *READING[command]], capsys)
    assert f"{locked / 'photos'} cannot be read: Permission denied. Take another, or ask whoever owns" in said


def test_a_folder_that_was_removed_under_the_shell_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert ". cannot be read: No such file or directory." in said_of(["submit", ".", "--yes"], capsys)


@pytest.mark.parametrize("path", ["", "a\0b"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["validate"], ["plan"], ["submit", "--yes", "--dataset", "apples"], ["results", RUN, "--to"],
        *(["report", RUN, option] for option in ("--from", "--images", "--to", "--lists")),
    ],
)  # fmt: skip
def test_an_empty_path_is_not_the_folder_that_one_is_in(
    arguments: list[str], path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, path], SHELL)
    assert stopped.value.code == ExitCode.USAGE
    assert f"{path!r} is no name of a file or folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", READING)
def test_a_path_that_leads_nowhere_is_told_as_that(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "circle").symlink_to("circle")
    for path, why in (
        (tmp_path / "no", "No such file or directory. Check how it is spelt."),
        (tmp_path / "circle", "Too many levels of symbolic links. Name another."),
    ):
        said = said_of([command.split()[0], str(path), *READING[command]], capsys)
        assert f"{path} cannot be read: {why}" in said


@pytest.mark.parametrize("run_id", ["", TOO_LONG, "fruits\n", "fruits-\udcff"])
@pytest.mark.parametrize("command", ["status", "results", "report", "cancel"])
def test_what_can_be_no_runs_id_is_wrong_use(
    command: str, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, run_id], SHELL)
    assert stopped.value.code == ExitCode.USAGE
    assert "is no run's id; `fruits runs` lists them" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--from", "--images", "--to"])
def test_of_a_report_each_path_is_told(
    option: str, open_folder: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    run = write_run(open_folder)
    (open_folder / "locked").mkdir(mode=0o000)
    given = {"--from": str(run.files), "--to": str(open_folder / "report.html")}
    how = "written" if option == "--to" else "read"

    def report(path: str) -> str:
        options = [part for pair in (given | {option: path}).items() for part in pair]
        return said_of(["report", RUN, *options], capsys)

    assert f"cannot be {how}: File name too long." in report(TOO_LONG)
    if option == "--to":
        assert "cannot be written: Is a directory. Name another." in report(str(open_folder))
    request.getfixturevalue("without_privileges")
    locked = str(open_folder / "locked" / "place")
    assert f"{locked} cannot be {how}: Permission denied." in report(locked)


def test_a_link_that_leads_nowhere_or_into_a_locked_folder_is_a_problem_of_its_own(
    open_folder: Path, request: pytest.FixtureRequest
) -> None:
    folder = write(open_folder / "photos", "a/1.jpg")
    (folder / "a" / "circle").symlink_to("circle")
    write(open_folder / "locked", "kiwi/1.jpg").chmod(0o000)
    (folder / "kiwi").symlink_to(open_folder / "locked" / "kiwi")
    request.getfixturevalue("without_privileges")
    found = read_folder(folder)
    assert [photo.name for photo in found.photos] == ["a/1.jpg"]
    assert found.unreadable == (
        "'a/circle' (Too many levels of symbolic links)",
        "'kiwi' (Permission denied)",
    )
