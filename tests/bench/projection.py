"""From a rate on this machine to hours and euros on the default cluster: an estimate."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.contract.cost.prices import INSTANCE_TYPES, PRICES_AS_OF, eur_per_hour
from lambdas.contract.manifest.schema import Cluster

START_HOURS = 8 / 60
VCPU_PER_CORE = 0.45
"""What a vCPU of an m5.xlarge is taken to be worth of a core here. The reference recipe did 6.6 images/s on
the one (67,692 images in 21.5 minutes on eight of them) and 14.6 on the other."""


@dataclass(frozen=True)
class Projection:
    """What a run of ``images`` would take and cost."""

    images: int
    hours: float
    euros: float


def project(images: int, images_per_second_a_core: float) -> Projection:
    """On the cluster that a manifest gets when it says nothing."""
    cluster = Cluster()
    vcpus = cluster.workers * min(INSTANCE_TYPES[name].vcpus for name in cluster.instance_types)
    rate = images_per_second_a_core * VCPU_PER_CORE * vcpus
    hours = images / rate / 3600 + START_HOURS
    return Projection(images, hours, hours * eur_per_hour(cluster.instance_types, cluster.workers))


def assumptions() -> tuple[str, ...]:
    """What :func:`project` takes for granted."""
    cluster = Cluster()
    return (
        f"{cluster.workers} workers and a primary of {', '.join(cluster.instance_types)}, on demand, list "
        f"prices of {PRICES_AS_OF}",
        f"a vCPU does {VCPU_PER_CORE:g} of what a core here does, as it did for the reference recipe",
        f"{START_HOURS * 60:.0f} minutes to start the cluster and to end; images of the size measured here",
    )
