"""What the commands found of workbenches, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.cli.views import count, duration
from lambdas.contract.cost.estimate import Estimate
from lambdas.contract.manifest.workbench import Workbench
from lambdas.contract.workbench import PORT
from lambdas.runs.admission import Wait


def plan(asked: Workbench, known: Estimate, address: str, wait: Wait | None) -> str:
    """What a workbench would be. ``address``: the host name of the stack's door."""
    nodes = f"{count(asked.workers, 'worker')} of {asked.instance_type}"
    lines = [
        f"opens    https://{address}:{PORT}/ some ten minutes after its launch",
        f"ends     after {asked.hours} hours, or when no kernel was busy for {asked.idle_minutes} minutes",
        f"cost     {known.eur:.2f} EUR if it is used to its end, {known.worst_case_eur:.2f} EUR at most"
        f" (list prices of {known.prices_as_of} in {known.region}; an estimate, not a bill)",
        f"cluster  1 primary node and {nodes}, on demand",
    ]
    return "\n".join([*lines, *([f"queue    {wait}"] if wait else [])])


def opened(known: Mapping[str, Any]) -> str:
    """Where an open workbench is, and how to get in."""
    name = known["name"]
    certificate = known["certificate_sha256"] or "not told yet; ask again in a minute, before you go on"
    lines = [
        f"{name} is open: {known['address'] or 'at an address that its plan does not tell'}",
        f"  user         {known['user']}; `fruits workbench password {name}` tells the password",
        f"  certificate  SHA-256 {certificate}",
        "               (nobody vouches for it, so the browser warns: compare, then go on)",
        f"  until        {known['ends_at']}, or until no kernel was busy for {known['idle_minutes']} minutes",
    ]
    if known["eur_so_far"] is not None:
        lines.append(f"  cost         about {known['eur_so_far']:.2f} EUR so far")
    lines += [
        f"  notebooks    {known['notebooks']}",
        f"  end it       fruits cancel {known['run_id']}",
    ]
    return "\n".join(lines)


def closed(
    known: Mapping[str, Any], seconds_in_state: float | None, ends: str | None, why: str | None
) -> str:
    """Why a workbench is not open. ``ends``: the state that it is about to end in, if it is."""
    name, run = known["name"], known["run_id"]
    if ends is not None:
        return (
            f"{name} is ending{f' ({why})' if why else ''}; `fruits status {run} --watch` shows when it has."
        )
    for_how_long = "" if seconds_in_state is None else f" for {duration(seconds_in_state)}"
    waits = f" It waits: {why}" if why else ""
    return (
        f"{name} is not open yet: {known['state']}{for_how_long}.{waits}\n"
        f"It opens some ten minutes after its launch; `fruits status {run} --watch` follows it."
    )
