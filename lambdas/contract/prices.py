"""What a cluster costs at most: an estimate, good for refusing a manifest that could cost too much.

On-demand prices for Linux in USD an hour, as listed on AWS' "EC2 On-Demand Pricing" and "Amazon EMR
pricing" pages for Frankfurt, the dearest of the large EU regions, rounded up. Spot instances are
counted at the on-demand price, since a fleet may fall back to it. Disks, requests and traffic are not
included: for runs of hours they are cents. Prices change: this bounds a cost, it does not predict a bill.
"""

from __future__ import annotations

from dataclasses import dataclass

PRICES_AS_OF = "2025-06"
EUR_PER_USD = 0.95
"""Assumed, on the safe side of recent rates (0.85 to 0.95)."""

PRIMARY_NODES = 1


@dataclass(frozen=True)
class InstanceType:
    """``usd_per_hour``: EC2's price plus EMR's fee. All are x86-64: the packaged wheels are."""

    vcpus: int
    ec2_usd_per_hour: float
    emr_usd_per_hour: float

    @property
    def eur_per_hour(self) -> float:
        return (self.ec2_usd_per_hour + self.emr_usd_per_hour) * EUR_PER_USD


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
}


def eur_per_hour(instance_types: tuple[str, ...], workers: int) -> float:
    """The most that the cluster costs an hour: every node at the price of the dearest allowed type."""
    dearest = max(INSTANCE_TYPES[name].eur_per_hour for name in instance_types)
    return dearest * (PRIMARY_NODES + workers)


def worst_case_eur(instance_types: tuple[str, ...], workers: int, runtime_minutes: int) -> float:
    """The most that a run costs that uses all of its time."""
    return eur_per_hour(instance_types, workers) * runtime_minutes / 60
