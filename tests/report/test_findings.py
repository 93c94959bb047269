"""What is shown of a finding, so that a person can judge it."""

from __future__ import annotations

import numpy as np

from lambdas.report.analysis import Analysis
from lambdas.report.finding import brief
from lambdas.report.labels import LabelRun, Misfits
from lambdas.report.misfit_findings import PHOTOS_OF_A_RUN, label_runs
from lambdas.report.neighbours import unit
from lambdas.report.published import Photos

APPLES, PEARS = range(10), range(10, 20)
LABELS = np.repeat([0, 1], 10).astype(np.int32)


def test_beside_photos_that_were_mislabelled_together_is_one_of_the_label_that_they_look_like() -> None:
    scores = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    photos = Photos([f"s3://b/{row}.jpg" for row in range(20)], LABELS, ["apple", "pear"], [""] * 20, scores)
    run = LabelRun(tuple(range(8)), label=0, suggested=1)
    found = Analysis(unit(scores), [], 0, True, [None] * 20, Misfits([], [run], []), [], [])
    (group,) = label_runs([run], found, photos).groups
    assert [shown.row for shown in group.photos[:-1]] == list(range(PHOTOS_OF_A_RUN))
    assert group.photos[-1].row in PEARS
    assert group.photos[-1].caption == "usual for pear"


def test_a_long_name_is_shown_by_its_beginning_and_its_end() -> None:
    assert brief("apple") == "apple"
    assert brief("a" * 500 + "b" * 500) == "a" * 30 + "…" + "b" * 30
