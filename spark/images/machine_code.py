"""``pixels.c`` as machine code, on the machines that it is compiled for."""

from __future__ import annotations

import ctypes
import os
import pkgutil
import platform
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

_CPU_INFO = Path("/proc/cpuinfo")


@cache
def machine_code() -> ctypes.CDLL | None:
    """The functions of ``pixels.c``; None where they do not run, and something slower has to do.

    They are compiled when the code is packaged (``pixels.<machine>`` beside this module, also in a zip):
    for Linux, on x86-64 with AVX2.
    """
    machine = platform.machine()
    if sys.platform != "linux" or (machine == "x86_64" and "avx2" not in _CPU_INFO.read_text().split()):
        return None
    code = None
    with suppress(OSError):
        code = pkgutil.get_data(__package__, f"pixels.{machine}")
    if code is None:
        return None
    # The dynamic linker loads files alone, and a zip's content is none.
    descriptor = os.memfd_create("pixels")
    with os.fdopen(descriptor, "wb") as file:
        file.write(code)
        file.flush()
        return ctypes.CDLL(f"/proc/self/fd/{descriptor}")


def address(array: np.ndarray) -> ctypes.c_void_p:
    """Where the values of a contiguous array begin, for one of the functions."""
    return ctypes.c_void_p(array.ctypes.data)
