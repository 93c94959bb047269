"""What the commands found, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any

from rich.filesize import decimal

from lambdas.contract.cost.estimate import Estimate
from lambdas.contract.cost.measured import Measured
from lambdas.contract.cost.prices import MINUTES_AN_HOUR
from lambdas.contract.manifest.faults import Fault
from lambdas.contract.run import RunRecord, RunState, is_terminal, is_workbench, workbench_name
from lambdas.contract.status import timestamp
from lambdas.runs.admission import Pause, Wait
from lambdas.runs.clocks import SECONDS_A_MINUTE
from lambdas.runs.cluster_choice import Choice, described, spec_of


def faults(found: Iterable[Fault]) -> str:
    """Each fault as three lines: where and what, what to do, what was probably meant."""
    lines = []
    for fault in found:
        lines += [f"{fault.path} {fault.problem}", f"    {fault.remedy}"]
        if fault.nearest:
            lines.append(f"    Nearest: {fault.nearest}")
    return "\n".join(lines)


def plan(
    images: int,
    shards: int,
    known: Estimate,
    choice: Choice,
    max_runtime_minutes: int,
    wait: Wait | None = None,
    notes: Sequence[str] = (),
) -> str:
    """What a run would be. ``wait``: what it would wait for now; ``notes``: what else was seen."""
    lines = [
        f"images   {images:,} in {shards:,} shards",
        f"time     about {known.minutes:,.0f} minutes, {max_runtime_minutes} at most",
        f"cost     about {known.eur:.2f} EUR, {known.worst_case_eur:.2f} EUR at most"
        f" (list prices of {known.prices_as_of} in {known.region}; an estimate, not a bill)",
        f"cluster  1 primary node and {described(choice.job)}",
        f"basis    {known.basis}",
    ]
    if known.minutes > max_runtime_minutes:
        lines.append(
            "It would probably be stopped unfinished: raise limits.max_runtime_minutes or cluster.workers."
        )
    lines += [f"queue    {wait}"] if wait else []
    # The remark may be a note already.
    lines += [f"note     {note}" for note in dict.fromkeys([*notes, *filter(None, [choice.remark])])]
    if len(choice.alternatives) > 1:
        lines += ["", *_table(_side_by_side(choice, max_runtime_minutes))]
    return "\n".join(lines)


def _side_by_side(choice: Choice, max_runtime_minutes: int) -> Iterator[tuple[str, ...]]:
    """The chosen cluster and its alternatives, a row each, by their price."""
    yield ("", "NODES", "TYPE", "MARKET", "MINUTES", "EUR", "EUR AT MOST", "IMAGES/S A VCPU")
    for job in choice.alternatives:
        yield (
            "chosen" if job == choice.job else "",
            f"1 + {job.workers}",
            " or ".join(job.instance_types),
            spec_of(job).market,
            f"{job.minutes:.1f}",
            f"{job.eur:.2f}",
            f"{job.worst_case_eur(max_runtime_minutes):.2f}",
            job.rate.text.replace(" images/s a vCPU", ""),
        )


def measured(known: Measured) -> Iterator[str]:
    """What estimates rest on, if the stack's runs have measured any of it."""
    if known.starts:
        yield f"measured: {known.start_text}"
    for engine, rate in known.known():
        yield f"measured: {engine}, {rate.text}"


def count(number: int, noun: str) -> str:
    """``1 photo``, ``2,000 photos``."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def upload(photos: int, size: int, seem_there: int, place: str) -> str:
    """What would be sent to ``place``. ``size`` in bytes; ``seem_there``: those there by name and size."""
    there = f"; {seem_there:,} seem to be there, and are sent again only if changed" if seem_there else ""
    return f"upload   {count(photos, 'photo')}, {decimal(size)}, to {place}{there}"


def submitted(run_id: str, counts: Mapping[str, int]) -> str:
    """That a run was asked for, and what to do next. ``counts``: photos that were sent, and that were not."""
    sent, unchanged = counts.get("photos_sent"), counts.get("photos_unchanged")
    lines = [] if sent is None else [f"Sent {count(sent, 'photo')}; {unchanged:,} were there, unchanged."]
    if is_workbench(run_id):
        name = workbench_name(run_id)
        return "\n".join(
            [
                f"Workbench {run_id} is asked for.",
                f"    fruits status {run_id} --watch    follows it to its end",
                f"    fruits workbench open {name}      says where it is, once it is open",
                f"    fruits workbench password {name}  tells the password",
            ]
        )
    return "\n".join(
        [
            *lines,
            f"Run {run_id} is asked for.",
            f"    fruits status {run_id} --watch    follows it to its end",
            f"    fruits results {run_id}           then fetches what it publishes",
        ]
    )


def results(run_id: str, folder: str, objects: int, fetched: int, lines: Sequence[str]) -> str:
    """Where the results are, and ``lines`` of code that load them. ``fetched``: ``objects`` that were new."""
    new = f"{fetched:,} of them fetched now" if fetched else "where all of them were already"
    return "\n".join(
        [
            f"{objects:,} objects of {run_id} are in {folder}, {new}.",
            "Every part is as it was published. To load them, a line each for pandas, DuckDB and Spark:",
            *lines,
        ]
    )


def runs(records: Sequence[RunRecord], *, more: bool = False) -> str:
    """One line per run; ``more``: there are others, which are older."""
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
    return "\n".join(
        [*_table(rows), *(["... older runs are not shown: --limit N shows more."] if more else [])]
    )


def _table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def status(known: dict[str, Any], seconds_in_state: float | None, eur_so_far: float | None) -> str:
    """A run's ``status.json`` with ``paused``, ``progress`` and ``remaining_seconds``."""
    for_how_long = "" if seconds_in_state is None else f" for {duration(seconds_in_state)}"
    lines = [f"{known['run_id']}  {known['state']}{for_how_long}{_attempt(known)}"]
    if known["waits_for"]:
        place = f"place {known['queue_position']}; " if known["queue_position"] else ""
        lines.append(f"  queue    {place}{known['waits_for']}")
    if trouble := known.get("trouble"):
        times = "once" if trouble["count"] == 1 else f"{trouble['count']} times in a row"
        lines.append(
            f"  trouble  {times}: {trouble['reason']}; it is tried again from {trouble['not_before']} on"
        )
    if known["paused"]:
        lines.append(f"  paused   {known['paused']['description']}; `fruits resume` ends it")
    if known["progress"]:
        lines.append(f"  now      {step(known['progress'], known['remaining_seconds'])}")
    if (workbench := known.get("workbench")) and not is_terminal(RunState(known["state"])):
        until = f" until {workbench['ends_at']}" if workbench["ends_at"] else ""
        lines.append(
            f"  opens    {workbench['address']}{until}, or until no kernel was busy for "
            f"{workbench['idle_minutes']} minutes"
        )
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
    lines += [f"  cluster  {phases}"] if (phases := _phases(known.get("cluster_phases"))) else []
    lines += [f"  cost     {cost}"] if (cost := _cost(known, eur_so_far)) else []
    for title, field in (("why", "message"), ("to do", "remedy"), ("logs", "logs")):
        if known[field]:
            lines.append(f"  {title:<8} {known[field]}")
    # A status of before notes were kept has none.
    lines += [f"  note     {note}" for note in known.get("notes", ())]
    lines += [f"  results  {output}" for output in known["outputs"]]
    return "\n".join(lines)


def paused(pause: Pause) -> str:
    """That launching is paused, since when and by whom, and what ends it."""
    return f"launching is paused ({pause.description}); uploads queue until somebody says `fruits resume`"


def step(progress: dict[str, Any], remaining_seconds: float | None) -> str:
    """``featurize: infer, 60 of 122 images, 55.1 images/s, about 2 s left``."""
    text = f"{progress['step']}: {progress['phase']}"
    if progress["images_total"]:
        text += f", {progress['images_done']:,} of {progress['images_total']:,} images"
        if progress["images_per_second"]:
            text += f", {progress['images_per_second']:g} images/s"
    if remaining_seconds:
        text += f", about {duration(remaining_seconds)} left"
    return text


def duration(seconds: float) -> str:
    """``40 s``, ``3 min`` or ``2 h 5 min``, rounded up: who waits would rather be early."""
    if seconds <= SECONDS_A_MINUTE:
        return f"{ceil(seconds)} s"
    hours, minutes = divmod(ceil(seconds / SECONDS_A_MINUTE), MINUTES_AN_HOUR)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _attempt(known: dict[str, Any]) -> str:
    return f", attempt {known['attempt']} of {known['attempts_allowed']}" if known["attempt"] > 1 else ""


_PHASES = {"provisioned": "machines there", "bootstrapped": "ready", "step_started": "first step"}


def _phases(known: dict[str, str] | None) -> str | None:
    """``asked for 2026-01-01T10:00:00+00:00, machines there 3 min later, ready 40 s later``"""
    if known is None:
        return None
    text, before = f"asked for {known['asked']}", datetime.fromisoformat(known["asked"])
    for name, title in _PHASES.items():
        if known[name]:
            at = datetime.fromisoformat(known[name])
            text += f", {title} {duration((at - before).total_seconds())} later"
            before = at
    return text


def _cost(known: dict[str, Any], eur_so_far: float | None) -> str | None:
    if known["estimated_eur"] is None:
        return None
    expected = f"about {known['estimated_eur']:.2f} EUR expected"
    if eur_so_far is not None:
        return f"about {eur_so_far:.2f} EUR so far; {expected}"
    if known["actual_eur"] is None:
        return expected
    return f"about {known['actual_eur']:.2f} EUR for {known['instance_hours']:.2f} instance hours; {expected}"
