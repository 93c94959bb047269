"""The notebook, run from top to bottom on a run that happened, as a person runs it on theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from infra.local import results
from infra.program import REPOSITORY

from .conftest import Happened

NOTEBOOK = REPOSITORY / "docs" / "notebooks" / "explore.ipynb"
FIGURES = {"classifier.png", "similar.png", "label-errors.png"}
FOUND = (
    "json.dumps([accuracies, check, [str(labels[y[place]]) for place in nearest[:5]], len(flagged), len(y)])"
)


@pytest.fixture
def parameters(happened: Happened, build: Path, tmp_path: Path) -> dict[str, Any]:
    user, run = happened.user, happened.fruits
    status = user.looks_at(run).status
    assert status is not None
    results.fetch(user.s3, user.bucket, tmp_path, status)
    photos = happened.page.parent / "images" / "fruits"
    return {
        "results": str(tmp_path),
        "run": f"{run.dataset}/{run.run_id}",
        "photos": str(photos),
        "photo": str(photos / "kiwi" / "007.jpg"),
        "model": str(build / "model"),
        "figures": str(tmp_path),
    }


def test_the_notebook_finds_in_a_finished_run_what_it_says(
    parameters: dict[str, Any], tmp_path: Path
) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (given,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    assert parameters.keys() == {line.split(" = ")[0] for line in given.source.splitlines()}
    given.source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook.cells.append(nbformat.v4.new_code_cell(FOUND))
    # Where a person opens it.
    NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    (output,) = notebook.cells[-1].outputs
    accuracies, check, nearest, flagged, photos = json.loads(output["data"]["text/plain"].strip("'"))
    assert photos == 120
    assert all(accuracy["test"] > 0.9 for accuracy in accuracies.values())
    assert check == {"planted": 1, "flagged": 1, "found": 1}
    assert nearest == ["kiwi"] * 5
    assert flagged == 0
    assert {path.name for path in tmp_path.glob("*.png")} >= FIGURES
