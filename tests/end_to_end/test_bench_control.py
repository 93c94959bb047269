"""The measurement of upload to launch: that it measures, not how fast this machine is today."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.cloud import LocalCloud
from tests.bench.control import measure, percentile


def test_every_counted_upload_is_measured_from_upload_to_accepted_launch(instant: LocalCloud) -> None:
    measured = measure(instant, uploads=2, spacing_seconds=0.0)
    assert len(measured) == 2
    assert all(0 < seconds < 60 for seconds in measured)


@pytest.mark.parametrize(("percent", "expected"), [(50, 10), (95, 19), (100, 20)])
def test_percentiles_are_values_that_were_measured(percent: float, expected: int) -> None:
    assert percentile(range(1, 21), percent) == expected


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(1, 100))
def test_a_percentile_is_not_exceeded_by_that_part_of_the_values(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-6
