"""The lifecycle of an EMR cluster and its steps: pure functions from one state to the next.

Source: "Understanding the cluster lifecycle" in the Amazon EMR Management Guide, and the API
reference of ``ClusterStateChangeReason``, ``ActionOnFailure`` and ``SetTerminationProtection``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto


class ClusterState(StrEnum):
    STARTING = "STARTING"
    BOOTSTRAPPING = "BOOTSTRAPPING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    TERMINATED_WITH_ERRORS = "TERMINATED_WITH_ERRORS"


class StepState(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    INTERRUPTED = "INTERRUPTED"


class ReasonCode(StrEnum):
    """Why a cluster ended (``ClusterStateChangeReasonCode``)."""

    ALL_STEPS_COMPLETED = "ALL_STEPS_COMPLETED"
    STEP_FAILURE = "STEP_FAILURE"
    BOOTSTRAP_FAILURE = "BOOTSTRAP_FAILURE"
    USER_REQUEST = "USER_REQUEST"
    VALIDATION_ERROR = "VALIDATION_ERROR"
    INSTANCE_FLEET_TIMEOUT = "INSTANCE_FLEET_TIMEOUT"
    INTERNAL_ERROR = "INTERNAL_ERROR"


class ActionOnFailure(StrEnum):
    TERMINATE_CLUSTER = "TERMINATE_CLUSTER"
    TERMINATE_JOB_FLOW = "TERMINATE_JOB_FLOW"
    """The old name of ``TERMINATE_CLUSTER``, still accepted."""
    CANCEL_AND_WAIT = "CANCEL_AND_WAIT"
    CONTINUE = "CONTINUE"


class Action(Enum):
    """What the cluster's thread has to do next."""

    PROVISION = auto()
    BOOTSTRAP = auto()
    RUN_STEP = auto()
    WAIT = auto()
    RELEASE = auto()


TRANSITIONS: dict[ClusterState, frozenset[ClusterState]] = {
    ClusterState.STARTING: frozenset({ClusterState.BOOTSTRAPPING, ClusterState.TERMINATING}),
    ClusterState.BOOTSTRAPPING: frozenset(
        {ClusterState.RUNNING, ClusterState.WAITING, ClusterState.TERMINATING}
    ),
    ClusterState.RUNNING: frozenset({ClusterState.WAITING, ClusterState.TERMINATING}),
    ClusterState.WAITING: frozenset({ClusterState.TERMINATING}),
    ClusterState.TERMINATING: frozenset({ClusterState.TERMINATED, ClusterState.TERMINATED_WITH_ERRORS}),
    ClusterState.TERMINATED: frozenset(),
    ClusterState.TERMINATED_WITH_ERRORS: frozenset(),
}

_NEXT_ACTION: dict[ClusterState, Action] = {
    ClusterState.STARTING: Action.PROVISION,
    ClusterState.BOOTSTRAPPING: Action.BOOTSTRAP,
    ClusterState.RUNNING: Action.RUN_STEP,
    ClusterState.WAITING: Action.WAIT,
    ClusterState.TERMINATING: Action.RELEASE,
}
_ORDERLY = frozenset({ReasonCode.ALL_STEPS_COMPLETED, ReasonCode.USER_REQUEST})


class IllegalTransition(RuntimeError):  # noqa: N818  # named for what happened, not an error of a user
    """The lifecycle has no such transition: a bug in the caller."""


@dataclass(frozen=True)
class Reason:
    code: ReasonCode
    message: str


@dataclass(frozen=True)
class StepFailure:
    """``FailureDetails``: ``log_file`` is an ``s3://`` URI, None where the cluster keeps no logs."""

    reason: str
    message: str | None = None
    log_file: str | None = None


@dataclass(frozen=True)
class Step:
    """One step. Times are Unix seconds."""

    id: str
    name: str
    action_on_failure: ActionOnFailure
    created_at: float
    state: StepState = StepState.PENDING
    started_at: float | None = None
    ended_at: float | None = None
    failure: StepFailure | None = None


@dataclass(frozen=True)
class Fleet:
    """One instance fleet as it was asked for. ``type``: MASTER, CORE or TASK; capacities in units."""

    id: str
    type: str
    on_demand: int
    spot: int


@dataclass(frozen=True)
class Cluster:
    """One cluster with its steps in the order of the request. Times are Unix seconds.

    ``keep_alive`` is ``KeepJobFlowAliveWhenNoSteps``; ``reason`` is set once, when it starts to end.
    """

    id: str
    name: str
    created_at: float
    steps: tuple[Step, ...]
    fleets: tuple[Fleet, ...] = ()
    keep_alive: bool = False
    termination_protected: bool = False
    state: ClusterState = ClusterState.STARTING
    reason: Reason | None = None
    provisioned_at: float | None = None
    ready_at: float | None = None
    ended_at: float | None = None

    @property
    def is_terminal(self) -> bool:
        return not TRANSITIONS[self.state]

    @property
    def is_ending(self) -> bool:
        """On its way out, or gone: nothing can stop that any more."""
        return self.reason is not None

    @property
    def next_step(self) -> Step | None:
        return next((step for step in self.steps if step.state is StepState.PENDING), None)


def next_action(cluster: Cluster) -> Action | None:
    """What has to be done for the cluster now; None when it has ended."""
    return _NEXT_ACTION.get(cluster.state)


def provisioned(cluster: Cluster, now: float) -> Cluster:
    """The instances are there: bootstrap actions may run."""
    return replace(_to(cluster, ClusterState.BOOTSTRAPPING), provisioned_at=now)


def bootstrapped(cluster: Cluster, now: float) -> Cluster:
    """The software is installed: steps may run."""
    if cluster.next_step is None:
        return _after_last_step(replace(cluster, ready_at=now), now)
    return replace(_to(cluster, ClusterState.RUNNING), ready_at=now)


def step_started(cluster: Cluster, now: float) -> Cluster:
    """The first pending step begins.

    Raises:
        IllegalTransition: the cluster is not running, has no pending step, or one is running already.
    """
    step = cluster.next_step
    running = any(step.state is StepState.RUNNING for step in cluster.steps)
    if cluster.state is not ClusterState.RUNNING or step is None or running:
        raise IllegalTransition(f"no step can start in cluster {cluster.id} ({cluster.state})")
    return _with_step(cluster, replace(step, state=StepState.RUNNING, started_at=now))


def step_ended(cluster: Cluster, failure: StepFailure | None, now: float) -> Cluster:
    """The running step has ended; what happens to the rest is the step's ``ActionOnFailure``.

    Raises:
        IllegalTransition: no step is running.
    """
    step = next((step for step in cluster.steps if step.state is StepState.RUNNING), None)
    if step is None:
        raise IllegalTransition(f"no step is running in cluster {cluster.id} ({cluster.state})")
    state = StepState.COMPLETED if failure is None else StepState.FAILED
    cluster = _with_step(cluster, replace(step, state=state, ended_at=now, failure=failure))
    if failure is not None and step.action_on_failure is not ActionOnFailure.CONTINUE:
        stays = cluster.keep_alive and step.action_on_failure is ActionOnFailure.CANCEL_AND_WAIT
        # Termination protection also holds "in the event of a job flow error" (SetTerminationProtection),
        # so that a person can look at what is left of the step.
        if stays or cluster.termination_protected:
            return _to(_without_open_steps(cluster, now), ClusterState.WAITING)
        return shut_down(cluster, Reason(ReasonCode.STEP_FAILURE, "Shut down as step failed"), now)
    return cluster if cluster.next_step else _after_last_step(cluster, now)


def shut_down(cluster: Cluster, reason: Reason, now: float) -> Cluster:
    """Begin to end the cluster: a running step is interrupted, pending ones are cancelled.

    Raises:
        IllegalTransition: it is ending already.
    """
    return replace(_to(_without_open_steps(cluster, now), ClusterState.TERMINATING), reason=reason)


def released(cluster: Cluster, now: float) -> Cluster:
    """The instances are gone."""
    orderly = cluster.reason is not None and cluster.reason.code in _ORDERLY
    state = ClusterState.TERMINATED if orderly else ClusterState.TERMINATED_WITH_ERRORS
    return replace(_to(cluster, state), ended_at=now)


def _after_last_step(cluster: Cluster, now: float) -> Cluster:
    if cluster.keep_alive:
        return _to(cluster, ClusterState.WAITING)
    failed = any(step.state is StepState.FAILED for step in cluster.steps)
    message = "Steps completed with errors" if failed else "Steps completed"
    return shut_down(cluster, Reason(ReasonCode.ALL_STEPS_COMPLETED, message), now)


def _without_open_steps(cluster: Cluster, now: float) -> Cluster:
    closed = {StepState.PENDING: StepState.CANCELLED, StepState.RUNNING: StepState.INTERRUPTED}
    steps = (
        replace(step, state=closed[step.state], ended_at=now) if step.state in closed else step
        for step in cluster.steps
    )
    return replace(cluster, steps=tuple(steps))


def _with_step(cluster: Cluster, changed: Step) -> Cluster:
    return replace(cluster, steps=tuple(changed if step.id == changed.id else step for step in cluster.steps))


def _to(cluster: Cluster, state: ClusterState) -> Cluster:
    if state not in TRANSITIONS[cluster.state]:
        raise IllegalTransition(f"cluster {cluster.id} cannot go from {cluster.state} to {state}")
    return replace(cluster, state=state)
