"""What `make workbench` says, what it brings and fetches, and that it ends whatever happens."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.local import workbench
from infra.local.cloud import LocalCloud
from infra.local.hub.installation import NotInstalledError
from infra.local.ministack import MiniStackError
from infra.local.watch import Snapshot
from lambdas.cli.result import ExitCode
from lambdas.cli.submission import Submitted

PREFIX = f"notebooks/{workbench.NAME}/"
OPENED = Submitted("explore", "manifests/explore.json", "v1", "workbench.explore-1")
PLACE = {"certificate_sha256": "AB:CD", "ends_at": "2026-01-02T18:00:00Z", "idle_minutes": 60}
STATUS = {"state": "RUNNING", "cluster_id": "j-1", "message": "Its time was over."}
STARTED, ENDED, STOPPED = "started", "the cluster is ended", "stopped"


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
    mark = {f"{PREFIX}.kept": b""}
    assert workbench._fetch(cloud_with(Bucket(**first.objects, **mark)), tmp_path) == (2, {})
    second = Bucket()
    workbench._bring(cloud_with(second), tmp_path)
    assert second.objects == first.objects


def test_no_key_of_a_notebook_leaves_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    keys = (f"{PREFIX}../outside.txt", f"{PREFIX}{outside}", f"{PREFIX}mine.ipynb")
    kept, left = workbench._fetch(cloud_with(Bucket(**dict.fromkeys(keys, b"{}"))), tmp_path / "kept")
    assert (kept, left.keys()) == (1, {"../outside.txt", str(outside)})
    assert [path.name for path in tmp_path.rglob("*.*")] == ["mine.ipynb"]


def test_a_folder_in_the_place_of_a_file_costs_that_file_alone(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"of the last time")
    (tmp_path / "empty").mkdir()
    keys = [f"{PREFIX}{name}" for name in ("a.ipynb", "data", "data/x.csv", "empty", "z.ipynb")]
    kept, left = workbench._fetch(cloud_with(Bucket(**dict.fromkeys(keys, b"{}"))), tmp_path)
    assert kept == 3
    assert left["data"] == "there is a folder of that name, too"
    assert "Is a directory" in left["empty"]
    fetched = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert fetched == {"a.ipynb", "data/x.csv", "z.ipynb", "data.before"}


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


class Cloud(Bucket):
    """A local cloud, and its clients, in which everything succeeds at once."""

    bucket = "bucket"
    environment = {"AWS_ENDPOINT_URL": "https://localhost:1"}  # noqa: RUF012  # never changed
    outputs = {"shell": "export FRUITS_LEDGER_TABLE=ledger"}  # noqa: RUF012  # as above

    def __init__(self, folder: Path) -> None:
        super().__init__(**{f"{PREFIX}mine.ipynb": b"{}", f"{PREFIX}data/": b""})
        self.folder = folder
        self.done: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        """What a person does while the cluster is being ended."""

    def start(self) -> None:
        self.folder.mkdir()
        self.done.append(STARTED)

    def stop(self) -> None:
        self.done.append(STOPPED)

    def client(self, _service: str) -> Any:
        return self

    def hub_url(self, _cluster_id: str) -> str:
        return "https://localhost:9443"

    def terminate_job_flows(self, **_asked: Any) -> None:
        self.meanwhile()
        self.done.append(ENDED)

    def describe_cluster(self, **_asked: Any) -> dict[str, Any]:
        return {"Cluster": {"Status": {"State": "TERMINATED"}}}


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """What `make workbench` finds instead of a real one."""
    found = Cloud(tmp_path / "cloud")
    is_open = Snapshot(status=STATUS, cluster_state="WAITING")
    stand_ins: dict[Any, dict[str, Any]] = {
        workbench: {
            "find": lambda: None,
            "look_at": lambda data: (SimpleNamespace(folder=data), ""),
            "package": lambda *_: 0,
            "LocalCloud": lambda *_, **__: found,
            "upload_photos": lambda *_: None,
            "manifest_of": lambda *_: {},
            "upload_manifest": lambda *_: OPENED,
            "ask_for_run": lambda *_: OPENED,
            "connect_to": lambda _: None,
            "follow": lambda *_: [is_open],
            "look": lambda *_: Snapshot(status={**STATUS, "state": "COMPLETED"}, cluster_state="TERMINATED"),
        },
        workbench.commands: {"watch": lambda *_, **__: []},
        workbench.live_view: {"follow": lambda *_: ExitCode.OK},
        workbench.webbrowser: {"open": lambda _: True},
        workbench.workbench: {
            "opened": lambda *_: SimpleNamespace(document=PLACE),
            "password": lambda *_: SimpleNamespace(text="the-password"),
        },
    }
    for module, names in stand_ins.items():
        for name, stand_in in names.items():
            monkeypatch.setattr(module, name, stand_in)
    return found


def test_it_shows_the_way_in_and_ends_with_the_notebooks(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workbench.main(["--data", "photos"], tmp_path) == 0
    said = capsys.readouterr().out
    told = (
        "open: https://localhost:9443",
        "the-password",
        "SHA-256 AB:CD",
        f"source {tmp_path / 'cloud' / 'env.sh'}\n",
        "Its time was over.",
        f"its 1 notebooks and files are in {tmp_path / 'notebooks'}\n",
        "not fetched: data/: it is no file's name",
    )
    assert [sentence for sentence in told if sentence not in said] == []
    assert "export FRUITS_LEDGER_TABLE=ledger" in (tmp_path / "cloud" / "env.sh").read_text()
    assert (tmp_path / "notebooks" / "mine.ipynb").read_bytes() == b"{}"
    assert cloud.done == [STARTED, ENDED, STOPPED]


@pytest.mark.parametrize(
    ("part", "error", "code", "told", "done"),
    [
        ("follow", TimeoutError(), 1, "takes too long; the logs are in", [STOPPED]),
        ("_show", MiniStackError("it is gone"), 1, "workbench: it is gone", [ENDED, STOPPED]),
        ("_attend", KeyboardInterrupt(), workbench.INTERRUPTED, "The local cloud is down", [ENDED, STOPPED]),
    ],
)
def test_whatever_happens_all_is_ended(
    cloud: Cloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    part: str,
    error: BaseException,
    code: int,
    told: str,
    done: list[str],
) -> None:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(workbench, part, fails)
    # Whoever waits is impatient: this is a second ctrl-C.
    cloud.meanwhile = lambda: signal.raise_signal(signal.SIGINT)
    assert workbench.main(["--data", "photos"], tmp_path) == code
    assert told in capsys.readouterr().out
    assert cloud.done == [STARTED, *done]


def test_a_second_interrupt_leaves_no_private_key_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = LocalCloud(tmp_path, build=tmp_path)
    assert (tmp_path / "tls").is_dir()
    end_clusters = cloud._emr.stop

    def impatiently() -> None:
        signal.raise_signal(signal.SIGINT)
        end_clusters()

    monkeypatch.setattr(cloud._emr, "stop", impatiently)
    # Who starts tests in the background of a shell has it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cloud.stop()
        assert not (tmp_path / "tls").exists()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
