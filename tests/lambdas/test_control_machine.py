"""Any events in any order: uploads, redeliveries, deletions, crashes, lost news, clocks, concurrent repairs,
runs that something is wrong with, and a topic that takes no messages.

The use cases run on fakes, so every decision that they take from records, clusters, time and limits is the
real one; EMR and the network do what the machine likes.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from lambdas.contract.metrics import RUNS
from lambdas.contract.run import ON_CLUSTER, RUN_TAG, TRANSITIONS, RunState, is_terminal, ordered, stopping
from lambdas.launcher.accept import Upload
from lambdas.launcher.withdraw import Deletion
from lambdas.runs.cluster_port import ClusterState, StepState
from lambdas.runs.dispatch import DOUBT_SECONDS, LEASE_SECONDS, MANIFEST_DELETED

from .fakes import throttled
from .world import World, manifest

CAP = 2
LIMIT_SECONDS = 120 * 60
"""The manifests' max_runtime_minutes, as it is by default."""
KEYS = [f"manifests/{name}.json" for name in "abc"]
ENDS = [
    ("ALL_STEPS_COMPLETED", {"featurize": StepState.COMPLETED, "pca": StepState.COMPLETED}),
    ("STEP_FAILURE", {"featurize": StepState.FAILED, "pca": StepState.CANCELLED}),
    ("INSTANCE_FLEET_TIMEOUT", {"featurize": StepState.CANCELLED, "pca": StepState.CANCELLED}),
    ("INTERNAL_ERROR", {"featurize": StepState.INTERRUPTED}),
    ("USER_REQUEST", {}),
]


class ControlPlane(RuleBasedStateMachine):
    """The control plane at the mercy of everything."""

    uploads = Bundle("uploads")
    deletions = Bundle("deletions")

    @initialize()
    def deploy(self) -> None:
        self.world = World()
        self.world.configure(max_clusters=str(CAP), max_eur_per_day="5")
        self.world.clusters.listing_lag_seconds = DOUBT_SECONDS / 2
        self.versions = 0
        self.launches_seen = 0
        self.ends: dict[str, RunState] = {}
        self.cancelled: set[str] = set()
        self.unheard = False

    @rule(target=uploads, key=st.sampled_from(KEYS), stop=st.booleans())
    def upload(self, key: str, stop: bool) -> Upload:
        self.versions += 1
        document = manifest(when_deleted="stop" if stop else "nothing", notify=True)
        return self.world.upload(document, f"v{self.versions}", key)

    @rule(target=uploads, keys=st.permutations(KEYS))
    def rush(self, keys: list[str]) -> MultipleResults[Upload]:
        uploads = [self.upload(key, stop=False) for key in keys]
        for upload in uploads:
            self.deliver(upload)
        return multiple(*uploads)

    @rule(target=deletions, key=st.sampled_from(KEYS))
    def delete(self, key: str) -> Deletion:
        return Deletion(key, None, self.world.sequencer())

    @rule(upload=uploads)
    def deliver(self, upload: Upload) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            self.world.launch(upload)
        self.nothing_is_launched_of_which_something_newer_is_known()

    @rule(deletion=deletions)
    def deliver_deletion(self, deletion: Deletion) -> None:
        self.world.delete(deletion)
        for record in self.world.ledger.records.values():
            older = record.manifest_key == deletion.key and record.sequencer < ordered(deletion.sequencer)
            assert not older or record.state is not RunState.QUEUED
            if older and record.stop_when_deleted and not is_terminal(record.state):
                assert record.stopping is not None

    @rule(deletion=consumes(deletions))
    def lose_deletion(self, deletion: Deletion) -> None:
        pass

    @rule(fault=st.sampled_from([None, None, throttled(), KeyboardInterrupt()]), created=st.booleans())
    def change_emr(self, fault: Exception | None, created: bool) -> None:
        self.world.clusters.error = fault
        self.world.clusters.creates_despite_error = created

    @rule(data=st.data(), end=st.sampled_from(ENDS))
    def end_cluster(self, data: st.DataObject, end: tuple[str, dict[str, StepState]]) -> None:
        living = [c.cluster_id for c in self.world.clusters.clusters.values() if c.lives]
        if living:
            state = ClusterState.TERMINATED_WITH_ERRORS
            self.world.clusters.change(data.draw(st.sampled_from(living)), state, *end)

    @rule(data=st.data())
    def begin_steps(self, data: st.DataObject) -> None:
        starting = [
            c.cluster_id for c in self.world.clusters.clusters.values() if c.state is ClusterState.STARTING
        ]
        if starting:
            chosen = data.draw(st.sampled_from(starting))
            self.world.clusters.change(chosen, ClusterState.RUNNING, steps={"featurize": StepState.RUNNING})

    @rule(data=st.data())
    def hear_of_a_cluster(self, data: st.DataObject) -> None:
        if known := sorted(self.world.clusters.clusters):
            with contextlib.suppress(PermissionError):  # the event comes again, or the reconciler
                self.world.tracker.hear(data.draw(st.sampled_from(known)))

    @rule(data=st.data(), document=st.sampled_from(["plan.json", "steps/pca.json"]))
    def spoil(self, data: st.DataObject, document: str) -> None:
        if runs := sorted(self.world.ledger.records):
            self.world.objects.versions[f"runs/{data.draw(st.sampled_from(runs))}/{document}", None] = b"{"

    @rule(data=st.data())
    def close_the_objects_of_a_run(self, data: st.DataObject) -> None:
        if runs := sorted(self.world.ledger.records):
            self.world.objects.closed = f"runs/{data.draw(st.sampled_from(runs))}/"

    @rule()
    def open_all_objects(self) -> None:
        self.world.objects.closed = None

    @rule(gone=st.booleans())
    def change_topic(self, gone: bool) -> None:
        self.world.topic.error = ConnectionError("the topic is gone") if gone else None
        self.unheard = self.unheard or gone

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """What a person's deletion does to a run that its manifest lets it stop."""
        on_cluster = [run for run, record in self.world.ledger.records.items() if record.state in ON_CLUSTER]
        if not on_cluster:
            return
        record = self.world.ledger.records[data.draw(st.sampled_from(sorted(on_cluster)))]
        if record.stopping is None:
            self.world.ledger.swap(record, stopping(record, RunState.CANCELLED, MANIFEST_DELETED))
            self.cancelled.add(record.run_id)

    @rule()
    def reconcile(self) -> None:
        known = {record.cluster_id for record in self.world.ledger.records.values()}
        late = [
            cluster.cluster_id
            for cluster in self.world.clusters.clusters.values()
            if cluster.cluster_id in known and cluster.seconds(self.world.time) > LIMIT_SECONDS
        ]
        with contextlib.suppress(KeyboardInterrupt):
            self.world.reconcile()
        assert not [cluster_id for cluster_id in late if self.world.clusters.clusters[cluster_id].lives]

    @rule()
    def reconcile_while_another_reconciler_is_at_it(self) -> None:
        def another(key: str) -> None:
            self.world.objects.before_write = lambda key: None
            self.reconcile()

        self.world.objects.before_write = another
        self.reconcile()
        self.world.objects.before_write = lambda key: None

    @rule(seconds=st.sampled_from([1, 15, LEASE_SECONDS + 1, 900, 3 * 3600]))
    def wait(self, seconds: float) -> None:
        self.world.time += seconds

    @invariant()
    def no_two_clusters_compute_the_same_attempt(self) -> None:
        names = Counter(request["Name"] for request in self.world.clusters.requests)
        assert not [name for name, number in names.items() if number > 1]

    @invariant()
    def nothing_is_launched_of_which_something_newer_is_known(self) -> None:
        for request in self.world.clusters.requests[self.launches_seen :]:
            (run,) = [tag["Value"] for tag in request["Tags"] if tag["Key"] == RUN_TAG]
            record = self.world.ledger.records[run]
            newest = self.world.ledger.keys.get(record.manifest_key)
            assert newest is None or newest.sequencer <= record.sequencer
        self.launches_seen = len(self.world.clusters.requests)

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

    def teardown(self) -> None:
        """Whatever happened: when the world is well again, everything ends and nothing is left behind."""
        if not hasattr(self, "world"):
            return
        self.world.clusters.error = self.world.topic.error = self.world.objects.closed = None
        for _ in range(12 * (self.versions + 1)):
            self.world.time += 3600
            self.world.reconcile()
            for cluster in list(self.world.clusters.clusters.values()):
                if cluster.lives:
                    self.world.clusters.change(
                        cluster.cluster_id, ClusterState.TERMINATED_WITH_ERRORS, *ENDS[1]
                    )
        records = self.world.ledger.records.values()
        assert all(is_terminal(record.state) and not record.active for record in records)
        self.what_was_cancelled_ends_cancelled()
        assert self.world.ledger.shared.slots == {}
        assert not self.world.reconcile().repairs
        for record in records:
            told = [subject for subject, _ in self.world.topic.messages if record.run_id in subject]
            # A message that nothing takes for hours is given up.
            assert len(told) == 1 or (self.unheard and not told)
        measured = [sample.metric for sample in self.world.meter.samples]
        assert measured.count(RUNS) == len(records)


pytestmark = pytest.mark.slow  # for seconds

TestControlPlane = ControlPlane.TestCase
TestControlPlane.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
