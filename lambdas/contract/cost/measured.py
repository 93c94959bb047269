"""How fast a stack's machines are: what its own runs measured, else documented assumptions. Pure.

A run that has completed leaves what it measured; the next estimates rest on the medians of the latest ones.
A median, because one run with a slow machine or a late event should not decide.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from lambdas.contract.cost.prices import INSTANCE_TYPES, Architecture

IMAGES_PER_SECOND_PER_VCPU: dict[str, float] = {"fast": 40.0, "reference": 6.5}
"""Images of 224x224 that one vCPU finishes in a second, by engine. Assumptions, from two measurements.

reference: 67,692 images in 21.5 minutes on the 8 vCPUs of two m5.xlarge workers, 6.6 a vCPU.
fast: 257 images/s where the recipe did 27.7 on two such cores, taken for six times (not measured on EMR).
"""
ARM_SPEED = 1.0
"""What a vCPU of a Graviton machine computes of what one of an x86 machine does, until a run has measured it.
An assumption that claims no difference; `fruits:gravitonSpeed` is another one. A vCPU of the former is a
core, one of the latter half a core with hyper-threads. Source: EC2 User Guide, "CPU options"."""
INFERENCE_SHARE = 0.93
"""Part of an image's time that the network takes at 224x224 (fast engine, docs/performance.md). It shrinks
with the pixels; fetching and decoding do not."""
FULL_SIZE = 224
STARTUP_MINUTES = 8.0
"""From RunJobFlow to the first step: machines, EMR, bootstrap. Assumed; five to ten minutes are usual."""
STEPS_MINUTES = 2.0
"""What the two steps need whatever the number of images: starting Spark, PCA, publication. Assumed."""
KEPT = 5
"""So many of the latest measurements are kept: of the start, and of each engine on each machine family."""
MIN_RATE_SECONDS = 30.0
"""Computing that took less says more of imports and the last shard than of the machines."""


@dataclass(frozen=True)
class MeasuredRate:
    """What one run computed: images of 224x224 a second and vCPU, on workers that were all of one type."""

    run_id: str
    engine: str
    instance_type: str
    images_per_second_per_vcpu: float

    @property
    def is_possible(self) -> bool:
        """Whether time can be reckoned by it, whoever wrote it."""
        return self.images_per_second_per_vcpu > 0


@dataclass(frozen=True)
class MeasuredStart:
    """What one run spent beside computing images: up to its first step, and in its steps."""

    run_id: str
    startup_minutes: float
    steps_minutes: float

    @property
    def is_possible(self) -> bool:
        """Whether time can be reckoned by it, whoever wrote it."""
        return self.startup_minutes >= 0 and self.steps_minutes >= 0


@dataclass(frozen=True)
class Rate:
    """Images of 224x224 a second and vCPU. ``runs`` have measured it, 0 if it is assumed, on ``machines``."""

    images_per_second_per_vcpu: float
    runs: int
    machines: str

    @property
    def text(self) -> str:
        """``38.2 images/s a vCPU (measured by 3 runs of this stack on m5)``."""
        return f"{self.images_per_second_per_vcpu:.3g} images/s a vCPU ({_by(self.runs)} on {self.machines})"


@dataclass(frozen=True)
class Measured:
    """What the stack's runs have measured, the latest first. ``arm_speed``: assumed where they have not."""

    rates: tuple[MeasuredRate, ...] = ()
    starts: tuple[MeasuredStart, ...] = ()
    revision: int = 0
    arm_speed: float = ARM_SPEED

    def rate(self, engine: str, instance_type: str) -> Rate:
        """The best that is known: of the type's family, else of its architecture, else what is assumed."""
        architecture = architecture_of(instance_type)
        return (
            self._median(engine, family_of, family_of(instance_type))
            or self._median(engine, architecture_of, architecture)
            or Rate(self._assumed(engine, architecture), 0, architecture)
        )

    def _assumed(self, engine: str, architecture: Architecture) -> float:
        if architecture == "x86_64":
            return IMAGES_PER_SECOND_PER_VCPU[engine]
        on_x86 = self._median(engine, architecture_of, "x86_64")
        rate = on_x86.images_per_second_per_vcpu if on_x86 else IMAGES_PER_SECOND_PER_VCPU[engine]
        return rate * self.arm_speed

    def _median(self, engine: str, group: Callable[[str], str], machines: str) -> Rate | None:
        """Of the machines whose ``group`` is this one; None if no run has measured them."""
        found = [
            rate.images_per_second_per_vcpu
            for rate in self._of_known_types()
            if rate.engine == engine and group(rate.instance_type) == machines
        ]
        return Rate(median(found), len(found), machines) if found else None

    def has_rate(self, engine: str, architecture: Architecture) -> bool:
        """Whether a run of this engine has measured a machine of this architecture."""
        return self._median(engine, architecture_of, architecture) is not None

    def known(self) -> Iterator[tuple[str, Rate]]:
        """The rate of every engine on every family that has been measured."""
        seen = {(rate.engine, family_of(rate.instance_type)): rate for rate in self._of_known_types()}
        for (engine, _), example in sorted(seen.items()):
            yield engine, self.rate(engine, example.instance_type)

    @property
    def startup_minutes(self) -> float:
        """From RunJobFlow to the first step."""
        return _median((start.startup_minutes for start in self.starts), STARTUP_MINUTES)

    @property
    def steps_minutes(self) -> float:
        """What the steps take whatever the number of images."""
        return _median((start.steps_minutes for start in self.starts), STEPS_MINUTES)

    @property
    def fixed_minutes(self) -> float:
        """What no size of the cluster shortens."""
        return self.startup_minutes + self.steps_minutes

    @property
    def start_text(self) -> str:
        """``10.0 minutes to start and finish (assumed)``."""
        return f"{self.fixed_minutes:.1f} minutes to start and finish ({_by(len(self.starts))})"

    def with_run(self, start: MeasuredStart, rate: MeasuredRate | None) -> Measured:
        """The same and what another run measured, unless that is known already."""
        if any(known.run_id == start.run_id for known in self.starts):
            return self
        rates = self.rates
        if rate is not None:
            rates = tuple(_latest((rate, *rates), lambda one: (one.engine, family_of(one.instance_type))))
        return dataclasses.replace(self, rates=rates, starts=(start, *self.starts)[:KEPT])

    def _of_known_types(self) -> list[MeasuredRate]:
        """The price table may have lost a type that was measured."""
        return [rate for rate in self.rates if rate.instance_type in INSTANCE_TYPES]


NOTHING_MEASURED = Measured()
"""Of a stack without runs."""


def relative_time(image_size: int) -> float:
    """The time of an image of so many pixels a side, as a part of one's of 224."""
    return 1 - INFERENCE_SHARE + INFERENCE_SHARE * (image_size / FULL_SIZE) ** 2


def family_of(instance_type: str) -> str:
    """``m5.xlarge`` -> ``m5``."""
    return instance_type.partition(".")[0]


def architecture_of(instance_type: str) -> Architecture:
    """The processor of a type in the price table."""
    return INSTANCE_TYPES[instance_type].architecture


def _latest(rates: Sequence[MeasuredRate], group: Callable[[MeasuredRate], object]) -> Iterator[MeasuredRate]:
    for number, rate in enumerate(rates):
        newer = [other for other in rates[:number] if group(other) == group(rate)]
        if len(newer) < KEPT:
            yield rate


def _median(values: Iterable[float], default: float) -> float:
    known = list(values)
    return median(known) if known else default


def _by(runs: int) -> str:
    return f"measured by {runs} {'run' if runs == 1 else 'runs'} of this stack" if runs else "assumed"
