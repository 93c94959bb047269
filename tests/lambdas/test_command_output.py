"""The commands print to whatever there is: pipes that close, full disks, terminals without the letters."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambdas.cli import output
from lambdas.cli.main import main
from lambdas.cli.output import READER_GONE
from lambdas.cli.result import ExitCode

REPOSITORY = Path(__file__).resolve().parents[2]
COMMANDS = [["validate", "MANIFEST"], ["validate", "MANIFEST", "--json"], ["--help"]]
BAD = {"version": 1, "dataset": "fruits", "images": {"prefixes": ["s3://my-bucket/images/りんご"]}}
GOOD = {"version": 1, "dataset": "fruits", "images": {"prefixes": ["s3://my-bucket/images/"]}}


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[[object], str]:
    def write(document: object) -> str:
        path = tmp_path / "manifest.json"
        path.write_text(json.dumps(document))
        return str(path)

    return write


def pipe_that_nobody_reads() -> io.TextIOWrapper:
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


class Disk(io.RawIOBase):
    """Takes nothing while it is full."""

    is_full = True

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(data)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_where_the_reader_has_left_the_command_ends_silently(
    command: list[str],
    manifest: Callable[[object], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = manifest(GOOD)
    with pipe_that_nobody_reads() as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert main([path if word == "MANIFEST" else word for word in command], {}) == READER_GONE == 141
        monkeypatch.undo()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_cannot_be_written_is_one_line_and_a_code_of_its_own(
    command: list[str],
    buffered: bool,
    manifest: Callable[[object], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = manifest(GOOD)
    disk = Disk()
    # Without a buffer as Python has it with -u.
    below = io.BufferedWriter(disk) if buffered else disk
    with io.TextIOWrapper(below, write_through=not buffered) as full:  # type: ignore[type-var]
        monkeypatch.setattr(sys, "stdout", full)
        code = main([path if word == "MANIFEST" else word for word in command], {})
        monkeypatch.undo()
        disk.is_full = False
    assert code == ExitCode.USAGE
    assert capsys.readouterr().err == "fruits: the answer cannot be written: No space left on device\n"


@pytest.mark.parametrize(("document", "code"), [(GOOD, ExitCode.OK), (BAD, ExitCode.NO)])
def test_an_output_that_is_closed_from_the_start_is_no_fault_of_the_manifest(
    document: object, code: ExitCode, manifest: Callable[[object], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = manifest(document)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["validate", path], {}) == code
    assert main(["validate", "no/such/file"], {}) == ExitCode.USAGE


def test_an_input_that_is_closed_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["validate", "-"], {}) == ExitCode.USAGE
    assert "the standard input is closed" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["/dev/zero", "-"])
def test_of_an_input_without_end_no_more_is_read_than_tells_that_it_is_no_manifest(
    source: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/zero").open() as endless:
        monkeypatch.setattr(sys, "stdin", endless)
        assert main(["validate", source], {}) == ExitCode.NO
    assert "is larger than 1,048,576 bytes" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_a_terminal_cannot_show_is_written_as_an_escape(
    encoding: str, manifest: Callable[[object], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.BytesIO()
    path = manifest(BAD)
    with io.TextIOWrapper(shown, encoding=encoding) as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert main(["validate", path], {}) == ExitCode.NO
        monkeypatch.undo()
        text = shown.getvalue().decode(encoding)
    assert "does not end with '/'" in text
    assert ("\\u308a\\u3093\\u3054" if encoding != "utf-8" else "りんご") in text


def test_another_error_of_the_system_is_not_taken_for_one_of_the_output() -> None:
    def breaks() -> int:
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(FileNotFoundError):
        output.guarded(breaks)


def test_as_a_program_it_leaves_no_traceback_either(manifest: Callable[[object], str]) -> None:
    command = f"{sys.executable} -m lambdas.cli validate {manifest(GOOD)}"
    script = f'{command} | true; echo "${{PIPESTATUS[0]}}" >&2'
    done = subprocess.run(["bash", "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stderr in ("141\n", "0\n")  # the latter where `true` took longer than the command
