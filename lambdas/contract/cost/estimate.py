"""What a run will take and cost, before it is launched, and what it did cost afterwards. Pure.

Both are estimates from dated list prices (:mod:`lambdas.contract.cost.prices`): good for refusing what
would cost too much and for comparing runs, not a bill.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from lambdas.contract.cost import prices
from lambdas.contract.cost.measured import NOTHING_MEASURED, Measured, Rate, architecture_of, relative_time

SMALLER_SIZES = (192, 160, 128, 96)
RUNTIME_MARGIN = 1.25
"""A run time that is proposed is this much longer than expected, or the first surprise would end the run."""
BILLED_HOURS_MIN = 60 / 3600
"""EC2 and EMR bill by the second, and at least a minute. Source: their pricing pages."""
MIN_RUNTIME_MINUTES = 10
MAX_RUNTIME_MINUTES = 1440
MAX_WORKERS = 50
"""These three bound what a manifest may ask for."""


@dataclass(frozen=True)
class Job:
    """What decides how long a run takes and what it costs. ``image_size`` in pixels a side.

    ``measured``: what the estimate rests on, as far as the stack's own runs tell.
    """

    images: int
    engine: str
    image_size: int
    workers: int
    instance_types: tuple[str, ...]
    spot: bool
    region: str
    measured: Measured = NOTHING_MEASURED

    @cached_property
    def rate(self) -> Rate:
        """That of the slowest machines that may be bought."""
        rates = [self.measured.rate(self.engine, name) for name in self.instance_types]
        return min(rates, key=lambda rate: rate.images_per_second_per_vcpu)

    @cached_property
    def minutes(self) -> float:
        """Wall time from launch to end, with the smallest and slowest machines that may be bought."""
        rate = self.rate.images_per_second_per_vcpu / relative_time(self.image_size)
        vcpus = self.workers * min(prices.INSTANCE_TYPES[name].vcpus for name in self.instance_types)
        return self.measured.fixed_minutes + self.images / (rate * vcpus) / 60

    @cached_property
    def eur(self) -> float:
        """The probable cost, with the dearest machines that may be bought."""
        hourly = prices.eur_per_hour(self.instance_types, self.workers, self.region, spot=self.spot)
        return hourly * self.minutes / 60

    def worst_case_eur(self, runtime_minutes: float) -> float:
        """The cost of a run that uses all of its time."""
        return prices.worst_case_eur(self.instance_types, self.workers, runtime_minutes, self.region)

    @property
    def basis(self) -> str:
        """What the minutes rest on, for people."""
        return f"{self.rate.text}, {self.measured.start_text}"


@dataclass(frozen=True)
class Estimate:
    """What a run's plan and status say of its cost. Minutes from launch to end; euros by list prices."""

    region: str
    minutes: float
    eur: float
    worst_case_eur: float
    """What it costs if it uses all of limits.max_runtime_minutes."""
    prices_as_of: str
    basis: str = ""
    """What the minutes rest on, for people; empty in plans that were written before it was told."""


@dataclass(frozen=True)
class Budget:
    """The manifest's limits."""

    max_runtime_minutes: int
    max_cost_eur: float


@dataclass(frozen=True)
class WayOut:
    """A change after which the job fits its budget, and would end in time.

    ``changes`` maps a field of the manifest (``cluster.workers``) to its new value; the number of images is
    no field, so that change is empty there. ``advice`` is a phrase for people.
    """

    job: Job
    budget: Budget
    changes: dict[str, object]
    advice: str


def estimate(job: Job, budget: Budget) -> Estimate:
    """Minutes and euros, rounded to what is worth saying."""
    return Estimate(
        region=job.region,
        minutes=round(job.minutes, 1),
        eur=round(job.eur, 2),
        worst_case_eur=round(job.worst_case_eur(budget.max_runtime_minutes), 2),
        prices_as_of=prices.PRICES_AS_OF,
        basis=job.basis,
    )


def is_too_dear(job: Job, budget: Budget) -> bool:
    """Whether the run would probably, or could, cost more than its limit."""
    return limit_needed(job, budget.max_runtime_minutes) > budget.max_cost_eur


def limit_needed(job: Job, runtime_minutes: float) -> float:
    """The least of limits that such a run keeps, in euros."""
    return max(job.eur, _worst_case_eur(job, runtime_minutes))


def _worst_case_eur(job: Job, runtime_minutes: float) -> float:
    """The launcher's, or the parser's, which knows no region, where that is more: both must accept."""
    anywhere = prices.worst_case_eur(job.instance_types, job.workers, runtime_minutes)
    return max(job.worst_case_eur(runtime_minutes), anywhere)


def ways_out(job: Job, budget: Budget) -> list[WayOut]:
    """Changes by each of which alone a job that is too dear fits, the least of sacrifices first.

    Each one was tried: the changed job passes :func:`is_too_dear` and ends within its run time.
    """
    return [way for way in _tried(job, budget) if way is not None]


def _tried(job: Job, budget: Budget) -> Iterator[WayOut | None]:
    yield _fitted(job, budget, {})
    yield _raised(job, budget)
    if job.engine == "reference":
        yield _fitted(dataclasses.replace(job, engine="fast"), budget, {"engine": "fast"})
    yield _best(
        budget,
        [
            (dataclasses.replace(job, workers=number), {"cluster.workers": number})
            for number in range(1, MAX_WORKERS + 1)
        ],
    )
    yield _best(
        budget,
        [
            (dataclasses.replace(job, instance_types=(name,)), {"cluster.instance_types": [name]})
            for name in _of_like_processors(job)
        ],
    )
    sizes = (size for size in SMALLER_SIZES if size < job.image_size)
    smaller = (
        _fitted(dataclasses.replace(job, image_size=size), budget, {"model.image_size": size})
        for size in sizes
    )
    yield next(filter(None, smaller), None)
    yield _split(job, budget)


def _of_like_processors(job: Job) -> list[str]:
    """The stack may have no packages for the others."""
    return [
        name
        for name in prices.INSTANCE_TYPES
        if architecture_of(name) == architecture_of(job.instance_types[0])
    ]


def _best(budget: Budget, choices: Iterable[tuple[Job, dict[str, object]]]) -> WayOut | None:
    """The cheapest of several changes of one kind, if it fits."""
    job, changes = min(choices, key=lambda choice: choice[0].eur)
    return _fitted(job, budget, changes)


def _fitted(job: Job, budget: Budget, changes: dict[str, object], step: str | None = None) -> WayOut | None:
    """``job`` under the budget, with its run time adjusted if need be; None where nothing helps.

    ``step`` is what a person does besides changing fields.
    """
    if job.minutes > budget.max_runtime_minutes or is_too_dear(job, budget):
        minutes = max(MIN_RUNTIME_MINUTES, math.ceil(job.minutes * RUNTIME_MARGIN))
        budget = dataclasses.replace(budget, max_runtime_minutes=minutes)
        changes = {**changes, "limits.max_runtime_minutes": minutes}
    if budget.max_runtime_minutes > MAX_RUNTIME_MINUTES or is_too_dear(job, budget):
        return None
    settings = [f"set {field} to {_text(value)}" for field, value in changes.items()]
    steps = " and ".join([step, *settings] if step else settings)
    return WayOut(job, budget, changes, f"{steps} (about {job.eur:.2f} EUR)")


def _raised(job: Job, budget: Budget) -> WayOut | None:
    enough = job.minutes <= budget.max_runtime_minutes
    minutes = budget.max_runtime_minutes if enough else math.ceil(job.minutes * RUNTIME_MARGIN)
    euros = math.ceil(limit_needed(job, minutes) * 100) / 100
    changes: dict[str, object] = {"limits.max_cost_eur": euros}
    return _fitted(job, dataclasses.replace(budget, max_cost_eur=euros), changes)


def _split(job: Job, budget: Budget) -> WayOut | None:
    """As many images at once as the budget allows: time is a straight line in their number."""
    fixed = dataclasses.replace(job, images=0)
    affordable = min(
        budget.max_runtime_minutes,
        *(
            prices.affordable_minutes(budget.max_cost_eur, job.instance_types, job.workers, region)
            for region in (job.region, None)
        ),
    )
    for_images = affordable / RUNTIME_MARGIN - fixed.minutes
    if not 0 < for_images < job.minutes - fixed.minutes:
        return None
    images = math.floor(job.images * for_images / (job.minutes - fixed.minutes))
    return _fitted(
        dataclasses.replace(job, images=images), budget, {}, f"name at most {images:,} images a manifest"
    )


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


@dataclass(frozen=True)
class InstanceUse:
    """One machine of a cluster, for as long as it ran."""

    instance_type: str
    spot: bool
    hours: float
    began_at: float = 0.0
    """Unix seconds."""


@dataclass(frozen=True)
class Usage:
    """What a cluster used. ``eur`` is None when the price of one of its machines is not known (any more)."""

    instance_hours: float
    eur: float | None


def usage(instances: Iterable[InstanceUse], region: str) -> Usage:
    """Instance hours and their cost by list prices; None where one is not known."""
    billed = [(machine, max(machine.hours, BILLED_HOURS_MIN)) for machine in instances]
    hours = round(sum(hours for _, hours in billed), 3)
    types = {machine.instance_type for machine, _ in billed}
    if region not in prices.REGION_FACTORS or not types <= prices.INSTANCE_TYPES.keys():
        return Usage(hours, None)
    eur = sum(
        hours * prices.INSTANCE_TYPES[machine.instance_type].eur_per_hour(region, spot=machine.spot)
        for machine, hours in billed
    )
    return Usage(hours, round(eur, 4))
