"""The projections in docs/performance.md are what the code computes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.contract.cost.estimate import Job
from tests.bench.projection import IMAGES, NODES, TYPES, Projection, assumptions, table

LINES = (Path(__file__).resolve().parents[2] / "docs" / "performance.md").read_text().splitlines()


def test_the_document_shows_the_projections_and_what_they_assume() -> None:
    for lines in (list(table()), list(assumptions())):
        start = LINES.index(lines[0])
        assert LINES[start : start + len(lines)] == lines


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("images", IMAGES)
def test_a_projection_is_the_estimate_of_a_launch_and_what_that_leaves_out(images: int, name: str) -> None:
    for nodes in NODES:
        projected = Projection(images, nodes, name)
        estimated = Job(images, "fast", 224, nodes, (name,), spot=False, region="eu-west-1")
        computing = estimated.minutes - estimated.measured.fixed_minutes
        assert 0.999 * computing <= projected.computing_minutes < 1.05 * computing
        assert estimated.minutes < projected.minutes
