"""A report fits into an e-mail, whatever a run holds."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lambdas.report.analysis import Analysis
from lambdas.report.classes import Alike
from lambdas.report.findings import findings_of
from lambdas.report.labels import LabelError, LabelRun, Misfits, Outlier
from lambdas.report.neighbours import unit
from lambdas.report.page import MOST_BYTES, compose
from lambdas.report.published import Photos, Published, read_published
from lambdas.report.same_views import Kind, Pair
from lambdas.report.sources import FolderFiles
from lambdas.report.thumbnails import MOST, within

from .run_folder import RUN, write_run

IMAGES = 90_000
THIRD = IMAGES // 3
LONGEST_KEY = 1024


def photos(classes: int, key_bytes: int) -> Photos:
    """All of one look, in classes by turns; keys of letters by chance, of which nothing can be spared."""
    rng = np.random.default_rng(0)
    letters = rng.bytes(IMAGES * key_bytes // 2).hex()
    labels = np.arange(IMAGES, dtype=np.int32) % classes
    class_bytes = min(key_bytes // 2, 200)
    names = sorted(letters[n * class_bytes : (n + 1) * class_bytes] for n in range(classes))
    start = "s3://bucket/images/test/"
    paths = [
        f"{start}{names[labels[n]]}/{letters[n * key_bytes : (n + 1) * key_bytes]}"[: len(start) + key_bytes]
        for n in range(IMAGES)
    ]
    scores = rng.normal(size=(IMAGES, 4)).astype(np.float32)
    return Photos(paths, labels, names, [""] * IMAGES, scores)


def full_of_faults(known: Photos) -> Analysis:
    """Each photo in a list of photos, and beside another; each class beside each other."""
    labels, classes = known.labels.tolist(), len(known.names)
    same = [Pair(row, row + 1, Kind.VIEW, 0.99) for row in range(IMAGES - 1)]
    errors = [LabelError(row, labels[row - 1], 2 + row / 7, is_sure=True) for row in range(THIRD)]
    runs = [
        LabelRun(tuple(range(row, row + 3)), labels[row], labels[row - 1])
        for row in range(THIRD, 2 * THIRD, 3)
    ]
    outliers = [Outlier(row, 5 + row / 7) for row in range(2 * THIRD, IMAGES)]
    return Analysis(
        units=unit(known.scores),
        same=same,
        compared=IMAGES,
        is_complete=False,
        parts=["train" if row % 2 else "test" for row in range(IMAGES)],
        misfits=Misfits(errors, runs, outliers),
        alike=[Alike(number, number + 1, 0.5) for number in range(classes - 1)],
        small=[(number, 9) for number in range(classes)],
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Published:
    run = write_run(tmp_path_factory.mktemp("run"))
    return read_published(FolderFiles(run.files), RUN)


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'id="data">([^<]*)<', page)
    assert found is not None
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return data


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "key_bytes", "rows"), [(131, 32, 50_000), (5000, LONGEST_KEY, 500)])
def test_of_90_000_photos_that_are_all_odd_the_page_has_what_fits_and_says_how_to_get_the_rest(
    small: Published, classes: int, key_bytes: int, rows: int
) -> None:
    known = photos(classes, key_bytes)
    found = full_of_faults(known)
    listed = findings_of(found, known, is_trained=True)
    noise = within((str(row), bytes(8000)) for row in range(MOST))
    page = compose(dataclasses.replace(small, photos=known), found, listed, noise, [])
    assert MOST_BYTES / 2 < len(page.encode()) <= MOST_BYTES
    assert f"The list has 89,999 rows, too many for this file, which has the first {rows:,}," in page
    assert f"<code>fruits report {RUN} --lists DIR</code> writes all 89,999 as CSV" in page
    # There are more than were found: the search was ended.
    assert page.count("<b>≥ 89,999</b>pairs of photos that show the same view") == 1
    assert page.count("<b>≥ 89,999</b>views on both sides of a split") == 1
    data = data_of(page)
    assert {name: len(one["rows"]) for name, one in data["lists"].items()} == {
        one.id: min(rows, len(one.rows)) for one in listed
    } | {"quarantine": len(small.refused)}
    for finding in listed:
        assert data["lists"][finding.id]["rows"] == json.loads(json.dumps(finding.rows[:rows]))
    for row in (0, 1, 2 * THIRD):  # in lists: the download has their whole paths
        assert data["prefix"] + data["whole"].get(str(row), data["paths"][row]) == known.paths[row]


def test_pictures_that_are_wanted_most_are_taken_as_far_as_there_is_room(tmp_path: Path) -> None:
    pictures = [("a", bytes(60)), ("b", bytes(60)), ("c", bytes(40))]
    assert list(within(pictures, 100)) == ["a", "c"]
