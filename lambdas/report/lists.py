"""All rows of what was found, as CSV. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

from lambdas.report.finding import Columns


def csv_of(columns: Columns, rows: Iterable[Sequence[Any]], paths: list[str]) -> str:
    """A list with its column names, as the page's script writes it."""
    sink = StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow([name for name, _ in columns])
    kinds = [kind for _, kind in columns]
    for row in rows:
        cells = zip(row, kinds, strict=True)
        writer.writerow([paths[value] if kind == "path" else value for value, kind in cells])
    return sink.getvalue()
