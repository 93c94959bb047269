"""Clusters of a job compared: which may be afforded, and which are worth showing side by side. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lambdas.contract.cost import prices
from lambdas.contract.cost.estimate import RUNTIME_MARGIN, Budget, Job, limit_needed
from lambdas.contract.cost.measured import NOTHING_MEASURED, Measured
from lambdas.runs.sizing import executor_for

WORTH_SHOWING = 0.9
"""A dearer alternative that is less than a tenth sooner is none."""
FASTER_SHOWN = 5


@dataclass(frozen=True)
class Circumstances:
    """What decides beside the manifest. ``types``: those of the price table that this stack can run."""

    region: str
    max_eur_per_day: float
    types: tuple[str, ...]
    measured: Measured = NOTHING_MEASURED


def sized(job: Job, instance_types: tuple[str, ...], workers: int) -> Job:
    """The same job on other machines."""
    return dataclasses.replace(job, workers=workers, instance_types=instance_types)


def minutes_needed(job: Job) -> int:
    """In which the job should be done, whatever happens."""
    return math.ceil(job.minutes * RUNTIME_MARGIN)


def is_affordable(job: Job, budget: Budget, known: Circumstances) -> bool:
    """The run's own limit and the stack's for a day."""
    minutes = budget.max_runtime_minutes
    day = round(job.worst_case_eur(minutes), 2)
    return limit_needed(job, minutes) <= budget.max_cost_eur and day <= known.max_eur_per_day


def cheapest(jobs: Iterable[Job]) -> Job:
    """The soonest of the cheapest, with the fewest workers. Raises ValueError when there is none."""
    return min(jobs, key=lambda job: (job.eur, job.minutes, job.workers))


def side_by_side(chosen: Job, jobs: Sequence[Job], budget: Budget, known: Circumstances) -> tuple[Job, ...]:
    """The chosen one, faster and cheaper ones, the other market, the other architecture; by their price."""
    other_market = dataclasses.replace(chosen, spot=not chosen.spot)
    candidates = [
        *_front(job for job in jobs if is_affordable(job, budget, known)),
        *_on_others(chosen, known),
    ]
    if chosen.workers > prices.CORE_NODES:
        candidates.append(other_market)
    shown = [job for job in candidates if job != chosen and is_affordable(job, budget, known)]
    return tuple(sorted(dict.fromkeys([chosen, *shown]), key=lambda job: (job.eur, job.minutes)))


def _front(jobs: Iterable[Job]) -> list[Job]:
    """From the cheapest on, each notably sooner than the one before; a few of them, evenly."""
    front: list[Job] = []
    for job in sorted(jobs, key=lambda job: (job.eur, job.minutes, job.workers)):
        if not front or job.minutes <= front[-1].minutes * WORTH_SHOWING:
            front.append(job)
    if len(front) <= FASTER_SHOWN:
        return front
    step = (len(front) - 1) / (FASTER_SHOWN - 1)
    return [front[round(number * step)] for number in range(FASTER_SHOWN)]


def _on_others(chosen: Job, known: Circumstances) -> list[Job]:
    """As many vCPUs on the cheapest machines of the other architecture, if the stack can run them."""
    like = prices.INSTANCE_TYPES[chosen.instance_types[0]]
    others = [
        sized(chosen, (name,), chosen.workers)
        for name in known.types
        if prices.INSTANCE_TYPES[name].architecture != like.architecture
        and prices.INSTANCE_TYPES[name].vcpus == like.vcpus
        and executor_for([name]).overhead_mb >= executor_for(chosen.instance_types).overhead_mb
    ]
    return [cheapest(others)] if others else []
