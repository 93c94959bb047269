"""Records that were not understood, beside the clusters that EMR lists."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contract.run import Change, RunState, Setback
from lambdas.reconciler.repairs import Salvage, SetBack, StopOrphan
from lambdas.reconciler.unreadable import of_unreadable
from lambdas.runs.cluster_port import ClusterState
from lambdas.runs.ports import UnreadableRecord

from .test_repairs import CLUSTER, CREATED, GIVEN_UP, HOPELESS, RUNNING, in_state


def test_a_record_that_is_not_understood_ends_after_the_clusters_of_its_attempts_and_no_others() -> None:
    record = UnreadableRecord("why", dataclasses.replace(RUNNING, setback=HOPELESS), 7)
    names = {"j-1": "fruits-d-1", "j-2": "fruits-d-1-2", "j-3": "fruits-d-2", "j-4": "fruits-d"}
    clusters = [dataclasses.replace(CLUSTER, cluster_id=one, name=name) for one, name in names.items()]
    of_the_run = [StopOrphan("d-1", "j-1"), StopOrphan("d-1", "j-2")]
    assert of_unreadable([record], iter(clusters), CREATED) == of_the_run
    (salvage,) = of_unreadable([record], clusters[2:], CREATED)
    assert salvage == Salvage("d-1", record, GIVEN_UP)


def test_each_record_that_is_not_understood_is_dealt_with_as_far_as_it_is() -> None:
    def record(run_id: str, setback: Setback | None) -> UnreadableRecord:
        cluster_id = f"j-{run_id}"
        return UnreadableRecord(
            "why", dataclasses.replace(RUNNING, run_id=run_id, cluster_id=cluster_id, setback=setback), 7
        )

    waits = dataclasses.replace(HOPELESS, count=1)
    records = [record("waits", waits), record("new", None), record("ended", None), record("d-1", HOPELESS)]
    ended = in_state(ClusterState.TERMINATED, cluster_id="j-ended", name="fruits-ended")
    assert of_unreadable(records, [ended, CLUSTER], CREATED) == [
        SetBack("new", records[1], is_idle=False),
        SetBack("ended", records[2], is_idle=True),
        StopOrphan("d-1", "j-1"),
    ]


QUEUED_AGAIN = (
    Change(RunState.QUEUED, CREATED),
    Change(RunState.CLAIMED, CREATED),
    Change(RunState.LAUNCHED, CREATED, "j-1"),
    Change(RunState.QUEUED, CREATED),
)


@pytest.mark.parametrize(
    ("history", "clusters", "is_idle"),
    [
        (QUEUED_AGAIN, (), True),
        (QUEUED_AGAIN[:1], (), True),
        (QUEUED_AGAIN, (ClusterState.TERMINATED,), True),
        (QUEUED_AGAIN, (ClusterState.STARTING,), False),
        ((*QUEUED_AGAIN, Change(RunState.CLAIMED, CREATED), Change(RunState.QUEUED, CREATED)), (), False),
        # Its state could not be read, or nothing of what it went through.
        (QUEUED_AGAIN[:3], (), False),
        ((QUEUED_AGAIN[0], Change(RunState.CANCELLED, CREATED)), (), False),
        ((), (), False),
    ],
)
def test_a_queued_run_whose_record_is_not_understood_needs_no_place_unless_a_cluster_may_be_there(
    history: tuple[Change, ...], clusters: tuple[ClusterState, ...], is_idle: bool
) -> None:
    queued = dataclasses.replace(RUNNING, state=RunState.QUEUED, cluster_id=None, history=history)
    record = UnreadableRecord("why", queued, 7)
    listed = [in_state(state, cluster_id="j-2", name="fruits-d-1-2") for state in clusters]
    assert of_unreadable([record], listed, CREATED) == [SetBack("d-1", record, is_idle)]
