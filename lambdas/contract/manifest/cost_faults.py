"""What the cluster that a manifest asks for may cost, held against the manifest's own limit. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

from lambdas.contract.cost import prices
from lambdas.contract.cost.estimate import MIN_RUNTIME_MINUTES, Budget
from lambdas.contract.manifest.faults import Fault, one_of


def cost_faults(workers: int, instance_types: tuple[str, ...], budget: Budget) -> list[Fault]:
    """Why a cluster of this size may cost too much, whatever the images, and what to do."""

    def less_time(affordable_minutes: int) -> str:
        is_enough = affordable_minutes >= MIN_RUNTIME_MINUTES
        return f"lower limits.max_runtime_minutes to {affordable_minutes}" if is_enough else ""

    return worst_case_faults(
        "$.limits.max_cost_eur",
        budget.max_cost_eur,
        workers,
        instance_types,
        budget.max_runtime_minutes,
        said=f"{workers} workers and a primary of {', '.join(instance_types)} "
        f"for {budget.max_runtime_minutes} minutes, and {prices.OVERRUN_MINUTES} to be stopped",
        shorter=less_time,
        workers_field="cluster.workers",
    )


def worst_case_faults(
    path: str,
    limit_eur: float,
    workers: int,
    instance_types: tuple[str, ...],
    minutes: int,
    *,
    said: str,
    shorter: Callable[[int], str],
    workers_field: str,
) -> list[Fault]:
    """Why a cluster that lives for so many minutes may cost more than the limit at ``path``.

    ``said``: the cluster and its time, in words; ``shorter``: the way out by less time, of the minutes that
    the limit pays for, empty where they are too few.
    """
    cost = prices.worst_case_eur(instance_types, workers, minutes)
    if cost <= limit_eur:
        return []
    node = prices.worst_case_eur(instance_types, workers=0, runtime_minutes=minutes)
    affordable = int(limit_eur / node) - prices.PRIMARY_NODES
    ways = [
        shorter(prices.affordable_minutes(limit_eur, instance_types, workers)),
        f"lower {workers_field} to {affordable}" if affordable >= 1 else "",
        f"raise this to {math.ceil(cost * 100) / 100:.2f}",
    ]
    problem = (
        f"is {limit_eur:g}, but {said}, may cost {cost:.2f} EUR "
        f"(an estimate from the dearest region's list prices of {prices.PRICES_AS_OF})"
    )
    return [Fault(path, problem, one_of(list(filter(None, ways))))]
