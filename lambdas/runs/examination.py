"""Whether this stack can run a manifest: what the launcher decides by, and what `fruits plan` says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from lambdas.contract.cost.estimate import Budget, Estimate, estimate
from lambdas.contract.cost.measured import Measured
from lambdas.contract.cost.prices import INSTANCE_TYPES
from lambdas.contract.listing_summary import ListingSummary
from lambdas.contract.manifest.faults import Fault
from lambdas.contract.manifest.schema import Manifest
from lambdas.contract.settings import StackSettings
from lambdas.runs.cluster_choice import Choice, budget_of, choose
from lambdas.runs.cluster_port import Clusters
from lambdas.runs.clusters_compared import Circumstances
from lambdas.runs.planning import (
    cost_fault,
    daily_budget_fault,
    engine_fault,
    offer_fault,
    packages_fault,
)
from lambdas.runs.ports import Buckets
from lambdas.runs.preflight import COUNT_LIMIT, model_faults, preflight

NOT_ALL_COUNTED = f"Counting stopped at {COUNT_LIMIT:,} images; with more, the run takes longer."


@dataclass(frozen=True)
class Examined:
    """What was found of a manifest. ``faults``: what only this stack can find wrong with it."""

    listing: ListingSummary
    choice: Choice
    expected: Estimate
    faults: tuple[Fault, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know, a sentence each; of a cluster only where there will be one."""
        return (*self.listing.notes(), *(() if self.faults else self.choice.notes))


def examine(
    manifest: Manifest,
    settings: StackSettings,
    buckets: Buckets,
    clusters: Clusters,
    measured: Measured,
    out_of_time: Callable[[], bool],
) -> Examined:
    """Look at the images, choose the cluster, and hold cost and machines against what the stack may do.

    ``measured``: by the stack's earlier runs. ``out_of_time`` ends the counting of images early.
    """
    looked = preflight(manifest.images, settings.data_bucket, buckets, out_of_time)
    offered = clusters.instance_types(settings.release_label)
    assumed = dataclasses.replace(measured, arm_speed=settings.arm_speed)
    types = _types(offered, settings)
    known = Circumstances(settings.region, settings.caps.max_eur_per_day, types, assumed)
    choice, budget = choose(manifest, looked.images_listed, known), budget_of(manifest)
    if choice.notes and looked.images_listed >= COUNT_LIMIT:
        choice = dataclasses.replace(choice, notes=(*choice.notes, NOT_ALL_COUNTED))
    if lacking := [name for name in choice.cluster.instance_types if offered and name not in offered]:
        left_out = f"{', '.join(lacking)}: left out, EMR has none in {settings.region}."
        choice = dataclasses.replace(choice, notes=(*choice.notes, left_out))
    expected = estimate(choice.job, budget)
    no_machine = packages_fault(choice.cluster, offered, settings) or offer_fault(
        choice.cluster, offered, settings
    )
    fitted = manifest.pca.model
    no_model = model_faults(fitted, settings.data_bucket, buckets) if fitted else []
    faults = (*looked.faults, *no_model, *([no_machine] if no_machine else []))
    if not faults and (fault := _first_fault(manifest, looked.listing, choice, budget, expected, settings)):
        faults = (fault,)
    return Examined(looked.listing, choice, expected, faults)


def _types(offered: frozenset[str] | None, settings: StackSettings) -> tuple[str, ...]:
    """What may be chosen from: all that has a price, where the offer is not known, and packages here."""
    return tuple(
        name
        for name, kind in INSTANCE_TYPES.items()
        if (not offered or name in offered) and kind.architecture in settings.architectures
    )


def _first_fault(
    manifest: Manifest,
    listing: ListingSummary,
    choice: Choice,
    budget: Budget,
    expected: Estimate,
    settings: StackSettings,
) -> Fault | None:
    """One at a time: each names changes that may make the next one moot."""
    return (
        engine_fault(manifest, listing)
        or choice.fault
        or cost_fault(choice.job, budget, expected)
        or daily_budget_fault(expected, settings.caps)
    )
