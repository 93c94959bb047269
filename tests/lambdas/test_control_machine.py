"""Whatever happens, each pass deals with the sound runs as if they were alone, and nothing is left over in
the end: also where what is wrong with some of them is never mended.

The use cases run on fakes, so every decision that they take from records, clusters, time and limits is the
real one; EMR and the network do what the machine likes (:mod:`tests.lambdas.happenings`).
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from lambdas.contract.metrics import RUNS, Sample
from lambdas.contract.run import ON_CLUSTER, TRANSITIONS, RunRecord, RunState, Setback, is_terminal
from lambdas.reconciler.reconcile import Reconciliation
from lambdas.runs.attempts import was_claimed_before
from lambdas.runs.cluster_port import ClusterState, StepState
from lambdas.runs.setbacks import LIMIT

from .happenings import CAP, ENDS, Happenings

LIMIT_SECONDS = 120 * 60
"""The manifests' max_runtime_minutes, as it is by default."""


class ControlPlane(Happenings):
    """The control plane in such a world."""

    def __init__(self) -> None:
        super().__init__()
        self.mended_at_last = True
        self.ends: dict[str, RunState] = {}
        self.setbacks: dict[str, Setback] = {}
        self.told_early: list[str] = []
        self.overhear()

    @initialize(mended_at_last=st.booleans())
    def choose_how_it_ends(self, mended_at_last: bool) -> None:
        self.mended_at_last = mended_at_last

    def overhear(self) -> None:
        """What is told of an end is noted if that end is not final yet."""
        publish, emit = self.world.topic.publish, self.world.meter.emit

        def published(subject: str, message: str) -> None:
            run = subject.rpartition(" ")[2]
            if not self.world.ledger.records[run].closed or run in self.world.ledger.shared.slots:
                self.told_early.append(subject)
            publish(subject, message)

        def emitted(samples: Iterable[Sample]) -> None:
            emit(samples)
            closed = sum(record.closed for record in self.world.ledger.records.values())
            if self.runs_measured() > closed:
                self.told_early.append(f"{self.runs_measured()} ends measured of {closed}")

        self.world.topic.publish, self.world.meter.emit = published, emitted  # type: ignore[method-assign]

    def runs_measured(self) -> int:
        return sum(sample.metric == RUNS for sample in self.world.meter.samples)

    @rule()
    def reconcile(self) -> None:
        known = {
            record.cluster_id
            for record in self.world.ledger.records.values()
            if record.run_id not in self.world.ledger.garbled
        }
        late = [
            cluster.cluster_id
            for cluster in self.world.clusters.clusters.values()
            if cluster.cluster_id in known and cluster.seconds(self.world.time) > LIMIT_SECONDS
        ]
        sound = [record for record in self.world.ledger.records.values() if self.is_sound(record)]
        over = list(filter(self.is_over, sound))
        with contextlib.suppress(KeyboardInterrupt):
            done = self.world.reconcile()
            self.were_dealt_with(sound, over, done)
        assert not [cluster_id for cluster_id in late if self.world.clusters.clusters[cluster_id].lives]

    def is_sound(self, record: RunRecord) -> bool:
        """Whether nothing is wrong with the run, nor was when it was dealt with last."""
        silent = [self.world.clusters.clusters[name].name for name in self.world.clusters.unanswered]
        return (
            record.run_id not in self.world.ledger.garbled.keys() | self.spoilt
            and not self.is_closed_to_us(record)
            and record.cluster_name not in silent
            and record.setback is None
        )

    def is_closed_to_us(self, record: RunRecord) -> bool:
        return self.world.objects.closed == f"runs/{record.run_id}/"

    def is_over(self, record: RunRecord) -> bool:
        """Whether the run's cluster has ended, and EMR's list shows it."""
        cluster = self.world.clusters.clusters.get(record.cluster_id or "")
        if cluster is None or record.state not in ON_CLUSTER:
            return False
        visible_until = self.world.time - self.world.clusters.listing_lag_seconds
        return not cluster.lives and cluster.created_at <= visible_until

    def were_dealt_with(self, sound: list[RunRecord], over: list[RunRecord], done: Reconciliation) -> None:
        """No sound run's end waits for anything, nor its launch for anything but EMR and the caps."""
        for before in over:
            record = self.world.ledger.records[before.run_id]
            assert (record.state, record.cluster_id) != (before.state, before.cluster_id)
            # Of another attempt's end, before it began, the reconciler hears in the next pass.
            ended_now = is_terminal(record.state) and record.history[-2].state in ON_CLUSTER
            assert record.closed or not ended_now
        waiting = {record.run_id for record in self.world.ledger.queue()} & {run.run_id for run in sound}
        assert done.wait is not None or self.world.clusters.error is not None or not waiting
        for run in self.world.ledger.shared.slots:
            record = self.world.ledger.records[run]
            left_alone = record.state is RunState.QUEUED and self.is_left_alone(record.setback)
            assert not left_alone or was_claimed_before(record)

    def is_left_alone(self, setback: Setback | None) -> bool:
        return setback is not None and self.world.time < setback.not_before

    @rule()
    def reconcile_while_another_reconciler_is_at_it(self) -> None:
        def another(key: str) -> None:
            self.world.objects.before_write = lambda key: None
            self.reconcile()

        self.world.objects.before_write = another
        self.reconcile()
        self.world.objects.before_write = lambda key: None

    @rule(data=st.data(), end=st.sampled_from(ENDS))
    def reconcile_when_all_clusters_have_ended_and_one_run_is_closed_to_us(
        self, data: st.DataObject, end: tuple[str, dict[str, StepState]]
    ) -> None:
        self.wait(15)
        self.end_all_clusters(end)
        self.close_the_objects_of_a_run(data)
        self.reconcile()

    @invariant()
    def no_two_clusters_compute_the_same_attempt(self) -> None:
        names = Counter(request["Name"] for request in self.world.clusters.requests)
        assert not [name for name, number in names.items() if number > 1]

    @invariant()
    def the_budget_of_the_day_is_kept(self) -> None:
        assert self.world.ledger.shared.committed_eur <= 5

    @invariant()
    def no_more_clusters_live_than_the_cap(self) -> None:
        assert sum(cluster.lives for cluster in self.world.clusters.clusters.values()) <= CAP

    @invariant()
    def the_ledger_moves_along_legal_transitions_and_ends_are_final(self) -> None:
        for record in self.world.ledger.records.values():
            states = [change.state for change in record.history]
            assert states[0] is RunState.QUEUED
            assert states[-1] is record.state
            assert all(after in TRANSITIONS[before] for before, after in itertools.pairwise(states))
            if is_terminal(record.state):
                assert self.ends.setdefault(record.run_id, record.state) is record.state
            else:
                assert record.run_id not in self.ends

    @invariant()
    def every_living_cluster_holds_a_slot(self) -> None:
        for cluster in self.world.clusters.clusters.values():
            if cluster.lives:
                assert cluster.tags["fruits:run_id"] in self.world.ledger.shared.slots

    @invariant()
    def what_was_cancelled_ends_cancelled(self) -> None:
        for run in self.cancelled & self.ends.keys():
            assert self.ends[run] is RunState.CANCELLED

    @invariant()
    def what_has_ended_and_is_closed_holds_no_place(self) -> None:
        closed = {run for run, record in self.world.ledger.records.items() if record.closed}
        assert not closed & self.world.ledger.shared.slots.keys()

    @invariant()
    def nobody_is_told_of_an_end_that_is_not_final(self) -> None:
        assert not self.told_early

    @invariant()
    def what_is_left_alone_is_not_tried_again_too_early(self) -> None:
        for run, record in self.world.ledger.records.items():
            before = self.setbacks.pop(run, None)
            if record.setback is not None:
                more = record.setback.count - (before.count if before else 0)
                assert more <= (0 if self.is_left_alone(before) else 1)
                self.setbacks[run] = record.setback

    def teardown(self) -> None:
        """Whatever happened: when EMR is well again, everything ends and nothing is left behind; also what
        is wrong with single runs for good ends."""
        self.world.clusters.error = None
        if self.mended_at_last:
            self.world.topic.error = self.world.objects.closed = None
            self.world.ledger.garbled.clear()
            self.world.clusters.unanswered.clear()
        for _ in range(12 * (self.versions + 1) + 3 * LIMIT):
            self.world.time += 3600
            self.world.reconcile()
            living = [cluster for cluster in self.world.clusters.clusters.values() if cluster.lives]
            for cluster in living:
                self.world.clusters.change(cluster.cluster_id, ClusterState.TERMINATED_WITH_ERRORS, *ENDS[1])
            if not living and not any(record.active for record in self.world.ledger.records.values()):
                break
        records = self.world.ledger.records.values()
        assert all(is_terminal(record.state) and not record.active for record in records)
        self.what_was_cancelled_ends_cancelled()
        assert self.world.ledger.shared.slots == {}
        assert not self.world.reconcile().repairs
        for record in records:
            told = [subject for subject, _ in self.world.topic.messages if record.run_id in subject]
            # What nothing takes for hours is given up, as is what is told from objects that stay closed.
            assert len(told) == 1 or (not told and (self.unheard or self.is_closed_to_us(record)))
        missing = len(records) - self.runs_measured()
        assert 0 <= missing <= sum(map(self.is_closed_to_us, records))


pytestmark = pytest.mark.slow  # for seconds


@pytest.fixture(autouse=True)
def without_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody reads the stack traces of all that goes wrong here, and they take a third of the time."""
    caplog.set_level(logging.CRITICAL)


TestControlPlane = ControlPlane.TestCase
TestControlPlane.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
