"""The columns of what a run publishes, as users' queries name them."""

from __future__ import annotations

import pytest

from lambdas.contract.tables import Column, ColumnType, csv_columns


@pytest.mark.parametrize(
    ("components", "first", "last"),
    [(1, "pc_01", "pc_01"), (50, "pc_01", "pc_50"), (99, "pc_01", "pc_99"), (100, "pc_001", "pc_100")],
)
def test_components_are_numbered_from_one_with_as_many_digits_as_the_last_needs(
    components: int, first: str, last: str
) -> None:
    path, label, *numbered = csv_columns(components)
    assert [column.name for column in (path, label)] == ["path", "label"]
    assert {column.type for column in (path, label)} == {ColumnType.STRING}
    assert len(numbered) == components
    assert (numbered[0], numbered[-1]) == (Column(first, ColumnType.FLOAT), Column(last, ColumnType.FLOAT))
