"""What a run will take and cost, before it is launched, and what it did cost afterwards. Pure.

Both are estimates from dated list prices (:mod:`lambdas.contract.cost.prices`): good for refusing what
would cost too much and for comparing runs, not a bill.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lambdas.contract.cost import prices

IMAGES_PER_SECOND_PER_VCPU: dict[str, float] = {"fast": 40.0, "reference": 6.5}
"""Images of 224x224 that one vCPU finishes in a second, by engine. Assumptions, from two measurements.

reference: 67,692 images in 21.5 minutes on the 8 vCPUs of two m5.xlarge workers, 6.6 a vCPU.
fast: 257 images/s where the recipe did 27.7 on two such cores, taken for six times (not measured on EMR).
"""
INFERENCE_SHARE = 0.93
"""Part of an image's time that the network takes at 224x224 (fast engine, docs/performance.md). It shrinks
with the pixels; fetching and decoding do not."""
FULL_SIZE = 224
SMALLER_SIZES = (192, 160, 128, 96)
STARTUP_MINUTES = 8.0
"""From RunJobFlow to the first step: machines, EMR, bootstrap. Assumed; five to ten minutes are usual."""
STEPS_MINUTES = 2.0
"""What the two steps need whatever the number of images: starting Spark, PCA, publication. Assumed."""
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
    """What decides how long a run takes and what it costs. ``image_size`` in pixels a side."""

    images: int
    engine: str
    image_size: int
    workers: int
    instance_types: tuple[str, ...]
    spot: bool
    region: str

    @property
    def minutes(self) -> float:
        """Wall time from launch to end, with the smallest machines that may be bought."""
        size = (self.image_size / FULL_SIZE) ** 2
        rate = IMAGES_PER_SECOND_PER_VCPU[self.engine] / (1 - INFERENCE_SHARE + INFERENCE_SHARE * size)
        vcpus = self.workers * min(prices.INSTANCE_TYPES[name].vcpus for name in self.instance_types)
        return STARTUP_MINUTES + STEPS_MINUTES + self.images / (rate * vcpus) / 60

    @property
    def eur(self) -> float:
        """The probable cost, with the dearest machines that may be bought."""
        hourly = prices.eur_per_hour(self.instance_types, self.workers, self.region, spot=self.spot)
        return hourly * self.minutes / 60

    def worst_case_eur(self, runtime_minutes: float) -> float:
        """The cost of a run that uses all of its time."""
        return prices.worst_case_eur(self.instance_types, self.workers, runtime_minutes, self.region)


@dataclass(frozen=True)
class Estimate:
    """What a run's plan and status say of its cost. Minutes from launch to end; euros by list prices."""

    region: str
    minutes: float
    eur: float
    worst_case_eur: float
    """What it costs if it uses all of limits.max_runtime_minutes."""
    prices_as_of: str


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
    )


def is_too_dear(job: Job, budget: Budget) -> bool:
    """Whether the run would probably, or could, cost more than its limit."""
    return _limit_needed(job, budget.max_runtime_minutes) > budget.max_cost_eur


def _limit_needed(job: Job, runtime_minutes: float) -> float:
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
            for name in prices.INSTANCE_TYPES
        ],
    )
    sizes = (size for size in SMALLER_SIZES if size < job.image_size)
    smaller = (
        _fitted(dataclasses.replace(job, image_size=size), budget, {"model.image_size": size})
        for size in sizes
    )
    yield next(filter(None, smaller), None)
    yield _split(job, budget)


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
    euros = math.ceil(_limit_needed(job, minutes) * 100) / 100
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
    """Instance hours and their cost by list prices."""
    billed = [(machine, max(machine.hours, BILLED_HOURS_MIN)) for machine in instances]
    hours = round(sum(hours for _, hours in billed), 3)
    if any(machine.instance_type not in prices.INSTANCE_TYPES for machine, _ in billed):
        return Usage(hours, None)
    eur = sum(
        hours * prices.INSTANCE_TYPES[machine.instance_type].eur_per_hour(region, spot=machine.spot)
        for machine, hours in billed
    )
    return Usage(hours, round(eur, 4))
