"""`fruits report`: what it leaves, and what it says where it cannot."""

from __future__ import annotations

import builtins
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lambdas.cli.main import main
from lambdas.report.making import make_report
from lambdas.report.published import read_published
from lambdas.report.sources import FolderFiles, photos_in_folder

from .run_folder import PREFIX, RUN, RunFolder, write_run


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return write_run(tmp_path_factory.mktemp("run"), labels={"lime/004.jpg": "kiwi"})


@pytest.fixture
def run(written: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy that the test may change."""
    shutil.copytree(written.files, tmp_path / "run")
    return RunFolder(tmp_path / "run", written.photos, dict(written.status))


def asked(run: RunFolder, to: Path, *more: str, run_id: str = RUN) -> list[str]:
    return ["report", run_id, "--from", str(run.files), "--to", str(to), *more]


def test_a_report_tells_what_was_found_and_where_it_is(
    written: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "report.html"
    assert main(asked(written, to, "--images", str(written.photos), "--json")) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["report"] == str(to)
    assert said["bytes"] == to.stat().st_size
    assert said["findings"] == {
        "label-errors": 1,
        "label-runs": 0,
        "outliers": 0,
        "same-views": 1,
        "leakage": 0,
        "alike-classes": 0,
        "small-classes": 0,
    }
    assert said["notices"] == []
    page = to.read_text()
    assert "Looks like lime" in page
    assert "2 of 75 photos (1 corrupt, 1 unreadable_format)" in page
    assert "12.5 photos a second" in page
    assert list(tmp_path.iterdir()) == [to]


def test_each_list_can_be_had_in_full_as_a_file_of_its_own(
    written: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to, lists = tmp_path / "report.html", tmp_path / "lists"
    assert main(asked(written, to, "--lists", str(lists))) == 0
    said = capsys.readouterr().out.splitlines()
    files = [lists / f"fruits-{name}.csv" for name in ("label-errors", "quarantine", "same-views")]
    assert sorted(lists.iterdir()) == files
    assert sorted(said[-3:]) == [str(file) for file in files]
    names, row = files[0].read_text().splitlines()
    assert names == "path,label,probably,ratio,confidence"
    assert row.startswith(f"{PREFIX}lime/004.jpg,kiwi,lime,")
    names, *refused = files[1].read_text().splitlines()
    assert names == "path,label,reason,detail,size_bytes"
    assert sorted(line.split(",")[2] for line in refused) == ["corrupt", "unreadable_format"]
    (tmp_path / "taken").write_text("")
    assert main(asked(written, to, "--lists", str(tmp_path / "taken"))) == 2
    assert "taken" in capsys.readouterr().err


def test_without_photos_at_hand_it_is_still_a_report_and_says_so(
    written: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "report.html"
    assert main(asked(written, to)) == 0
    said = capsys.readouterr()
    assert str(to) in said.out
    assert "1 pair of photos that show the same view" in " ".join(said.out.split())
    assert "The photos were not looked for" in said.err
    assert "--images FOLDER" in said.err
    page = to.read_text()
    assert "The photos were not looked for" in page
    assert "data:image" not in page


def test_of_a_folder_that_holds_no_photo_of_the_run_it_is_told_what_was_looked_for_in_it(
    written: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(asked(written, tmp_path / "report.html", "--images", str(tmp_path / "empty"))) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"what the run knows as {PREFIX}... is looked for as {tmp_path / 'empty'}/..." in said


def test_of_an_untrained_network_nothing_is_told_that_comes_of_its_features(
    run: RunFolder, tmp_path: Path
) -> None:
    manifest = run.files / run.layout.features / "_manifest.json"
    manifest.write_text(manifest.read_text().replace('"imagenet"', '"untrained"'))
    to = tmp_path / "report.html"
    assert main(asked(run, to, "--images", str(run.photos))) == 0
    page = to.read_text()
    assert "The weights of this run are untrained" in page
    assert "Looks like lime" not in page
    assert page.count("Not looked for: the network&#39;s weights are untrained") == 4


def test_without_labels_there_is_nothing_to_contradict_and_the_rest_is_told(
    run: RunFolder, tmp_path: Path
) -> None:
    for prefix in (run.layout.features, run.layout.pca):
        table = pq.read_table(run.files / prefix / "part-00000.parquet")
        nobody = pa.nulls(len(table), pa.string())
        run.write_part(prefix, table.set_column(table.schema.get_field_index("label"), "label", nobody))
    to = tmp_path / "report.html"
    assert main(asked(run, to, "--images", str(run.photos))) == 0
    page = to.read_text()
    assert page.count("Not looked for: the photos have no labels") == 4
    assert "Same file." in page


def test_the_same_run_gives_the_same_page(written: RunFolder, tmp_path: Path) -> None:
    read = photos_in_folder(written.photos, [PREFIX])
    published = read_published(FolderFiles(written.files), RUN)
    pages = [make_report(published, read, tmp_path / name).path.read_bytes() for name in ("a", "b")]
    assert pages[0] == pages[1]


def test_more_than_can_be_fetched_is_not_compared_but_shown(written: RunFolder, tmp_path: Path) -> None:
    published = read_published(FolderFiles(written.files), RUN)
    read = photos_in_folder(written.photos, [PREFIX])
    told: list[tuple[str, int, int]] = []
    made = make_report(
        published,
        read,
        tmp_path / "report.html",
        limit_bytes=1000,
        on_progress=lambda *said: told.append(said),
    )
    assert "too much to fetch" in made.notices[0]
    assert told[-1] == ("photos shown", 75, 75)
    assert "data:image/webp" in made.path.read_text()


REFUSALS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "running": ({"state": "RUNNING"}, ["has not ended yet, it is RUNNING", "fruits status"]),
    "failed": (
        {"state": "FAILED", "message": "Step featurize: all photos are broken", "remedy": "mend them"},
        ["is FAILED, so there is nothing to report. Step featurize: all photos are broken. Mend them.\n"],
    ),
    "cancelled": (
        {"state": "CANCELLED", "message": None},
        ["is CANCELLED, so there is nothing to report.\n"],
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_run_that_is_not_completed_has_no_report(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    changes, words = REFUSALS[case]
    run.write_status(**changes)
    assert main(asked(run, tmp_path / "report.html")) == 1
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert not (tmp_path / "report.html").exists()


def test_a_run_that_nobody_knows_is_told_with_where_to_look(
    written: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked(written, tmp_path / "report.html", run_id="fruits-other")) == 3
    assert re.search(r"there is no run 'fruits-other'; those of \S+ are below runs/", capsys.readouterr().err)


@pytest.mark.parametrize("gone", ["_SUCCESS", "_manifest.json", "part-00000.parquet"])
@pytest.mark.parametrize("table", ["features", "pca"])
def test_results_that_are_gone_or_changed_are_named(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, gone: str
) -> None:
    prefix = getattr(run.layout, table)
    (run.files / prefix / gone).unlink()
    assert main(asked(run, tmp_path / "report.html")) == 1
    said = capsys.readouterr().err
    assert prefix in said
    assert "pload the manifest again" in said


def test_a_part_that_was_replaced_is_not_taken(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = run.files / run.layout.pca / "part-00000.parquet"
    part.write_bytes(part.read_bytes() + b" ")
    assert main(asked(run, tmp_path / "report.html")) == 1
    assert "somebody changed or removed it" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["index", "metrics"])
def test_what_is_not_needed_may_be_gone_or_spoilt(run: RunFolder, tmp_path: Path, key: str) -> None:
    spoilt = run.files / getattr(run.layout, key)
    spoilt.write_bytes(b"spoilt")
    (run.files / run.layout.quarantine / "part-00000.parquet").write_bytes(b"spoilt")
    assert main(asked(run, tmp_path / "report.html")) == 0


def test_a_file_that_cannot_be_read_is_named(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run.files / run.layout.status
    status.unlink()
    status.mkdir()
    assert main(asked(run, tmp_path / "report.html")) == 2
    assert f"{status} cannot be read: Is a directory" in capsys.readouterr().err


def test_folders_and_files_that_cannot_be_used_are_wrong_use(
    written: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked(written, tmp_path / "r.html", "--images", "no/such/folder")) == 2
    assert "no/such/folder is not a folder" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(asked(written, tmp_path / "file" / "r.html")) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_without_its_libraries_it_says_how_to_install_them(
    written: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    true_import = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "lambdas.report":
            raise ModuleNotFoundError("No module named 'jinja2'", name="jinja2")
        return true_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(asked(written, tmp_path / "report.html")) == 2
    assert "in the repository's folder, pip install '.[report]'" in capsys.readouterr().err
