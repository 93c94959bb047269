"""All rows of what was found, as CSV. Pure."""

from __future__ import annotations

import csv
from io import StringIO

from lambdas.report.finding import Finding


def csv_of(finding: Finding, paths: list[str]) -> str:
    """The list of a finding with its column names, as the page's script writes it."""
    sink = StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow([name for name, _ in finding.columns])
    kinds = [kind for _, kind in finding.columns]
    for row in finding.rows:
        cells = zip(row, kinds, strict=True)
        writer.writerow([paths[value] if kind == "path" else value for value, kind in cells])
    return sink.getvalue()
