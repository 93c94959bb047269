"""What to let go wrong, scripted: the n-th launch, cluster or event takes the n-th entry of its script.

A cluster that ends before its failure took effect leaves it to the next one. After a script's end all is
well. A script is plain data, so a test can write it down or draw it from a seed. What came of it is seen by
:class:`infra.local.emr.recorder.Recorder`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto


class LaunchFailure(Enum):
    """What happens to a RunJobFlow call."""

    THROTTLED = auto()
    THROTTLED_BUT_CREATED = auto()
    """The caller is refused, and the cluster exists all the same: EMR is known to do so."""
    ANSWER_LOST = auto()
    """The cluster exists, and the connection breaks before the answer."""
    CALLER_KILLED_BEFORE = auto()
    """The calling process is killed before there is a cluster."""
    CALLER_KILLED_AFTER = auto()
    """The calling process is killed when there is a cluster, before it hears of it."""


class ClusterFailure(Enum):
    """What happens to a cluster."""

    SLOW_START = auto()
    SPOT_TIMEOUT = auto()
    """Neither Spot nor on-demand machines are to be had in time."""
    BOOTSTRAP_FAILURE = auto()
    STEP_FAILURE = auto()
    """Its first step fails without having run."""
    HUNG_STEP = auto()
    """Its first step never ends. The cluster shows itself ``hung_seconds`` older then, so that nobody has to
    wait until it is overdue."""


class EventFailure(Enum):
    """What happens to a state event, which EMR delivers at best effort."""

    LOST = auto()
    DUPLICATED = auto()


Failure = LaunchFailure | ClusterFailure | EventFailure


@dataclass(frozen=True)
class InjectedFailures:
    """The scripts (None: all is well), and how long the stages of a cluster take.

    ``instant_steps`` lets steps complete without running anything, for tests of the control plane.
    """

    launches: tuple[LaunchFailure | None, ...] = ()
    clusters: tuple[ClusterFailure | None, ...] = ()
    events: tuple[EventFailure | None, ...] = ()
    types_not_offered: frozenset[str] = frozenset()
    """Instance types that EMR does not have here."""
    instant_steps: bool = False
    on_instant_step: Callable[[Sequence[str]], None] | None = None
    """What an instant step does instead of running: given the arguments of its program. None: nothing."""
    starting_seconds: float = 0.3
    slow_starting_seconds: float = 5.0
    bootstrapping_seconds: float = 0.2
    hung_seconds: float = 3600.0
