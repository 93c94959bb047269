"""What the cluster that a manifest asks for may cost, held against the manifest's own limit. Pure."""

from __future__ import annotations

import math

from lambdas.contract.cost import prices
from lambdas.contract.cost.estimate import MIN_RUNTIME_MINUTES, Budget
from lambdas.contract.manifest.faults import Fault


def cost_faults(workers: int, instance_types: tuple[str, ...], budget: Budget) -> list[Fault]:
    """Why a cluster of this size may cost too much, whatever the images, and what to do."""
    limit, runtime_minutes = budget.max_cost_eur, budget.max_runtime_minutes
    cost = prices.worst_case_eur(instance_types, workers, runtime_minutes)
    if cost <= limit:
        return []
    minutes = prices.affordable_minutes(limit, instance_types, workers)
    node = prices.worst_case_eur(instance_types, workers=0, runtime_minutes=runtime_minutes)
    affordable = int(limit / node) - prices.PRIMARY_NODES
    raised = math.ceil(cost * 100) / 100
    ways = [
        f"lower limits.max_runtime_minutes to {minutes}" if minutes >= MIN_RUNTIME_MINUTES else "",
        f"lower cluster.workers to {affordable}" if affordable >= 1 else "",
        f"raise this to {raised:.2f}",
    ]
    problem = (
        f"is {limit:g}, but {workers} workers and a primary of {', '.join(instance_types)} "
        f"for {runtime_minutes} minutes, and {prices.OVERRUN_MINUTES} to be stopped, may cost {cost:.2f} EUR "
        f"(an estimate from list prices of {prices.PRICES_AS_OF})"
    )
    remedy = f"Either {', or '.join(filter(None, ways))}."
    return [Fault("$.limits.max_cost_eur", problem, remedy)]
