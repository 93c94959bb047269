"""Which cluster a run gets: the manifest's own, or the cheapest that should be done in time. Pure.

In time: also if the run takes a quarter longer than expected, as a run time that is proposed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lambdas.contract.cost import prices
from lambdas.contract.cost.estimate import (
    MAX_RUNTIME_MINUTES,
    MAX_WORKERS,
    MIN_RUNTIME_MINUTES,
    Budget,
    Job,
    limit_needed,
)
from lambdas.contract.cost.measured import NOTHING_MEASURED, Measured, family_of
from lambdas.contract.manifest.faults import Fault, one_of
from lambdas.contract.manifest.schema import Manifest
from lambdas.contract.plan import ClusterSpec, Market
from lambdas.runs.clusters_compared import (
    Circumstances,
    cheapest,
    is_affordable,
    minutes_needed,
    side_by_side,
    sized,
)
from lambdas.runs.sizing import PYTHON_WORKER_MB, executor_for

START_DOMINATES = 0.8
"""From this part of the time of the smallest cluster on, a larger one is no help worth its price."""
SAME_PRICE = 1.005
"""The price table is rounded more coarsely than this."""
MARKETS: tuple[Market, ...] = ("on_demand", "spot")
_MORE_A_DAY = "raise fruits:maxEurPerDay of the stack"
FINISH_WITHIN, MAX_RUNTIME = "cluster.finish_within_minutes", "limits.max_runtime_minutes"


@dataclass(frozen=True)
class Choice:
    """The cluster as a job.

    ``notes``: why it was chosen, a sentence each; none where the manifest says it. ``fault``: why no cluster
    will do; the job is the nearest then.
    """

    job: Job
    beside: Callable[[], tuple[Job, ...]] = field(default=tuple, compare=False)
    notes: tuple[str, ...] = ()
    fault: Fault | None = None

    @cached_property
    def alternatives(self) -> tuple[Job, ...]:
        """By their price, ``job`` among them. Hundreds are compared when somebody looks: no upload does."""
        return self.beside()

    @property
    def cluster(self) -> ClusterSpec:
        return spec_of(self.job)

    @property
    def remark(self) -> str | None:
        """That no size helps, where it is so."""
        fixed = self.job.measured.fixed_minutes
        smallest = dataclasses.replace(self.job, workers=1).minutes
        if fixed < START_DOMINATES * smallest:
            return None
        return (
            f"No size helps much: starting and finishing take {fixed:.1f} minutes on any cluster, "
            f"and one worker takes {smallest:.1f} in all."
        )


def choose(manifest: Manifest, images: int, known: Circumstances) -> Choice:
    """The cluster for so many images."""
    asked = job_of(manifest, images, known.region, known.measured)
    budget = budget_of(manifest)
    minutes = manifest.cluster.finish_within_minutes
    own = asked.instance_types if "instance_types" in manifest.cluster.model_fields_set else None
    sets = [own] if own else [(name,) for name in _worth_choosing(asked, known)]

    def sizes() -> list[Job]:
        return [sized(asked, types, workers) for types in sets for workers in range(1, MAX_WORKERS + 1)]

    if minutes is None or not sets:
        return Choice(asked, lambda: side_by_side(asked, sizes(), budget, known))
    jobs = sizes()
    in_time = [job for job in jobs if minutes_needed(job) <= min(minutes, budget.max_runtime_minutes)]
    if not in_time:
        return _too_late(jobs, budget, minutes, known)
    affordable = [job for job in in_time if is_affordable(job, budget, known)]
    if not affordable:
        return _too_dear(cheapest(in_time), jobs, budget, minutes, known)
    job = cheapest(affordable)
    why = (
        f"The cluster was chosen for {FINISH_WITHIN} = {minutes}: {described(job)} is the cheapest that "
        f"should be done by then, and also if it takes a quarter longer than the {job.minutes:.1f} minutes "
        "expected."
    )
    notes = tuple(filter(None, (why, Choice(job).remark)))
    return Choice(job, lambda: side_by_side(job, jobs, budget, known), notes)


def job_of(manifest: Manifest, images: int, region: str, measured: Measured = NOTHING_MEASURED) -> Job:
    """What the manifest asks for, as far as it costs money."""
    cluster = manifest.cluster
    return Job(
        images=images,
        engine=manifest.engine,
        image_size=manifest.model.image_size,
        workers=cluster.workers,
        instance_types=cluster.instance_types,
        spot=cluster.market == "spot",
        region=region,
        measured=measured,
    )


def budget_of(manifest: Manifest) -> Budget:
    """What the manifest allows."""
    return Budget(manifest.limits.max_runtime_minutes, manifest.limits.max_cost_eur)


def spec_of(job: Job) -> ClusterSpec:
    """The job's cluster as the plan holds it."""
    return ClusterSpec(job.workers, job.instance_types, MARKETS[job.spot])


def described(job: Job) -> str:
    """``2 workers of m5.xlarge, on_demand``."""
    workers = "1 worker" if job.workers == 1 else f"{job.workers} workers"
    return f"{workers} of {' or '.join(job.instance_types)}, {MARKETS[job.spot]}"


def _is_fit(name: str, job: Job) -> bool:
    """Whether a type holds the worst pictures in all slots at once, and
    of an architecture that no run has measured no speed is promised."""
    executor = executor_for([name])
    architecture = prices.INSTANCE_TYPES[name].architecture
    known = architecture == "x86_64" or job.measured.has_rate(job.engine, architecture)
    return known and executor.overhead_mb >= executor.cores * PYTHON_WORKER_MB


def _worth_choosing(job: Job, known: Circumstances) -> list[str]:
    """The types that may be chosen without being named, but for older ones that are no cheaper."""
    fit = [name for name in known.types if _is_fit(name, job)]
    return [name for name in fit if not any(_replaces(newer, name, job) for newer in fit)]


def _replaces(newer: str, name: str, job: Job) -> bool:
    one, other = prices.INSTANCE_TYPES[newer], prices.INSTANCE_TYPES[name]

    def rate(of: str) -> float:
        return job.measured.rate(job.engine, of).images_per_second_per_vcpu

    return (
        _generation(newer) > _generation(name)
        and (one.architecture, one.vcpus) == (other.architecture, other.vcpus)
        and one.eur_per_hour(job.region) <= other.eur_per_hour(job.region) * SAME_PRICE
        and rate(newer) >= rate(name)
    )


def _generation(name: str) -> int:
    """``m6a.xlarge`` -> 6. Source: EC2 User Guide, "Instance type names"."""
    return int("".join(filter(str.isdecimal, family_of(name))))


def _too_late(jobs: Sequence[Job], budget: Budget, minutes: int, known: Circumstances) -> Choice:
    """Nothing is done in time; the least that must be allowed for something to be."""
    soonest = min(jobs, key=lambda job: (job.minutes, job.eur))
    bound = FINISH_WITHIN if minutes <= budget.max_runtime_minutes else MAX_RUNTIME
    problem = (
        f"is {min(minutes, budget.max_runtime_minutes)}, which no cluster should meet: the fastest, "
        f"{described(soonest)}, is expected to take {soonest.minutes:.1f} minutes for {_images(soonest)}, "
        f"{soonest.measured.fixed_minutes:.1f} of them on any cluster, and a quarter more must fit, "
        f"too; estimated by {soonest.basis}"
    )
    possible = [job for job in jobs if minutes_needed(job) <= MAX_RUNTIME_MINUTES]
    for concession in (_more_time, _more_money):
        allowed = [(concession(job, budget), job) for job in possible]
        affordable = [(other, job) for other, job in allowed if is_affordable(job, other, known)]
        if affordable:
            other, job = min(affordable, key=lambda pair: _sacrifice(pair[0], pair[1], minutes))
            return Choice(job, fault=Fault(f"$.{bound}", problem, *_allowing(other, job, budget, minutes)))
    fewer = "Name fewer images a manifest"
    remedy = f"{fewer}, or {_MORE_A_DAY}." if possible else f"{fewer}."
    return Choice(soonest, fault=Fault(f"$.{bound}", problem, remedy))


def _more_time(job: Job, budget: Budget) -> Budget:
    return dataclasses.replace(budget, max_runtime_minutes=max(budget.max_runtime_minutes, _runtime(job)))


def _more_money(job: Job, budget: Budget) -> Budget:
    """As much as is needed, for no more time than is needed: what a run may cost, it may cost to its last
    minute, so that it may be no more money at all."""
    return Budget(_runtime(job), max(budget.max_cost_eur, _whole_cents(limit_needed(job, _runtime(job)))))


def _runtime(job: Job) -> int:
    return max(MIN_RUNTIME_MINUTES, minutes_needed(job))


def _sacrifice(allowed: Budget, job: Job, minutes: int) -> tuple[float, ...]:
    needed = minutes_needed(job)
    return allowed.max_cost_eur, max(needed, minutes), needed, job.eur


def _allowing(allowed: Budget, job: Job, budget: Budget, minutes: int) -> tuple[str, str]:
    """The changes by which the manifest allows as much, and the minutes among them."""
    runtime = _runtime(job)
    changed = [
        *([FINISH_WITHIN] if minutes < minutes_needed(job) else []),
        *([MAX_RUNTIME] if allowed.max_runtime_minutes != budget.max_runtime_minutes else []),
    ]
    dearer = allowed.max_cost_eur > budget.max_cost_eur
    money = f", and limits.max_cost_eur to {allowed.max_cost_eur:.2f}" if dearer else ""
    return f"Set {' and '.join(changed)} to {runtime}{money}: {_what_it_takes(job)}.", str(runtime)


def _images(job: Job) -> str:
    return "1 image" if job.images == 1 else f"{job.images:,} images"


def _whole_cents(eur: float) -> float:
    return math.ceil(eur * 100) / 100


def _too_dear(job: Job, jobs: Sequence[Job], budget: Budget, minutes: int, known: Circumstances) -> Choice:
    """What is done in time costs too much; the ways by which it would not."""
    runtime, limit = budget.max_runtime_minutes, limit_needed(job, budget.max_runtime_minutes)
    over_limit = limit > budget.max_cost_eur
    problem = (
        f"is {budget.max_cost_eur:g}, but the cheapest cluster that should be done within {minutes} minutes, "
        f"{_what_it_takes(job)}, may cost {limit:.2f} EUR in {MAX_RUNTIME} = {runtime}"
        if over_limit
        else f"lets the cheapest cluster that should be done within {minutes} minutes, "
        f"{_what_it_takes(job)}, cost up to {job.worst_case_eur(runtime):.2f} EUR, and this stack may spend "
        f"{known.max_eur_per_day:.2f} EUR a day, so its turn would never come"
    )
    ways = list(_cheaper_ways(job, jobs, budget, minutes, known))
    ways.append(_dearer_way(job, budget, known) if over_limit else _MORE_A_DAY)
    path = "$.limits.max_cost_eur" if over_limit else f"$.{MAX_RUNTIME}"
    return Choice(job, fault=Fault(path, problem, one_of(ways, "; or ")))


def _dearer_way(job: Job, budget: Budget, known: Circumstances) -> str:
    """By more money for this run, as far as the stack may spend it in a day."""
    enough = _whole_cents(limit_needed(job, budget.max_runtime_minutes))
    if is_affordable(job, dataclasses.replace(budget, max_cost_eur=enough), known):
        return f"raise this to {enough:.2f}"
    shorter = _more_money(job, budget)
    if is_affordable(job, shorter, known):
        return f"raise this to {shorter.max_cost_eur:.2f} and lower {MAX_RUNTIME} to {_runtime(job)}"
    return f"{_MORE_A_DAY}, and this"


def _cheaper_ways(
    job: Job, jobs: Sequence[Job], budget: Budget, minutes: int, known: Circumstances
) -> Iterator[str]:
    shorter = max(MIN_RUNTIME_MINUTES, minutes_needed(job))
    if shorter < budget.max_runtime_minutes and is_affordable(
        job, dataclasses.replace(budget, max_runtime_minutes=shorter), known
    ):
        yield f"lower {MAX_RUNTIME} to {shorter}"
    later = [
        (minutes_needed(other), other.eur, number)
        for number, other in enumerate(jobs)
        if minutes < minutes_needed(other) <= budget.max_runtime_minutes
        and is_affordable(other, budget, known)
    ]
    if later:
        needed, _, number = min(later)
        yield f"raise {FINISH_WITHIN} to {needed} ({_what_it_takes(jobs[number])})"


def _what_it_takes(job: Job) -> str:
    return f"{described(job)}, about {job.minutes:.1f} minutes and {job.eur:.2f} EUR"
