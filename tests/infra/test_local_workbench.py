"""What `make workbench` says when it cannot begin, and what it brings and fetches."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.local import workbench
from infra.local.hub.installation import NotInstalledError

PREFIX = f"notebooks/{workbench.NAME}/"


class Bucket:
    """An S3 client with one bucket."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = objects

    def get_paginator(self, _operation: str) -> SimpleNamespace:
        contents = [{"Key": key} for key in self.objects]
        return SimpleNamespace(paginate=lambda **_: [{"Contents": contents}, {}])

    def download_file(self, _bucket: str, key: str, path: str) -> None:
        Path(path).write_bytes(self.objects[key])

    def upload_file(self, path: str, _bucket: str, key: str) -> None:
        self.objects[key] = Path(path).read_bytes()


def cloud_with(bucket: Bucket) -> Any:
    return SimpleNamespace(bucket="bucket", client=lambda _service: bucket)


def test_notebooks_come_back_the_next_time(tmp_path: Path) -> None:
    first = Bucket(**{f"{PREFIX}mine.ipynb": b"{}", f"{PREFIX}deep/er.txt": b"text"})
    assert workbench._fetch(cloud_with(first), tmp_path) == 2
    second = Bucket()
    workbench._bring(cloud_with(second), tmp_path)
    assert second.objects == first.objects


def test_no_key_of_a_notebook_leaves_the_folder(tmp_path: Path) -> None:
    bucket = Bucket(**{f"{PREFIX}../outside.txt": b"text", f"{PREFIX}mine.ipynb": b"{}"})
    assert workbench._fetch(cloud_with(bucket), tmp_path / "kept") == 1
    assert [path.name for path in tmp_path.rglob("*.*")] == ["mine.ipynb"]


def test_what_is_missing_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing() -> None:
        raise NotInstalledError("JupyterHub is not installed: `make hub` installs it")

    monkeypatch.setattr(workbench, "find", nothing)
    assert workbench.main([], tmp_path) == 1
    assert "`make hub` installs it" in capsys.readouterr().out
    monkeypatch.setattr(workbench, "find", lambda: None)
    assert workbench.main(["--data", str(tmp_path / "nowhere")], tmp_path) == 2
    assert "nowhere cannot be read" in " ".join(capsys.readouterr().out.split())
    assert list(tmp_path.iterdir()) == []
