"""The Python of the nodes: every locked package of this one, and not the repository's own code.

Steps bring that along in their archive. Here it is installed, too, and would hide what the archive lacks.
"""

from __future__ import annotations

import sysconfig
import venv
from pathlib import Path


def make_interpreter(folder: Path) -> Path:
    """Make a virtual environment at ``folder``; returns its interpreter."""
    venv.EnvBuilder(symlinks=True).create(folder)
    own = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    # A folder that a .pth file names is searched, but the .pth files in it, ours among them, are not read.
    (Path(own) / "packages.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin" / "python"
