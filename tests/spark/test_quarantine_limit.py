"""Which quarantined images fail a run, and which never do by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from spark.steps.featurize import too_many_quarantined
from tests.spark.conftest import PlanFactory


@pytest.mark.parametrize(
    ("reasons", "fails"),
    [
        ({"archived": 1}, False),
        ({"archived": 60, "unaddressable": 39}, False),
        ({"archived": 60, "corrupt": 5}, False),
        ({"archived": 60, "corrupt": 6}, True),
        ({"missing": 6}, True),
    ],
)
def test_what_lies_in_how_an_object_is_stored_fails_no_run(
    reasons: dict[str, int], fails: bool, make_plan: PlanFactory, tmp_path: Path
) -> None:
    plan = make_plan(tmp_path, tmp_path, max_quarantined_fraction=0.05)
    failure = too_many_quarantined(plan, 100, reasons)
    assert (failure is not None) is fails
    if failure is not None:
        assert failure.message.startswith("6 of 100 images (6.0%) could not be featurized")


def test_where_all_images_are_archived_the_run_fails_and_says_so(
    make_plan: PlanFactory, tmp_path: Path
) -> None:
    failure = too_many_quarantined(make_plan(tmp_path, tmp_path), 3, {"archived": 3})
    assert failure is not None
    assert failure.message == "none of the images could be featurized (archived 3)"
