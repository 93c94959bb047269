"""What runs of any size would take and cost on clusters: the table of docs/performance.md, an estimate.

``python -m tests.bench.projection`` prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from lambdas.contract.cost.estimate import Job
from lambdas.contract.cost.measured import (
    ARM_SPEED,
    IMAGES_PER_SECOND_PER_VCPU,
    STARTUP_MINUTES,
    STEPS_MINUTES,
)
from lambdas.contract.cost.prices import INSTANCE_TYPES, PRICES_AS_OF, eur_per_hour
from lambdas.runs.planning import shard_images
from lambdas.runs.preflight import COUNT_LIMIT

IMAGES = (90_483, 1_000_000, 10_000_000)
NODES = (3, 10, 50)
TYPES = ("m5.xlarge", "m6g.xlarge")
"""x86-64 and arm64."""
REGION = "eu-west-1"

CORE_IMAGES_PER_SECOND = 126.6
"""Measured: `featurize.images_per_second` over two cores."""
VCPU_OF_CORE = IMAGES_PER_SECOND_PER_VCPU["fast"] / CORE_IMAGES_PER_SECOND
"""What a vCPU is taken to do of what a core does that was measured."""
LISTING_CORE_SECONDS = 7.9e-6 + 9.0e-6
"""Of the driver, an image: to list it, and to write it into the index. Measured:
`listing.flat_cpu_seconds.1000000` and `scale.index_seconds.10000000`."""
PCA_CORE_SECONDS = 2 * 2.2 / 22_688
"""An image: to read and add up its features. Measured: `pca.seconds`, on two cores."""
SCORING_CORE_SECONDS = PCA_CORE_SECONDS
"""An image: to read its features again and to write its components. Assumed to take as long as the fit."""


@dataclass(frozen=True)
class Projection:
    """What a run would take on ``nodes`` workers and a primary, all of one type."""

    images: int
    nodes: int
    instance_type: str

    @property
    def slots(self) -> int:
        """Tasks at once: one a vCPU."""
        return self.nodes * INSTANCE_TYPES[self.instance_type].vcpus

    @property
    def computing_minutes(self) -> float:
        """Of the slot that has most shards to do."""
        size = shard_images(min(self.images, COUNT_LIMIT), self.slots)
        most = ceil(ceil(self.images / size) / self.slots) * size
        return min(most, self.images) / self._rate / 60

    @property
    def serial_minutes(self) -> float:
        """Of the driver alone: the listing."""
        return self.images * LISTING_CORE_SECONDS / VCPU_OF_CORE / 60

    @property
    def pca_minutes(self) -> float:
        """Of all slots: fit and transform."""
        core_seconds = self.images * (PCA_CORE_SECONDS + SCORING_CORE_SECONDS)
        return core_seconds / VCPU_OF_CORE / self.slots / 60

    @property
    def minutes(self) -> float:
        """From the launch to the end."""
        fixed = STARTUP_MINUTES + STEPS_MINUTES
        return fixed + self.serial_minutes + self.computing_minutes + self.pca_minutes

    @property
    def eur(self) -> float:
        """By list prices, on demand."""
        return eur_per_hour((self.instance_type,), self.nodes, REGION) * self.minutes / 60

    @property
    def _rate(self) -> float:
        job = Job(self.images, "fast", 224, self.nodes, (self.instance_type,), spot=False, region=REGION)
        return job.rate.images_per_second_per_vcpu


def table() -> Iterator[str]:
    """The lines of the table."""
    heads = " | ".join(f"{INSTANCE_TYPES[name].architecture} ({name}): minutes | EUR" for name in TYPES)
    yield f"| images | nodes | {heads} |"
    yield "|---" * (2 + 2 * len(TYPES)) + "|"
    for images in IMAGES:
        for nodes in NODES:
            found = [Projection(images, nodes, name) for name in TYPES]
            cells = " | ".join(f"{each.minutes:,.1f} | {each.eur:.2f}" for each in found)
            yield f"| {images:,} | {nodes} | {cells} |"


def assumptions() -> Iterator[str]:
    """What the table takes for granted, and the measurement that it rests on; lines of Markdown."""
    rate, listing, pca = IMAGES_PER_SECOND_PER_VCPU["fast"], LISTING_CORE_SECONDS, PCA_CORE_SECONDS
    pairs = (
        (
            f"a vCPU of an m5 computes {rate:g} images/s of 224 pixels, {VCPU_OF_CORE:.2f} of a core here",
            f"the recipe's 6.6 on a vCPU of two m5.xlarge, taken six times; {CORE_IMAGES_PER_SECOND:g} are "
            "`featurize.images_per_second` on a core",
        ),
        (
            f"a vCPU of a Graviton computes {ARM_SPEED:g} times as much",
            "nothing ([decision 22](decisions/0022-graviton-is-asked-for.md))",
        ),
        (
            f"{STARTUP_MINUTES:g} minutes until the first step",
            "five to ten are usual with EMR; of them `install.seconds` is measured",
        ),
        (
            f"{STEPS_MINUTES:g} minutes beside the images: Spark starts twice on YARN, workers, publication",
            "`featurize.fixed_seconds`, `scale.driver_seconds`; the rest is not measured",
        ),
        (
            f"listing takes the driver {1e6 * listing:.0f} us of a core an image, and the nodes wait",
            "`listing.flat_cpu_seconds`, `scale.index_seconds`",
        ),
        (
            f"the fit of the PCA takes {1e6 * pca:.0f} us of a core an image, scoring as much again",
            "`pca.seconds`; scoring is not measured",
        ),
        (
            "slots are equally fast, and the one with most shards decides",
            "`standalone.fraction_of_local`, of two nodes on one machine; more were never measured",
        ),
        (
            "images of 100 x 100 pixels and 5 kB",
            "what was measured; larger photos take longer than the table says",
        ),
        (
            f"list prices of {PRICES_AS_OF} in {REGION}, on demand, with a primary of the same type",
            "[cost](cost.md)",
        ),
    )
    yield "| assumed | rests on |"
    yield "|---|---|"
    for assumed, basis in pairs:
        yield f"| {assumed} | {basis} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join([*table(), "", *assumptions(), ""]))
