"""The primary node of a workbench's cluster: JupyterHub on it, and nothing that outlives it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import psutil

from infra.local.hub.configuration import KERNEL, Ports, hub_config, kernel_spec, lab_settings, proxy_command
from infra.local.hub.credentials import Assumed, CredentialsServer
from infra.local.hub.installation import FILES, Installation
from infra.local.process import ProcessGroup, StartedAndStopped
from lambdas.contract.workbench import PORT, USER

MARK = "WORKBENCH_MACHINE"
"""Everything that runs on the machine has this variable, with the machine's folder."""
SHUTDOWN_SECONDS = 60.0
"""Of each shutdown action. Source: EMR Management Guide, "Use shutdown actions"."""
_SHUTDOWN_ACTIONS = "mnt/var/lib/instance-controller/public/shutdown-actions"
_KERNELS = "usr/share/jupyter"
_SPARK = "etc/spark/conf"
_POLL_SECONDS = 0.05


class HubMachine(StartedAndStopped):
    """``folder`` stands for the machine's file system. The set-up step runs with :attr:`environment`."""

    def __init__(
        self,
        folder: Path,
        installation: Installation,
        *,
        assumed: Assumed,
        python: Path,
        node: Mapping[str, str],
        spark: Mapping[str, str],
    ) -> None:
        """
        Args:
            folder: made by :meth:`start`, if need be.
            installation: where JupyterHub is.
            assumed: how the machine's role is assumed.
            python: the interpreter of the notebooks' kernels.
            node: the environment of every program of the node, without credentials.
            spark: the properties of the notebooks' Spark.
        """
        self._folder = folder.resolve()
        self._installation = installation
        self._credentials = CredentialsServer(assumed, self._folder / "run" / "token")
        self._python = python
        self._node = {**node, MARK: str(self._folder), "HOME": str(self._folder / "root")}
        self._spark = spark
        self._ports = Ports(public=_free_port(PORT), hub=_free_port(), proxy=_free_port())
        self._group: ProcessGroup | None = None

    @property
    def url(self) -> str:
        """Where JupyterHub is when it has been set up."""
        return f"https://localhost:{self._ports.public}"

    @property
    def environment(self) -> dict[str, str]:
        """What the machine's own programs have beside a node's: stand-ins for what is not here."""
        path = os.pathsep.join([str(FILES / "bin"), self._node["PATH"]])
        return {MARK: str(self._folder), "WORKBENCH_PORT": str(self._ports.public), "PATH": path}

    def start(self) -> None:
        """Return when the set-up step can begin; JupyterHub waits for it."""
        self._write_files()
        self._credentials.start()
        self._group = ProcessGroup(
            [
                *("/bin/bash", str(FILES / "machine.sh"), str(self._installation.hub)),
                *proxy_command(self._folder, self._ports, self._installation),
            ],
            environment={**self._own, "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(32)},
            folder=self._folder / "run",
            log=self._folder / "run" / "jupyterhub.log",
        )

    def shut_down(self) -> None:
        """Run the shutdown actions, as EMR does before the machine goes; :meth:`stop` follows."""
        for action in sorted((self._folder / _SHUTDOWN_ACTIONS).glob("*")):
            run = self._folder / "run"
            group = ProcessGroup([str(action)], environment=self._own, folder=run, log=run / "shutdown.log")
            deadline = time.monotonic() + SHUTDOWN_SECONDS
            while group.exit_code is None and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            group.kill()

    def stop(self) -> None:
        """End every process of the machine, and remove what it held. Its logs stay."""
        if self._group is not None:
            self._group.kill()
            sweep(self._folder)
        self._credentials.stop()
        for useless in ("etc", "opt", "root", "tmp", "usr", "var"):
            shutil.rmtree(self._folder / useless, ignore_errors=True)

    @property
    def _own(self) -> dict[str, str]:
        return {**self._node, **self._credentials.environment, **self.environment}

    def _write_files(self) -> None:
        home = f"var/lib/jupyter/home/{USER}"
        for place in ("etc/systemd/system", "opt", "root", "run", "tmp", home):
            (self._folder / place).mkdir(parents=True, exist_ok=True)
        spark = {
            "SPARK_CONF_DIR": str(self._folder / _SPARK),
            "SPARK_LOCAL_DIRS": str(self._folder / "tmp"),
            "PYSPARK_PYTHON": str(self._python),
            "PYSPARK_DRIVER_PYTHON": str(self._python),
        }
        server = {
            "JUPYTER_PATH": str(self._folder / _KERNELS),
            "JUPYTER_CONFIG_DIR": str(self._folder / "etc" / "jupyter"),
            "TMPDIR": str(self._folder / "tmp"),
        }
        self._write(
            "etc/jupyter/conf/jupyterhub_config.py",
            hub_config(self._folder, self._ports, self._installation, server),
        )
        self._write("etc/jupyter/labconfig/page_config.json", lab_settings())
        kernel = {**self._node, **self._credentials.environment, **spark, "TMPDIR": server["TMPDIR"]}
        self._write(f"{_KERNELS}/kernels/{KERNEL}/kernel.json", kernel_spec(self._python, kernel))
        lines = (f"{key} {value}".replace("\\", "\\\\") for key, value in self._spark.items())
        self._write(f"{_SPARK}/spark-defaults.conf", "\n".join([*lines, ""]))

    def _write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)


def sweep(folder: Path) -> None:
    """Kill everything that carries the mark of the machine ``folder``: kernels have groups of their own."""
    while left := marked(folder):
        for one in left:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        time.sleep(_POLL_SECONDS)


def marked(folder: Path) -> list[psutil.Process]:
    """What runs on the machine ``folder``."""
    found = []
    for one in psutil.process_iter():
        # Processes end while we look, and those of other users cannot be looked into.
        with suppress(psutil.Error):
            if one.environ().get(MARK) == str(folder) and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


def _free_port(wanted: int = 0) -> int:
    """The port ``wanted`` of loopback, or another one where that is taken, or none is."""
    with closing(socket.socket()) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", wanted))
        except OSError:
            tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
        return port
