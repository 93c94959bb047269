"""Files that are there whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.contract.whole_file import write_whole


def test_a_file_is_written_into_folders_that_are_made_and_over_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "made" / "too" / "file.json"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_what_breaks_off_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.json"
    write_whole(path, b"first")
    write = Path.write_bytes

    def break_off(self: Path, data: bytes) -> int:
        write(self, data[:2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", break_off)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
