"""A cluster that lives: one thread that carries out what the lifecycle says comes next."""

from __future__ import annotations

import dataclasses
import functools
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import botocore.exceptions

from infra.local.emr import lifecycle
from infra.local.emr.injected_failures import ClusterFailure, InjectedFailures
from infra.local.emr.launch import Launch, Program
from infra.local.emr.lifecycle import Action, Cluster, Reason, ReasonCode, Step, StepFailure
from infra.local.emr.logs import ProgramLogs
from infra.local.emr.node import COMMAND_RUNNER, Node
from infra.local.emr.spark_cluster import SparkCluster
from infra.local.hub.installation import NotInstalledError
from infra.local.hub.machine import HubMachine

logger = logging.getLogger(__name__)

Announce = Callable[[Cluster | None, Cluster, float], None]
"""Told of each change: before (None: it is new), after, Unix time."""


class ClusterRunner:
    """Runs one cluster. All methods may be called from any thread."""

    def __init__(
        self,
        launch: Launch,
        *,
        node: Node,
        folder: Path,
        announce: Announce,
        injected: InjectedFailures,
        failure: ClusterFailure | None,
        befell: Callable[[ClusterFailure], None],
        spared: Callable[[ClusterFailure], None],
    ) -> None:
        """``folder`` receives the logs; ``failure`` is this cluster's entry of the script, ``befell`` is told
        when it takes effect, ``spared`` when the cluster has ended before it did."""
        self._cluster = launch.cluster
        self._launch = launch
        self._node = node
        self._folder = folder
        self._announce = announce
        self._injected = injected
        self._failure = failure
        self._befell, self._spared = befell, spared
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._abandoned = False
        self._spark: SparkCluster | None = None
        self._hub: HubMachine | None = None
        self._thread = threading.Thread(target=self._run, name=f"emr-{launch.cluster.id}", daemon=True)

    @property
    def cluster(self) -> Cluster:
        """The state now."""
        return self._cluster

    def start(self) -> None:
        self._announce(None, self._cluster, self._cluster.created_at)
        self._thread.start()

    def set_termination_protected(self, *, protected: bool) -> None:
        with self._lock:
            self._cluster = dataclasses.replace(self._cluster, termination_protected=protected)

    def show_age(self, seconds: float) -> None:
        """From now on the cluster shows itself at least so old; nothing happens if it is ending."""
        self._advance(lambda cluster: _aged(cluster, seconds - (time.time() - cluster.created_at)))

    def terminate(self, reason: Reason) -> None:
        """Begin to end the cluster; nothing happens if it is ending already."""
        self._advance(functools.partial(lifecycle.shut_down, reason=reason, now=time.time()))
        self._stop.set()

    def abandon(self) -> None:
        """Kill what runs and leave the cluster as it is: the endpoint is going away."""
        self._abandoned = True
        self._stop.set()

    @property
    def hub_url(self) -> str | None:
        """Where a workbench's JupyterHub is on this machine; None on every other cluster."""
        return self._hub.url if self._hub else None

    def join(self, timeout_seconds: float | None = None) -> None:
        """Wait until the cluster has ended, or was abandoned and has nothing running any more."""
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        perform: dict[Action, Callable[[], None]] = {
            Action.PROVISION: self._provision,
            Action.BOOTSTRAP: self._bootstrap,
            Action.RUN_STEP: self._run_step,
            Action.WAIT: self._wait,
            Action.RELEASE: self._release,
        }
        while not self._abandoned and (action := lifecycle.next_action(self._cluster)) is not None:
            try:
                perform[action]()
            except Exception:
                logger.exception("cluster %s met an internal error", self._cluster.id)
                self.terminate(Reason(ReasonCode.INTERNAL_ERROR, "An internal error occurred"))
        self._end_machines()

    def _advance(self, transition: Callable[[Cluster], Cluster]) -> None:
        """Move on, unless the cluster is ending: then whatever was going on has been overtaken."""
        with self._lock:
            if not self._cluster.is_ending:
                self._change(transition(self._cluster))

    def _change(self, after: Cluster) -> None:
        before, self._cluster = self._cluster, after
        # Within the lock, so that changes are told in their order.
        self._announce(before, after, time.time())

    def _befalls(self, failure: ClusterFailure) -> bool:
        """Whether this failure takes effect here and now."""
        if self._failure is not failure:
            return False
        self._failure = None
        self._befell(failure)
        return True

    def _provision(self) -> None:
        slow = self._befalls(ClusterFailure.SLOW_START)
        self._stop.wait(self._injected.slow_starting_seconds if slow else self._injected.starting_seconds)
        if not self._stop.is_set() and self._befalls(ClusterFailure.SPOT_TIMEOUT):
            message = "Provisioning timed out: the Spot capacity of an instance fleet was not fulfilled"
            return self.terminate(Reason(ReasonCode.INSTANCE_FLEET_TIMEOUT, message))
        try:
            self._node.credentials()
        except (botocore.exceptions.ClientError, IndexError) as error:
            message = f"Invalid InstanceProfile: {self._node.instance_profile}. ({error})"
            return self.terminate(Reason(ReasonCode.VALIDATION_ERROR, message))
        return self._advance(lambda cluster: lifecycle.provisioned(cluster, time.time()))

    def _bootstrap(self) -> None:
        self._stop.wait(self._injected.bootstrapping_seconds)
        instance = f"i-{self._cluster.id.removeprefix('j-').lower()}"
        for number, action in enumerate(self._launch.bootstrap_actions, start=1):
            logs = self._logs(f"node/{instance}/bootstrap-actions/{number}")
            exit_code = self._node.run_bootstrap_action(action.path, action.arguments, logs, self._stop)
            if exit_code != 0:
                return self._bootstrap_failed(instance, number, logs.stderr_uri)
        if not self._stop.is_set() and self._befalls(ClusterFailure.BOOTSTRAP_FAILURE):
            return self._bootstrap_failed(instance, 1, None)
        try:
            self._start_hub()
        except NotInstalledError as error:
            return self.terminate(Reason(ReasonCode.BOOTSTRAP_FAILURE, str(error)))
        return self._advance(lambda cluster: lifecycle.bootstrapped(cluster, time.time()))

    def _start_hub(self) -> None:
        """JupyterHub, which the set-up step finds on its machine."""
        if self._launch.has_hub and not self._injected.instant_steps and not self._stop.is_set():
            self._hub = self._node.hub_machine(self._folder / self._cluster.id / "machine")
            self._hub.start()

    def _bootstrap_failed(self, instance: str, number: int, log: str | None) -> None:
        message = (
            f"On the master instance ({instance}), bootstrap action {number} returned a non-zero return code"
        )
        self.terminate(Reason(ReasonCode.BOOTSTRAP_FAILURE, f"{message}; see {log}" if log else message))

    def _run_step(self) -> None:
        cluster = self._cluster
        step = cluster.next_step
        if step is None:
            return  # it was cancelled a moment ago
        self._advance(lambda cluster: lifecycle.step_started(cluster, time.time()))
        failure = self._execute(step, cluster.steps.index(step))
        self._advance(lambda cluster: lifecycle.step_ended(cluster, failure, time.time()))

    def _execute(self, step: Step, number: int) -> StepFailure | None:
        if number == 0 and self._befalls(ClusterFailure.STEP_FAILURE):
            return StepFailure("Unknown Error.", "this step was made to fail")
        if number == 0 and self._befalls(ClusterFailure.HUNG_STEP):
            self._advance(functools.partial(_aged, by=self._injected.hung_seconds))
            self._stop.wait()
            return StepFailure("Unknown Error.", "this step was made to hang")
        program = self._launch.steps[number]
        if self._injected.instant_steps:
            if self._injected.on_instant_step:
                self._injected.on_instant_step(program.arguments)
            return None
        logs = self._logs(f"steps/{step.id}")
        spark = self._spark_for(program, logs)
        if self._node.run_step(program.path, program.arguments, logs, self._stop, spark, self._hub) == 0:
            return None
        return StepFailure("Unknown Error.", logs.last_error(), logs.stderr_uri)

    def _spark_for(self, program: Program, logs: ProgramLogs) -> SparkCluster | None:
        """The workers' Spark, which the first step that needs it starts."""
        asked = self._launch.workers
        if asked is None or program.path != COMMAND_RUNNER or program.arguments[:1] != ("spark-submit",):
            return None
        nodes = asked.within(self._node.slots)
        logs.note(
            f"Spark has {nodes.count} of {asked.count} workers, with {nodes.slots} of {asked.slots} slots "
            f"each: a cluster has {self._node.slots} in all on this machine"
        )
        if self._spark is None:
            folder = self._folder / self._cluster.id / "spark"
            spark = self._node.spark_cluster(nodes, folder, encrypted=self._launch.encrypted)
            self._spark = spark
            spark.start()
        return self._spark

    def _end_machines(self) -> None:
        for machines in (self._spark, self._hub):
            if machines is not None:
                machines.stop()

    def _wait(self) -> None:
        self._stop.wait()

    def _release(self) -> None:
        if self._hub is not None:
            self._hub.shut_down()
        self._end_machines()
        if self._failure is not None:
            self._spared(self._failure)
        with self._lock:
            self._change(lifecycle.released(self._cluster, time.time()))

    def _logs(self, path: str) -> ProgramLogs:
        uri = self._launch.log_uri
        cluster = self._cluster.id
        return ProgramLogs(self._folder / cluster / path, None if uri is None else uri / f"{cluster}/{path}")


def _aged(cluster: Cluster, by: float) -> Cluster:
    """As it would show itself ``by`` so many seconds later, if that is any."""
    by, provisioned = max(0.0, by), cluster.provisioned_at
    return dataclasses.replace(
        cluster, created_at=cluster.created_at - by, provisioned_at=provisioned and provisioned - by
    )
