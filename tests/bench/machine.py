"""The machine that figures were measured on: a figure without it says nothing."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

_CPU = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """``vectors``: the widest instructions that the network's library may use, ``AVX-512`` or ``AVX2``, else
    the architecture. ``load``: of the minute before, in processes that want a core."""

    cpu: str
    cores: int
    vectors: str
    load: float

    @classmethod
    def here(cls) -> Machine:
        """This one, now."""
        lines = _CPU.read_text().splitlines() if _CPU.exists() else []
        known = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        flags = known.get("flags", "").split()
        vectors = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else platform.machine()
        cpu = known.get("model name") or platform.processor() or platform.machine()
        if "model" in known:  # a hypervisor may leave no more of the name than the maker's
            cpu = f"{cpu} (family {known['cpu family']}, model {known['model']})"
        return cls(cpu, os.cpu_count() or 1, vectors, round(os.getloadavg()[0], 2))

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.cores} cores of {self.cpu}, {self.vectors}; load when it began: {self.load:g}"
