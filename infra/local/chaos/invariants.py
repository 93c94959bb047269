"""What must not be, counted from what EMR really had, the ledger and the bucket. Pure."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from infra.local.chaos.queueing import PASSES_ALLOWED, Moment, Queue, passed_over
from infra.local.cloud import REGION
from lambdas.contract.cost.estimate import BILLED_HOURS_MIN
from lambdas.contract.cost.prices import MINUTES_AN_HOUR, OVERRUN_MINUTES, eur_per_hour, worst_case_eur
from lambdas.contract.manifest.schema import Manifest
from lambdas.contract.run import TRANSITIONS, RunState, is_terminal
from lambdas.runs.clocks import SECONDS_A_MINUTE
from lambdas.runs.run_service import CLOSING_SECONDS

_Number = TypeVar("_Number", int, float)
CENT = 0.01
SECONDS_AN_HOUR = 3600
HELD_SECONDS = 2 * CLOSING_SECONDS
"""So long after its cluster's end a workbench may hold its place: whoever closed it may have been killed over
that, and the next one waits until that is certain."""


@dataclass(frozen=True)
class Run:
    """A run at the end: its states in order, the number of its last attempt, whether it is closed, and how
    long it waited for its first cluster (or for its end, without one)."""

    run_id: str
    states: tuple[RunState, ...]
    attempt: int
    closed: bool = True
    waited_seconds: float = 0.0
    entered_at: tuple[float, ...] = ()
    """When it entered each of its states, in Unix seconds."""
    untold: bool = False
    """Whether something has still to be told of its end."""
    not_told: bool = False
    """Whether the record says that its end could not be told."""

    def changes(self, until: float) -> list[tuple[RunState, float]]:
        """Its states up to that time, with when it entered each."""
        return [(state, at) for state, at in zip(self.states, self.entered_at, strict=True) if at <= until]


@dataclass(frozen=True)
class Cluster:
    """A cluster as EMR itself saw it. Times are Unix seconds; ``ended_at`` None: it lives.

    ``billed_seconds``: its age as EMR's API shows it, which is more where a step hung.
    """

    name: str
    run_id: str
    began_at: float
    ended_at: float | None
    billed_seconds: float


@dataclass(frozen=True)
class Evidence:
    """Everything to judge by."""

    accepted: Mapping[str, Manifest]
    """The manifests that are good, by the id of the run that they ask for."""
    rejected: Collection[str]
    """Keys whose last version is not."""
    rejections: Collection[str]
    """Keys for which there is a rejection file."""
    runs: Mapping[str, Run]
    clusters: tuple[Cluster, ...]
    """Of runs."""
    orphans: tuple[Cluster, ...]
    """Of the stack, and of none of its runs."""
    slots: Collection[str]
    """The runs that hold a place among the clusters."""
    late_repairs: int
    """What the last pass of the reconciler, long after the end, still found to repair."""
    failures: Mapping[str, int]
    """How often each failure took effect, by its description."""
    max_clusters: int
    max_eur_per_day: float
    poisoned: Collection[str] = ()
    """Runs that something was wrong with, and with them alone."""
    cancelled: Collection[str] = ()
    """Runs that a person has cancelled."""
    upgraded_at: float = 0.0
    """Since when no older release was at work: whom it kept waiting, or did not tell, is not counted."""
    unable_to_start: Collection[str] = ()
    """Those of them that cannot start."""
    told: Collection[str] = ()
    """Runs of whose end a message told."""
    passes: tuple[tuple[float, float], ...] = ()
    """When each pass of the reconciler began and ended, also those that broke off. Unix seconds."""
    moments: tuple[Moment, ...] = ()
    """What the ledger said at the beginning and the end of each pass."""
    workbenches: Mapping[str, int] = field(default_factory=dict)
    """The hours of all workbenches that were asked for, by the ids that they have if they become runs."""
    refused: Collection[str] = ()
    """Those of them that were refused at least once, because another one was open."""
    behind_door: int = 0
    """Machines that the door leads to."""
    passwords: int = 0
    """Passwords of workbenches that are kept."""


def waits(evidence: Evidence) -> dict[str, float]:
    """How long runs waited that nothing was wrong with: with and without poison, the same within noise."""
    waited = sorted(
        run.waited_seconds for run in evidence.runs.values() if run.run_id not in evidence.poisoned
    )
    if not waited:
        return {}
    return {"median": waited[len(waited) // 2], "p95": waited[len(waited) * 95 // 100], "longest": waited[-1]}


def times_passed_over(evidence: Evidence) -> Counter[str]:
    """How often each run waited on though nothing was in its way: :mod:`infra.local.chaos.queueing`."""
    queue = Queue(
        runs=evidence.runs,
        clusters=evidence.clusters,
        broken=evidence.unable_to_start,
        worst_case_eur={run_id: worst_case(manifest) for run_id, manifest in evidence.accepted.items()},
        max_clusters=evidence.max_clusters,
        max_eur_per_day=evidence.max_eur_per_day,
    )
    passes = [one for one in evidence.passes if one[0] >= evidence.upgraded_at]
    return passed_over(passes, evidence.moments, queue)


def count_violations(evidence: Evidence) -> dict[str, int]:
    """How often each invariant was violated, by its description."""
    runs, clusters = evidence.runs.values(), evidence.clusters
    names = Counter(cluster.name for cluster in clusters)
    alive_together = [
        (first, second)
        for group in _by_run(clusters).values()
        for first, second in itertools.pairwise(group)
        if first.ended_at is None or second.began_at < first.ended_at
    ]
    return {
        "second clusters of an attempt at a version": sum(number - 1 for number in names.values()),
        "versions with two clusters at once": len(alive_together),
        "clusters beyond the attempts recorded": sum(
            max(0, len(group) - (evidence.runs[run_id].attempt if run_id in evidence.runs else 0))
            for run_id, group in _by_run(clusters).items()
        ),
        "accepted versions without a run": len(evidence.accepted.keys() - evidence.runs.keys()),
        "runs of versions that were not accepted": len(evidence.runs.keys() - evidence.accepted.keys()),
        "runs without a terminal state": sum(not is_terminal(run.states[-1]) for run in runs),
        "completed runs without a cluster": len(
            {run.run_id for run in runs if run.states[-1] is RunState.COMPLETED} - _by_run(clusters).keys()
        ),
        "cancelled runs that ended otherwise": sum(
            run.run_id in evidence.cancelled and run.states[-1] is not RunState.CANCELLED for run in runs
        ),
        "rejected manifests without a rejection": len(set(evidence.rejected) - set(evidence.rejections)),
        "clusters alive at the end": sum(
            cluster.ended_at is None for cluster in (*clusters, *evidence.orphans)
        ),
        "slots held at the end": len(evidence.slots),
        "repairs still to do at the end": evidence.late_repairs,
        "moments with more clusters than the cap": sum(
            level > evidence.max_clusters for level in living(clusters)
        ),
        "moments with more euros committed than the cap": sum(
            level > evidence.max_eur_per_day + CENT for level in committed(clusters, evidence.accepted)
        ),
        "runs that spent more than max_cost_eur": sum(
            sum(spent(cluster, evidence.accepted[run_id], spot=False) for cluster in group) > limit
            for run_id, group in _by_run(clusters).items()
            if run_id in evidence.accepted
            for limit in [evidence.accepted[run_id].limits.max_cost_eur]
        ),
        "runs that waited because another was broken": sum(
            times > PASSES_ALLOWED for times in times_passed_over(evidence).values()
        ),
        "ended runs that were not told of": sum(run.untold for run in runs),
        "messages that were wanted and never sent": len(
            {run.run_id for run in runs if _ended_since(run, evidence.upgraded_at) and not run.not_told}
            & {run_id for run_id, manifest in evidence.accepted.items() if manifest.notify} - {*evidence.told}
        ),
        "illegal ledger transitions": sum(
            after not in TRANSITIONS[before]
            for run in runs
            for before, after in itertools.pairwise(run.states)
        ),
        **_of_workbenches(evidence),
        "failures that never happened": sum(number == 0 for number in evidence.failures.values()),
    }


def _of_workbenches(evidence: Evidence) -> dict[str, int]:
    groups = {run: group for run, group in _by_run(evidence.clusters).items() if run in evidence.workbenches}
    ends = {run: max(one.ended_at or math.inf for one in group) for run, group in groups.items()}
    return {
        "workbenches open beside another": overlapping(
            (one.began_at, one.ended_at or math.inf) for group in groups.values() for one in group
        ),
        "workbenches that outlived their hours": sum(
            sum(one.billed_seconds for one in group)
            > (evidence.workbenches[run] * MINUTES_AN_HOUR + OVERRUN_MINUTES) * SECONDS_A_MINUTE
            for run, group in groups.items()
        ),
        "workbenches that held a place after their end": sum(
            any(run in moment.slots and moment.at > end + HELD_SECONDS for moment in evidence.moments)
            for run, end in ends.items()
        ),
        "workbenches that were neither taken nor refused": len(
            evidence.workbenches.keys() - evidence.runs.keys() - set(evidence.refused)
        ),
        "ways in that are open at the end": evidence.behind_door,
        "passwords kept at the end": evidence.passwords,
    }


def _ended_since(run: Run, time: float) -> bool:
    return is_terminal(run.states[-1]) and (not run.entered_at or run.entered_at[-1] >= time)


def living(clusters: Iterable[Cluster]) -> list[int]:
    """The number of clusters after each beginning and end of one."""
    changes = [(cluster.began_at, 1) for cluster in clusters]
    changes += [(cluster.ended_at, -1) for cluster in clusters if cluster.ended_at is not None]
    return _levels(changes)


def committed(clusters: Iterable[Cluster], accepted: Mapping[str, Manifest]) -> list[float]:
    """The euros of the day after each beginning and end of a cluster: the worst case of every run that has
    one, and what the others used, at their market's price. A run counts on the day (UTC) of its first
    cluster."""
    days: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for run_id, group in _by_run(clusters).items():
        if run_id not in accepted:
            continue
        day = datetime.fromtimestamp(group[0].began_at, UTC).date().isoformat()
        worst, used = worst_case(accepted[run_id]), 0.0
        spot = accepted[run_id].cluster.market == "spot"
        for cluster in group:
            days[day].append((cluster.began_at, worst - used))
            if cluster.ended_at is not None:
                used += spent(cluster, accepted[run_id], spot=spot)
                days[day].append((cluster.ended_at, used - worst))
    return [level for changes in days.values() for level in _levels(changes)]


def worst_case(manifest: Manifest) -> float:
    """The most that the run may cost, to the cent, as admission counts it."""
    cluster, minutes = manifest.cluster, manifest.limits.max_runtime_minutes
    return round(worst_case_eur(cluster.instance_types, cluster.workers, minutes, REGION), 2)


def spent(cluster: Cluster, manifest: Manifest, *, spot: bool) -> float:
    """What the cluster cost by list prices, with its workers bought on that market."""
    price = eur_per_hour(manifest.cluster.instance_types, manifest.cluster.workers, REGION, spot=spot)
    return price * max(cluster.billed_seconds / SECONDS_AN_HOUR, BILLED_HOURS_MIN)


def overlapping(spans: Iterable[tuple[float, float]]) -> int:
    """How many of the spans of time began while an earlier one went on."""
    begun = sorted(spans)
    ends = itertools.accumulate((end for _, end in begun), max)
    return sum(start < end for (start, _), end in zip(begun[1:], ends, strict=False))


def _by_run(clusters: Iterable[Cluster]) -> dict[str, list[Cluster]]:
    """Each run's clusters in the order of their beginning."""
    groups: dict[str, list[Cluster]] = defaultdict(list)
    for cluster in sorted(clusters, key=lambda cluster: cluster.began_at):
        groups[cluster.run_id].append(cluster)
    return groups


def _levels(changes: list[tuple[float, _Number]]) -> list[_Number]:
    # At the same moment, ends (negative) come before beginnings.
    return list(itertools.accumulate(change for _, change in sorted(changes)))
