"""What is compiled of the decoding: that it is there, and where it is not, that nothing needs it."""

from __future__ import annotations

import pkgutil
import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spark import images
from spark.images import decoding, machine_code
from spark.images.decoding import scale

ALL_VALUES = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)


@pytest.fixture(autouse=True)
def forgets() -> Iterator[None]:
    """What was loaded before and after is another machine's."""
    machine_code.machine_code.cache_clear()
    yield
    machine_code.machine_code.cache_clear()


def of_an_intel_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\n")
    monkeypatch.setattr(machine_code, "_CPU_INFO", info)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


def test_nodes_of_both_kinds_have_theirs() -> None:
    for machine in ("x86_64", "aarch64"):
        code = pkgutil.get_data(images.__name__, f"pixels.{machine}")
        assert code is not None
        assert code.startswith(b"\x7fELF")


@pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"), reason="it is for nodes"
)
def test_it_is_loaded_where_it_runs() -> None:
    assert machine_code.machine_code() is not None


@pytest.mark.parametrize("flags", ["sse4_2 avx", "avx512f", ""])
def test_a_processor_without_its_instructions_does_without_it(
    flags: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_an_intel_processor(tmp_path, monkeypatch, flags)
    assert machine_code.machine_code() is None


def test_another_machine_does_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert machine_code.machine_code() is None
    monkeypatch.setattr(machine_code.sys, "platform", "darwin")
    assert machine_code.machine_code() is None


def test_with_and_without_it_the_network_takes_the_same_of_every_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, elsewhere = np.empty((2, *ALL_VALUES.shape), np.float32)
    scale(ALL_VALUES, here)
    monkeypatch.setattr(decoding, "machine_code", lambda: None)
    scale(ALL_VALUES, elsewhere)
    assert (here.min(), here.max()) == (-1, 1)
    assert np.array_equal(here, elsewhere)
