"""What the commands found, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lambdas.contract.estimate import Estimate
from lambdas.contract.faults import Fault
from lambdas.contract.report import Progress
from lambdas.contract.run import RunRecord
from lambdas.contract.status import timestamp


def faults(found: Iterable[Fault]) -> str:
    """Each fault as three lines: where and what, what to do, what was probably meant."""
    lines = []
    for fault in found:
        lines += [f"{fault.path} {fault.problem}", f"    {fault.remedy}"]
        if fault.nearest:
            lines.append(f"    Nearest: {fault.nearest}")
    return "\n".join(lines)


def plan(images: int, shards: int, known: Estimate, max_runtime_minutes: int) -> str:
    """What a run would be."""
    lines = [
        f"images   {images:,} in {shards:,} shards",
        f"time     about {known.minutes:,.0f} minutes, {max_runtime_minutes} at most",
        f"cost     about {known.eur:.2f} EUR, {known.worst_case_eur:.2f} EUR at most"
        f" (list prices of {known.prices_as_of} in {known.region}; an estimate, not a bill)",
    ]
    if known.minutes > max_runtime_minutes:
        lines.append(
            "It would probably be stopped unfinished: raise limits.max_runtime_minutes or cluster.workers."
        )
    return "\n".join(lines)


def runs(records: Sequence[RunRecord]) -> str:
    """One line a run."""
    if not records:
        return "No runs yet. Upload a manifest below manifests/ to start one."
    rows = [("RUN", "STATE", "SINCE", "EUR")] + [
        (
            record.run_id,
            record.state.value,
            timestamp(record.accepted_at),
            "" if record.actual_eur is None else f"{record.actual_eur:.2f}",
        )
        for record in records
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def status(known: dict[str, Any], progress: Progress | None) -> str:
    """A run's ``status.json``, with the running step's progress if there is one."""
    lines = [f"{known['run_id']}  {known['state']}"]
    if progress:
        lines.append(f"  now      {step(progress)}")
    if known["images_in"] is not None:
        lines.append(
            f"  images   {known['images_in']:,} in, {known['images_featurized']:,} with features, "
            f"{known['images_quarantined']:,} in quarantine"
        )
    if known["explained_variance"] is not None:
        lines.append(
            f"  PCA      {known['pca_components']} components hold {known['explained_variance']:.1%} "
            "of the variance"
        )
    lines += [f"  cost     {cost}"] if (cost := _cost(known)) else []
    for title, field in (("why", "message"), ("to do", "remedy"), ("logs", "logs")):
        if known[field]:
            lines.append(f"  {title:<8} {known[field]}")
    lines += [f"  results  {output}" for output in known["outputs"]]
    return "\n".join(lines)


def step(progress: Progress) -> str:
    """``featurize: infer, 60 of 122 images, 55.1 images/s``."""
    text = f"{progress.step}: {progress.phase}"
    if progress.images_total:
        text += f", {progress.images_done:,} of {progress.images_total:,} images"
        text += f", {progress.images_per_second:g} images/s"
    return text


def _cost(known: dict[str, Any]) -> str | None:
    if known["estimated_eur"] is None:
        return None
    expected = f"about {known['estimated_eur']:.2f} EUR expected"
    if known["actual_eur"] is None:
        return expected
    return f"about {known['actual_eur']:.2f} EUR for {known['instance_hours']:.2f} instance hours; {expected}"
