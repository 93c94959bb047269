"""What must not be, counted from the ledger, EMR's clusters and the bucket. Pure."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from infra.local.cloud import REGION
from lambdas.contract.manifest import Manifest
from lambdas.contract.prices import eur_per_hour, worst_case_eur
from lambdas.contract.run import TRANSITIONS, RunState, is_terminal

CENT = 0.01
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class Run:
    """A run at the end: its states in order, and the number of its last attempt."""

    run_id: str
    states: tuple[RunState, ...]
    attempt: int


@dataclass(frozen=True)
class Cluster:
    """A cluster of this stack at the end. Times are Unix seconds; ``ended_at`` None: it lives."""

    name: str
    run_id: str
    created_at: float
    ended_at: float | None


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
    max_clusters: int
    max_eur_per_day: float


def count_violations(evidence: Evidence) -> dict[str, int]:
    """How often each invariant was violated, by its description."""
    runs, clusters = evidence.runs.values(), evidence.clusters
    names = Counter(cluster.name for cluster in clusters)
    alive_together = [
        (first, second)
        for _, group in itertools.groupby(sorted(clusters, key=_by_run), key=lambda cluster: cluster.run_id)
        for first, second in itertools.pairwise(group)
        if first.ended_at is None or second.created_at < first.ended_at
    ]
    prices = {run_id: _worst_case(manifest) for run_id, manifest in evidence.accepted.items()}
    return {
        "second clusters of an attempt at a version": sum(number - 1 for number in names.values()),
        "versions with two clusters at once": len(alive_together),
        "clusters beyond the attempts recorded": sum(
            max(0, number - (evidence.runs[run_id].attempt if run_id in evidence.runs else 0))
            for run_id, number in Counter(cluster.run_id for cluster in clusters).items()
        ),
        "accepted versions without a run": len(evidence.accepted.keys() - evidence.runs.keys()),
        "runs of versions that were not accepted": len(evidence.runs.keys() - evidence.accepted.keys()),
        "runs without a terminal state": sum(not is_terminal(run.states[-1]) for run in runs),
        "completed runs without a cluster": sum(
            run.states[-1] is RunState.COMPLETED and not _has_cluster(run, clusters) for run in runs
        ),
        "rejected manifests without a rejection": len(set(evidence.rejected) - set(evidence.rejections)),
        "clusters alive at the end": sum(
            cluster.ended_at is None for cluster in (*clusters, *evidence.orphans)
        ),
        "moments with more clusters than the cap": _exceeded(
            [(cluster, 1.0) for cluster in clusters], evidence.max_clusters
        ),
        "moments with more euros committed than the cap": _exceeded(
            [(cluster, prices.get(cluster.run_id, 0.0)) for cluster in clusters], evidence.max_eur_per_day
        ),
        "runs that spent more than max_cost_eur": sum(
            _spent(manifest, [c for c in clusters if c.run_id == run_id]) > manifest.limits.max_cost_eur
            for run_id, manifest in evidence.accepted.items()
        ),
        "illegal ledger transitions": sum(
            after not in TRANSITIONS[before]
            for run in runs
            for before, after in itertools.pairwise(run.states)
        ),
    }


def peak(clusters: Iterable[Cluster]) -> int:
    """The most clusters at any moment."""
    levels = itertools.accumulate(change for _, change in _changes([(cluster, 1.0) for cluster in clusters]))
    return int(max(levels, default=0))


def _by_run(cluster: Cluster) -> tuple[str, float]:
    return cluster.run_id, cluster.created_at


def _has_cluster(run: Run, clusters: Iterable[Cluster]) -> bool:
    return any(cluster.run_id == run.run_id for cluster in clusters)


def _changes(weighted: list[tuple[Cluster, float]]) -> list[tuple[float, float]]:
    starts = [(cluster.created_at, weight) for cluster, weight in weighted]
    ends = [(cluster.ended_at, -weight) for cluster, weight in weighted if cluster.ended_at is not None]
    return sorted([*starts, *ends])  # at the same moment, ends (negative) come before starts


def _exceeded(weighted: list[tuple[Cluster, float]], cap: float) -> int:
    levels = itertools.accumulate(change for _, change in _changes(weighted))
    return sum(level > cap + CENT for level in levels)


def _worst_case(manifest: Manifest) -> float:
    cluster, minutes = manifest.cluster, manifest.limits.max_runtime_minutes
    # To the cent, as admission counts it.
    return round(worst_case_eur(cluster.instance_types, cluster.workers, minutes, REGION), 2)


def _spent(manifest: Manifest, clusters: Iterable[Cluster]) -> float:
    price = eur_per_hour(manifest.cluster.instance_types, manifest.cluster.workers, REGION)
    seconds = sum((c.ended_at or c.created_at) - c.created_at for c in clusters)
    return price * seconds / SECONDS_AN_HOUR
