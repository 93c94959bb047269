"""Whether sound runs wait longer because others are broken: judged by what was free, not by how long. Pure.

To compare the waits of two load tests, with and without broken runs, would be to measure how busy the machine
was. So each pass of the reconciler is looked at by itself. A run whose turn it was, with a place and the
money for it both before the pass and after it, and which waits all the same, was passed over. That may happen
a few times, since passes break off for reasons of their own; more often, and something in front of the run
holds it up. What is held for long by a run that has no cluster counts as free: nobody needs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.contract.run import RunState
from lambdas.runs.run_service import CLOSING_SECONDS

if TYPE_CHECKING:
    from infra.local.chaos.invariants import Cluster, Run

PASSES_ALLOWED = 5
"""So often a run may be passed over. It came to two where a third of the runs were broken and there were two
places, and to 25 with a queue that stopped at a broken run; 3 passes of 97 broke off."""
IDLE_SECONDS = CLOSING_SECONDS
"""So long a run may hold its place without a cluster: while it is launched, or closed by somebody who may
have died over that."""
CENT = 0.01


@dataclass(frozen=True)
class Moment:
    """What the ledger said just before or after a pass. ``at``: Unix seconds."""

    at: float
    slots: Collection[str]
    """The runs that hold a place."""
    committed_eur: float
    """Of today."""
    left_alone: Collection[str] = ()
    """Queued runs that are not to be tried again yet, for what happened to themselves."""


@dataclass(frozen=True)
class Queue:
    """All runs with their clusters, what they may cost, and the stack's caps."""

    runs: Mapping[str, Run]
    clusters: Collection[Cluster]
    broken: Collection[str]
    """Runs that cannot start."""
    worst_case_eur: Mapping[str, float]
    max_clusters: int
    max_eur_per_day: float

    def turn(self, moment: Moment) -> tuple[str, float] | None:
        """The run that nothing but a pass was wanting for, and since when it was queued; None where the first
        one in the queue had to wait, or there was none."""
        queued = [
            (run.entered_at[0], run.run_id, since)
            for run in self.runs.values()
            if run.run_id not in moment.left_alone and run.run_id not in self.broken
            for state, since in run.changes(until=moment.at)[-1:]
            if state is RunState.QUEUED
        ]
        if not queued:
            return None
        _, first, since = min(queued)
        if first not in moment.slots:
            needed = sum(not self._is_idle(holder, moment.at) for holder in moment.slots)
            worst = self.worst_case_eur.get(first, 0.0)
            if needed >= self.max_clusters or moment.committed_eur + worst > self.max_eur_per_day - CENT:
                return None
        return first, since

    def _is_idle(self, holder: str, at: float) -> bool:
        """Whether the run holds its place for long already without a cluster."""
        own = [cluster for cluster in self.clusters if cluster.run_id == holder and cluster.began_at <= at]
        if any(cluster.ended_at is None or cluster.ended_at > at for cluster in own):
            return False
        changes = self.runs[holder].changes(until=at) if holder in self.runs else ()
        news = [*(since for _, since in changes), *(cluster.ended_at or 0.0 for cluster in own)]
        return max(news, default=at) < at - IDLE_SECONDS


def passed_over(
    passes: Iterable[tuple[float, float]], moments: Iterable[Moment], queue: Queue
) -> Counter[str]:
    """How often each run was passed over, by its id. ``passes``: beginnings and ends, in Unix seconds."""
    seen = sorted(moments, key=lambda moment: moment.at)
    turns = [(moment.at, queue.turn(moment)) for moment in seen]
    counts: Counter[str] = Counter()
    for began_at, ended_at in passes:
        before = next((turn for at, turn in reversed(turns) if at <= began_at), None)
        after = next((turn for at, turn in turns if at >= ended_at), None)
        if before is not None and before == after:
            counts[before[0]] += 1
    return counts
