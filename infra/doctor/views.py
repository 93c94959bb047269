"""Findings as text and as a document. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from infra.doctor.examination import Line
from infra.doctor.finding import Status, exit_code

_STATUS_WIDTH = max(len(status) for status in Status)
_PLURAL = {
    Status.FAULT: ("fault", "faults"),
    Status.WARNING: ("warning", "warnings"),
    Status.UNKNOWN: ("that nobody here can tell", "that nobody here can tell"),
    Status.REFUSED: ("that AWS did not answer", "that AWS did not answer"),
}


def text(line: Line, name_width: int, *, is_first: bool) -> str:
    """How it is; below, where it is not ok, what to do, unless a line before has said so; above, where it is
    the first of its part, which."""
    status = line.finding.status
    shown = status.upper() if status in (Status.FAULT, Status.REFUSED) else status
    rows = [line.check.part] if is_first else []
    rows.append(f"  {shown:<{_STATUS_WIDTH}}  {line.check.name:<{name_width}}  {line.finding.text}")
    if line.finding.remedy is not None and not line.is_behind:
        rows.append(f"  {'':<{_STATUS_WIDTH}}  {'':<{name_width}}  -> {line.finding.remedy}")
    return "\n".join(rows)


def summary(lines: Sequence[Line]) -> str:
    """One sentence on all of them."""
    counts = Counter(line.finding.status for line in lines)
    said = [
        f"{counts[status]} {words[counts[status] != 1]}"
        for status, words in _PLURAL.items()
        if counts[status]
    ]
    return f"{len(lines)} looked at: {', '.join(said) or 'all is well'}."


def document(lines: Sequence[Line], not_looked_at: str | None) -> dict[str, Any]:
    """The same for scripts. ``not_looked_at``: why the stack was not, None where it was."""
    return {
        "exit_code": int(exit_code(line.finding for line in lines)),
        "stack_not_looked_at": not_looked_at,
        "findings": [
            {
                "part": line.check.part,
                "check": line.check.name,
                "status": line.finding.status.value,
                "text": line.finding.text,
                "remedy": line.finding.remedy,
            }
            for line in lines
        ],
    }
