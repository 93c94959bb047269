"""The price table: what the machines of a cluster cost in the EU regions. An estimate, never a bill.

On-demand prices for Linux in USD an hour, as listed on AWS' "EC2 On-Demand Pricing" and "Amazon EMR
pricing" pages for Frankfurt, the dearest of the large EU regions, rounded up; ``REGION_FACTORS`` leads from
there to the other regions. Disks, requests and traffic are not included: for runs of hours they are cents.

Graviton's EMR fees were taken for a quarter of EC2's list price in us-east-1, which is what EMR lists for the
x86 families.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Architecture = Literal["x86_64", "arm64"]
"""The processors' architectures, as EC2 and EMR name them."""

PRICES_AS_OF = "2025-06"
EUR_PER_USD = 0.95
"""Assumed, on the safe side of recent rates (0.85 to 0.95)."""

REGION_FACTORS: dict[str, float] = {
    "eu-west-1": 0.94,
    "eu-west-3": 0.99,
    "eu-central-1": 1.0,
    "eu-north-1": 0.90,
    "eu-south-1": 0.99,
    "eu-south-2": 0.94,
}
"""EC2's prices in a region as a part of the table's: the largest ratio among m5, c5 and r5, rounded up. EMR's
fee is the same everywhere."""
SPOT_PRICE_SHARE = 0.6
"""EC2's spot price as a part of its list price. Assumed; in the EU regions 0.3 to 0.6 was usual in 2025."""

PRIMARY_NODES = 1
MINUTES_AN_HOUR = 60
OVERRUN_MINUTES = 6
"""By how much a cluster may outlive what its manifest allows: the reconciler looks every five minutes, and
ending a cluster takes one. Assumed."""
CORE_NODES = 1
"""Workers that are bought on demand whatever the market: they hold what a run cannot lose."""


@dataclass(frozen=True)
class InstanceType:
    """EC2's price and EMR's fee."""

    vcpus: int
    ec2_usd_per_hour: float
    emr_usd_per_hour: float
    architecture: Architecture = "x86_64"

    def eur_per_hour(self, region: str | None = None, *, spot: bool = False) -> float:
        """What one machine costs. Without a region, the EC2 price is the table's own."""
        factor = REGION_FACTORS[region] if region else 1.0
        share = SPOT_PRICE_SHARE if spot else 1.0
        return (self.ec2_usd_per_hour * factor * share + self.emr_usd_per_hour) * EUR_PER_USD


INSTANCE_TYPES: dict[str, InstanceType] = {
    "m5.xlarge": InstanceType(4, 0.230, 0.048),
    "m5.2xlarge": InstanceType(8, 0.460, 0.096),
    "m5.4xlarge": InstanceType(16, 0.920, 0.192),
    "m5a.xlarge": InstanceType(4, 0.208, 0.043),
    "m5a.2xlarge": InstanceType(8, 0.416, 0.086),
    "m6i.xlarge": InstanceType(4, 0.230, 0.048),
    "m6i.2xlarge": InstanceType(8, 0.460, 0.096),
    "m6i.4xlarge": InstanceType(16, 0.920, 0.192),
    "m6a.xlarge": InstanceType(4, 0.207, 0.044),
    "m6a.2xlarge": InstanceType(8, 0.414, 0.087),
    "c5.xlarge": InstanceType(4, 0.204, 0.043),
    "c5.2xlarge": InstanceType(8, 0.408, 0.085),
    "c5.4xlarge": InstanceType(16, 0.816, 0.170),
    "c6i.xlarge": InstanceType(4, 0.204, 0.043),
    "c6i.2xlarge": InstanceType(8, 0.408, 0.085),
    "r5.xlarge": InstanceType(4, 0.304, 0.063),
    "r5.2xlarge": InstanceType(8, 0.608, 0.126),
    "m6g.xlarge": InstanceType(4, 0.184, 0.039, "arm64"),
    "m6g.2xlarge": InstanceType(8, 0.368, 0.077, "arm64"),
    "m6g.4xlarge": InstanceType(16, 0.736, 0.154, "arm64"),
    "m7g.xlarge": InstanceType(4, 0.196, 0.041, "arm64"),
    "m7g.2xlarge": InstanceType(8, 0.392, 0.082, "arm64"),
    "m7g.4xlarge": InstanceType(16, 0.784, 0.164, "arm64"),
    "c7g.xlarge": InstanceType(4, 0.174, 0.037, "arm64"),
    "c7g.2xlarge": InstanceType(8, 0.348, 0.073, "arm64"),
    "c7g.4xlarge": InstanceType(16, 0.696, 0.146, "arm64"),
    "r7g.xlarge": InstanceType(4, 0.259, 0.054, "arm64"),
    "r7g.2xlarge": InstanceType(8, 0.518, 0.108, "arm64"),
}
X86_TYPES = tuple(name for name, kind in INSTANCE_TYPES.items() if kind.architecture == "x86_64")


def eur_per_hour(
    instance_types: tuple[str, ...], workers: int, region: str | None = None, *, spot: bool = False
) -> float:
    """What a cluster costs an hour, with every node of the dearest allowed type.

    ``spot``: the workers', but for the core node; that and the primary are always bought on demand.
    """
    types = [INSTANCE_TYPES[name] for name in instance_types]
    on_demand = max(kind.eur_per_hour(region) for kind in types)
    on_market = max(kind.eur_per_hour(region, spot=spot) for kind in types)
    sheltered = min(workers, CORE_NODES)
    return (PRIMARY_NODES + sheltered) * on_demand + (workers - sheltered) * on_market


def worst_case_eur(
    instance_types: tuple[str, ...], workers: int, runtime_minutes: float, region: str | None = None
) -> float:
    """The most that a run costs that uses all of its time, and is stopped then.

    Bought on demand: a spot fleet may fall back.
    """
    return (
        eur_per_hour(instance_types, workers, region) * (runtime_minutes + OVERRUN_MINUTES) / MINUTES_AN_HOUR
    )


def affordable_minutes(
    eur: float, instance_types: tuple[str, ...], workers: int, region: str | None = None
) -> int:
    """The longest run time whose :func:`worst_case_eur` is at most ``eur``; negative where there is none."""
    return math.floor(eur / eur_per_hour(instance_types, workers, region) * MINUTES_AN_HOUR) - OVERRUN_MINUTES
