"""How machines are divided: one task slot per vCPU, each with memory for its Python worker. Pure.

Executors are all of one size, however different the machines are that EC2 has. So an executor is as wide as
the smallest machine, larger machines take several, and YARN hands out exactly the memory of those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lambdas.contract.cost.prices import INSTANCE_TYPES

GIB_PER_VCPU: dict[str, int] = {"c": 2, "m": 4, "r": 8}
"""Memory by the first letter of an instance type, its family. Source: EC2's pages on instance types."""
SYSTEM_SHARE = 4
"""A quarter of a machine stays with the operating system and Hadoop's daemons, ..."""
SYSTEM_MB_MAX = 8 * 1024
"""... but no more than this. Both as EMR divides machines: EMR Release Guide, "Task configuration"."""
MASTER_MB = 512 + 384
"""The application master beside the executors: Spark's default in client mode, with its overhead."""
PYTHON_WORKER_MB = 1536
"""A worker at its worst: 512 MiB measured, 640 MiB to decode a picture, 128 MiB fetched ahead and 160 MiB on
their way between store and decoder; measured on the worst pictures by tests/spark/test_decoding_memory.py."""
HEAP_MB_MIN = 1024
"""Spark itself needs little: between JVM and workers go shard numbers and counts, not images."""
CONTAINER_STEP_MB = 32
"""YARN rounds containers up to a multiple of this. Source: as for ``SYSTEM_MB_MAX``."""


@dataclass(frozen=True)
class Executor:
    """``cores`` is the number of task slots. ``overhead_mb`` is what its Python workers share."""

    cores: int
    heap_mb: int
    overhead_mb: int

    @property
    def container_mb(self) -> int:
        """What YARN gives it."""
        return self.heap_mb + self.overhead_mb

    def count(self, instance_type: str) -> int:
        """How many of it fill a machine."""
        return INSTANCE_TYPES[instance_type].vcpus // self.cores

    def yarn_mb(self, instance_type: str) -> int:
        """What YARN may hand out on a machine: these executors and the application master, and no more."""
        return self.count(instance_type) * self.container_mb + MASTER_MB


def executor_for(instance_types: Sequence[str]) -> Executor:
    """The widest executor that fills every one of the types."""
    cores = min(INSTANCE_TYPES[name].vcpus for name in instance_types)
    share = min(
        (usable_mb(name) - MASTER_MB) // (INSTANCE_TYPES[name].vcpus // cores) for name in instance_types
    )
    container = share - share % CONTAINER_STEP_MB
    # Workers come first, up to their worst case; beyond that the two share equally.
    heap = max(HEAP_MB_MIN, min(container // 2, container - cores * PYTHON_WORKER_MB))
    return Executor(cores, heap, container - heap)


def usable_mb(instance_type: str) -> int:
    """The memory of a machine that is left to YARN."""
    total = INSTANCE_TYPES[instance_type].vcpus * GIB_PER_VCPU[instance_type[0]] * 1024
    return total - min(total // SYSTEM_SHARE, SYSTEM_MB_MAX)
