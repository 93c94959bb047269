"""Which clusters may be afforded, and which are shown beside the one that was chosen."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from lambdas.contract.cost.estimate import MAX_WORKERS, Budget, limit_needed
from lambdas.contract.cost.prices import INSTANCE_TYPES
from lambdas.contract.plan import ClusterSpec
from lambdas.runs.cluster_choice import choose, job_of
from lambdas.runs.clusters_compared import FASTER_SHOWN, WORTH_SHOWING, Circumstances, is_affordable

from .test_cluster_choice import KNOWN, asked, chosen


def test_what_costs_just_as_much_as_is_allowed_is_affordable_and_a_cent_more_is_not() -> None:
    job = job_of(asked(None, workers=2), 90_483, "eu-west-1")
    assert job.worst_case_eur(120) == pytest.approx(1.5812, abs=1e-4)
    limit = limit_needed(job, 120)

    def affordable(limit: float, a_day: float) -> bool:
        return is_affordable(job, Budget(120, limit), dataclasses.replace(KNOWN, max_eur_per_day=a_day))

    assert affordable(limit, 1.58)
    assert not affordable(limit, 1.57)
    assert not affordable(limit - 0.01, 1.58)


def test_the_alternatives_stand_side_by_side_by_their_price() -> None:
    choice = chosen(20, images=90_483)
    shown = choice.alternatives
    assert choice.job in shown
    assert [job.eur for job in shown] == sorted(job.eur for job in shown)
    assert {job.spot for job in shown if job.workers == choice.job.workers} == {True, False}
    sooner = [job.minutes for job in shown if not job.spot]
    assert min(sooner) < choice.job.minutes * 0.9


def test_of_many_that_are_each_sooner_a_few_are_shown_from_the_cheapest_to_the_fastest() -> None:
    generous = {"max_cost_eur": 500, "max_runtime_minutes": 120}
    known = dataclasses.replace(KNOWN, max_eur_per_day=500.0)
    choice = choose(asked(120, limits=generous), 5_000_000, known)
    shown = [job for job in choice.alternatives if not job.spot]
    assert len(shown) == FASTER_SHOWN
    assert shown[0] == choice.job
    sooner = [earlier.minutes / later.minutes for earlier, later in itertools.pairwise(shown)]
    assert all(1 / WORTH_SHOWING < each < 2 for each in sooner)
    # No more and no larger machines would be a tenth sooner.
    most = dataclasses.replace(shown[-1], workers=MAX_WORKERS, instance_types=("m6i.4xlarge",))
    assert most.minutes > shown[-1].minutes * WORTH_SHOWING


def test_a_cluster_of_a_given_size_is_kept_beside_its_alternatives() -> None:
    choice = choose(asked(None, workers=3), 90_483, KNOWN)
    assert choice.cluster == ClusterSpec(3, ("m5.xlarge",), "on_demand")
    assert (choice.notes, choice.fault) == ((), None)
    assert any(job.eur < choice.job.eur for job in choice.alternatives)
    assert any(job.minutes < choice.job.minutes for job in choice.alternatives)


def test_no_alternative_is_shown_that_is_none() -> None:
    alone = choose(asked(None, workers=1), 90_483, KNOWN)  # one worker is bought on demand anyway
    assert {job.spot for job in alone.alternatives} == {False}
    poor = Circumstances("eu-west-1", 0.01, tuple(INSTANCE_TYPES))
    too_dear = choose(asked(None, workers=3), 90_483, poor)
    assert too_dear.alternatives == (too_dear.job,)
