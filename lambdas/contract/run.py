"""A run: one manifest version's execution, its identity, its record and its legal transitions."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lambdas.contract.layout import RunLayout

RECORD_VERSION = 1
"""The major version of a record's schema, see :mod:`lambdas.contract.documents`. Newer minor versions add
attributes of the record itself, never inside others: those that this code does not know are kept."""
RUN_ID_HASH_LENGTH = 12
MAX_DATASET_LENGTH = 63
MAX_RUN_ID_LENGTH = MAX_DATASET_LENGTH + 1 + RUN_ID_HASH_LENGTH
"""Of a dataset's run; those of workbenches are shorter."""
SEQUENCER_LENGTH = 32
"""Longer than any sequencer that S3 sends."""
RUN_TAG = "fruits:run_id"
"""The cluster tag that names the run."""
LEDGER_TAG = "fruits:ledger"
"""The cluster tag that names the ledger table: which of several stacks in an account the cluster is of."""
EMR_TAG = "for-use-with-amazon-emr-managed-policies"
"""AmazonEMRServicePolicy_v2 lets EMR touch only what has this tag, with the value ``true``."""


class RunState(StrEnum):
    """Where a run is. The last three are terminal."""

    QUEUED = "QUEUED"
    """Accepted; waits for its turn, or for another attempt."""
    CLAIMED = "CLAIMED"
    """Somebody is launching its cluster right now."""
    LAUNCHED = "LAUNCHED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


_ENDS = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED})

TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    # LAUNCHED: the cluster of a launch in doubt turned up after all.
    RunState.QUEUED: frozenset({RunState.CLAIMED, RunState.LAUNCHED, RunState.FAILED, RunState.CANCELLED}),
    RunState.CLAIMED: frozenset({RunState.LAUNCHED, RunState.QUEUED, RunState.FAILED, RunState.CANCELLED}),
    # Events are best effort and unordered: the end may be heard of before the start.
    # QUEUED: another attempt, after a failure that passes.
    RunState.LAUNCHED: frozenset({RunState.RUNNING, RunState.QUEUED, *_ENDS}),
    RunState.RUNNING: frozenset({RunState.QUEUED, *_ENDS}),
    RunState.COMPLETED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELLED: frozenset(),
}

ON_CLUSTER = frozenset({RunState.LAUNCHED, RunState.RUNNING})
"""The states in which a run has a cluster."""
NOT_LAUNCHED = frozenset({RunState.QUEUED, RunState.CLAIMED})
"""The states before."""


class FailureKind(StrEnum):
    """Whose move it is when a run did not complete."""

    USER = "user"
    """Something in the manifest or its images, or the user's wish."""
    DATA = "data"
    """The images themselves."""
    CAPACITY = "capacity"
    """AWS had too few machines of the wanted types."""
    AWS = "aws"
    """A fault or limit of AWS that passes."""
    CONFIG = "config"
    """The stack's configuration or the account: roles, subnets, quotas."""
    OURS = "ours"
    """The packages or the code."""


@dataclass(frozen=True)
class Ending:
    """Why a run ended, for people. ``reason`` is a short code.

    ``kind`` is a :class:`FailureKind` (or what a step's report says), None when nothing failed.
    """

    reason: str
    message: str
    remedy: str | None = None
    kind: str | None = None


class IllegalTransitionError(RuntimeError):
    """The ledger has no such transition: a bug in the caller, nothing was written."""


def is_terminal(state: RunState) -> bool:
    return not TRANSITIONS[state]


WORKBENCH_PREFIX = "workbench."
"""How the ids of workbenches begin. No dataset's name has a dot, so no other run's id begins so."""


def is_workbench(run: str) -> bool:
    """Whether the run of this id is a workbench, and not of a dataset."""
    return run.startswith(WORKBENCH_PREFIX)


def workbench_name(run: str) -> str:
    """``workbench.explore-0123456789ab`` -> ``explore``."""
    return run.removeprefix(WORKBENCH_PREFIX).rpartition("-")[0]


def run_id(dataset: str, bucket: str, key: str, version_id: str) -> str:
    """The identity of a run: a pure function of the manifest's object version.

    A redelivered event therefore names the same run, and a new version of a manifest a new one. The
    dataset in front is for people.
    """
    digest = hashlib.sha256("\n".join((bucket, key, version_id)).encode()).hexdigest()
    return f"{dataset}-{digest[:RUN_ID_HASH_LENGTH]}"


CLUSTER_PREFIX = "fruits-"


def cluster_name(run: str, attempt: int = 1) -> str:
    """The deterministic EMR cluster name by which a launch in doubt is looked up and adopted."""
    return f"{CLUSTER_PREFIX}{run}" if attempt == 1 else f"{CLUSTER_PREFIX}{run}-{attempt}"


@dataclass(frozen=True)
class Change:
    """The run entered ``state`` ``at`` that time (Unix seconds); ``cluster_id`` where it got a cluster."""

    state: RunState
    at: float
    cluster_id: str | None = None


class Telling(StrEnum):
    """What people and dashboards learn of a run's end, in this order."""

    STATUS = "status"
    METRICS = "metrics"
    MESSAGE = "message"


@dataclass(frozen=True)
class Setback:
    """Dealing with the run failed ``count`` times in a row, the last time of ``reason``.

    Nobody tries again before ``not_before`` (Unix seconds). ``lasting``: what was read was not understood, so
    that only another release of the code, or of the object, can help.
    """

    count: int
    reason: str
    not_before: float
    lasting: bool = False


@dataclass(frozen=True)
class ClusterPhases:
    """When a cluster got where, as EMR has it (Unix seconds). None: not, or it is not known."""

    asked: float
    """EMR took the order."""
    provisioned: float | None = None
    """The last of the machines that it began with was there."""
    bootstrapped: float | None = None
    """They were ready to run steps."""
    step_started: float | None = None
    """The first step began."""


@dataclass(frozen=True)
class RunRecord:
    """One row of the ledger. Times are Unix seconds; what is not known yet is None.

    Values of this class are written by compare-and-swap on ``revision`` (:class:`lambdas.runs.ports.Ledger`),
    and move from state to state by :func:`moved` alone.
    """

    run_id: str
    dataset: str
    """Of a workbench: its name."""
    state: RunState
    manifest_bucket: str
    manifest_key: str
    manifest_version_id: str
    sequencer: str
    """Orders the versions of one key, see :func:`ordered`."""
    accepted_at: float
    """The queue's order."""
    max_runtime_minutes: int
    worst_case_eur: float
    """The most that the run costs if it uses all of its time."""
    stop_when_deleted: bool
    """Whether the run's cluster is stopped when the manifest is deleted."""
    attempt: int = 1
    """Counts clusters: another attempt has a cluster of its own."""
    earlier_seconds: float = 0.0
    """Cluster time that earlier attempts used; it counts against ``max_runtime_minutes``."""
    instance_hours: float | None = None
    actual_eur: float | None = None
    """What the clusters that ended used, and its price by list prices; None while there is none or it is not
    known."""
    lease_until: float | None = None
    """How long a claim may be presumed alive: before it nobody else touches the run; after it the launch is
    looked up and finished, or undone. Of a closed run: the same for whoever tells of its end."""
    cluster_id: str | None = None
    phases: ClusterPhases | None = None
    """How far its cluster came, once a step has begun or the cluster has ended."""
    stopping: RunState | None = None
    """The terminal state that the stop of the cluster leads to, when we are stopping it ourselves."""
    reason: str | None = None
    kind: str | None = None
    message: str | None = None
    remedy: str | None = None
    """These four are the :class:`Ending`'s: of the run, of its last attempt, or of the stop under way."""
    closed: bool = False
    """The run has ended and its slot is free; the record is final but for the next two."""
    untold: tuple[Telling, ...] = ()
    """What has still to be told of the end of a closed run. The run is active until there is nothing."""
    setback: Setback | None = None
    """Why the run is left alone for a while."""
    idle_minutes: int | None = None
    """Of a workbench: it is stopped when no kernel was busy for so long."""
    door: str | None = None
    """Of a workbench: the private address to which the stack's door leads, or may; None when it does not."""
    history: tuple[Change, ...] = ()
    revision: int = 0
    version: int = RECORD_VERSION
    unknown: Mapping[str, Any] = field(default_factory=dict)
    """What a newer version wrote into the record: kept as it is."""

    @property
    def cluster_name(self) -> str:
        """The name of the present attempt's cluster."""
        return cluster_name(self.run_id, self.attempt)

    @property
    def layout(self) -> RunLayout:
        """The names of the run's objects."""
        return RunLayout(self.dataset, self.run_id)

    @property
    def active(self) -> bool:
        """Whether there is still something to do for the run."""
        return not self.closed or bool(self.untold)

    @property
    def changed_at(self) -> float:
        """When the run entered its state."""
        return self.history[-1].at if self.history else self.accepted_at


def moved(record: RunRecord, state: RunState, now: float, **changes: Any) -> RunRecord:
    """``record`` in another state; ``changes`` are further fields.

    Raises:
        IllegalTransitionError: :data:`TRANSITIONS` has no such transition.
    """
    if state not in TRANSITIONS[record.state]:
        raise IllegalTransitionError(f"run {record.run_id} cannot go from {record.state} to {state}")
    # What was said of the old state (why it waited, what an attempt failed of) does not hold in the new one.
    kept = record.stopping is not None
    unsaid = {} if kept else {field.name: None for field in dataclasses.fields(Ending)}
    history = (*record.history, Change(state, now, changes.get("cluster_id")))
    # A claim alone is no progress: a launch that fails each time has to be seen to do so.
    setback = record.setback if {record.state, state} <= NOT_LAUNCHED else None
    entered = {"state": state, "history": history, "lease_until": None, "setback": setback}
    return dataclasses.replace(record, **{**unsaid, **entered, **changes})


def ended(record: RunRecord, state: RunState, ending: Ending, now: float) -> RunRecord:
    """``record`` in a terminal state, with the reason."""
    return moved(record, state, now, **dataclasses.asdict(ending))


def stopping(record: RunRecord, state: RunState, ending: Ending) -> RunRecord:
    """``record`` with its cluster about to be stopped, and why: the cluster's end leads to ``state``."""
    return dataclasses.replace(record, stopping=state, **dataclasses.asdict(ending))


def ordered(sequencer: str) -> str:
    """S3's event sequencer in a form that compares as text.

    Source: "Event message structure" in the Amazon S3 User Guide: pad on the right with zeros, then compare.
    """
    return sequencer.upper().ljust(SEQUENCER_LENGTH, "0")
