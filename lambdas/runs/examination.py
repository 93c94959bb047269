"""Whether this stack can run a manifest: what the launcher decides by, and what `fruits plan` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambdas.contract.cost.estimate import Estimate
from lambdas.contract.listing_summary import ListingSummary
from lambdas.contract.manifest.faults import Fault
from lambdas.contract.manifest.schema import Manifest
from lambdas.contract.settings import StackSettings
from lambdas.runs.cluster_port import Clusters
from lambdas.runs.planning import cost_fault, daily_budget_fault, engine_fault, estimate_of, offer_fault
from lambdas.runs.ports import Buckets
from lambdas.runs.preflight import preflight


@dataclass(frozen=True)
class Examined:
    """What was found of a manifest. ``faults``: what only this stack can find wrong with it."""

    listing: ListingSummary
    expected: Estimate
    faults: tuple[Fault, ...]


def examine(
    manifest: Manifest,
    settings: StackSettings,
    buckets: Buckets,
    clusters: Clusters,
    out_of_time: Callable[[], bool],
) -> Examined:
    """Look at the images, and hold cost and machines against what the stack may do.

    ``out_of_time`` ends the counting of images early.
    """
    looked = preflight(manifest.images, settings.data_bucket, buckets, out_of_time)
    expected = estimate_of(manifest, looked.images_listed, settings.region)
    offered = clusters.instance_types(settings.release_label)
    not_offered = offer_fault(manifest.cluster, offered, settings)
    faults = (*looked.faults, not_offered) if not_offered else looked.faults
    if not faults and (fault := _first_fault(manifest, looked.listing, expected, settings)):
        faults = (fault,)
    return Examined(looked.listing, expected, faults)


def _first_fault(
    manifest: Manifest, listing: ListingSummary, expected: Estimate, settings: StackSettings
) -> Fault | None:
    """One at a time: each names changes that may make the next one moot."""
    return (
        engine_fault(manifest, listing)
        or cost_fault(manifest, listing.images, expected)
        or daily_budget_fault(expected, settings.caps)
    )
