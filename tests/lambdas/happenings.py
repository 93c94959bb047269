"""What may happen to the control plane, in any order: uploads, redeliveries, deletions, crashes, lost news,
clocks; runs, records and clusters that something is wrong with; and a topic that takes no messages.
"""

from __future__ import annotations

import contextlib

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from lambdas.contract.run import ON_CLUSTER, RUN_TAG, RunState, is_terminal, ordered, stopping
from lambdas.launcher.accept import Upload
from lambdas.launcher.withdraw import Deletion
from lambdas.runs.cluster_port import ClusterState, StepState
from lambdas.runs.dispatch import DOUBT_SECONDS, LEASE_SECONDS
from lambdas.runs.endings import MANIFEST_DELETED

from .fake_clusters import throttled
from .world import World, manifest

CAP = 2
KEYS = [f"manifests/{name}.json" for name in "abc"]
ENDS = [
    ("ALL_STEPS_COMPLETED", {"featurize": StepState.COMPLETED, "pca": StepState.COMPLETED}),
    ("STEP_FAILURE", {"featurize": StepState.FAILED, "pca": StepState.CANCELLED}),
    ("INSTANCE_FLEET_TIMEOUT", {"featurize": StepState.CANCELLED, "pca": StepState.CANCELLED}),
    ("INTERNAL_ERROR", {"featurize": StepState.INTERRUPTED}),
    ("USER_REQUEST", {}),
]


class Happenings(RuleBasedStateMachine):
    """A world at the mercy of everything."""

    uploads = Bundle("uploads")
    deletions = Bundle("deletions")

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.configure(max_clusters=str(CAP), max_eur_per_day="5")
        self.world.clusters.listing_lag_seconds = DOUBT_SECONDS / 2
        self.versions = 0
        self.launches_seen = 0
        self.cancelled: set[str] = set()
        self.spoilt: set[str] = set()
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
            older = older and record.run_id not in self.world.ledger.garbled
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

    @rule(end=st.sampled_from(ENDS))
    def end_all_clusters(self, end: tuple[str, dict[str, StepState]]) -> None:
        for cluster in list(self.world.clusters.clusters.values()):
            if cluster.lives:
                self.world.clusters.change(cluster.cluster_id, ClusterState.TERMINATED_WITH_ERRORS, *end)

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
            # The event comes again, or the reconciler.
            with contextlib.suppress(PermissionError, TimeoutError):
                self.world.tracker.hear(data.draw(st.sampled_from(known)))

    @rule(data=st.data())
    def hear_of_a_cluster_and_die_over_the_first_object(self, data: st.DataObject) -> None:
        def die(key: str) -> None:
            raise KeyboardInterrupt

        self.world.objects.before_write = die
        try:
            with contextlib.suppress(KeyboardInterrupt):
                self.hear_of_a_cluster(data)
        finally:  # the machine may end in the middle of a draw
            self.world.objects.before_write = lambda key: None

    def runs_at_work(self) -> list[str]:
        return sorted(run for run, record in self.world.ledger.records.items() if record.active)

    @rule(data=st.data(), document=st.sampled_from(["plan.json", "steps/pca.json"]))
    def spoil(self, data: st.DataObject, document: str) -> None:
        if runs := self.runs_at_work():
            run = data.draw(st.sampled_from(runs))
            self.spoilt.add(run)
            self.world.objects.versions[f"runs/{run}/{document}", None] = b"{"

    @rule(data=st.data())
    def garble_a_record(self, data: st.DataObject) -> None:
        if runs := self.runs_at_work():
            self.world.ledger.garbled[data.draw(st.sampled_from(runs))] = "another release wrote it"

    @rule()
    def understand_all_records(self) -> None:
        self.world.ledger.garbled.clear()

    @rule(data=st.data())
    def silence_a_cluster(self, data: st.DataObject) -> None:
        if known := sorted(self.world.clusters.clusters):
            self.world.clusters.unanswered.add(data.draw(st.sampled_from(known)))

    @rule()
    def let_all_clusters_answer(self) -> None:
        self.world.clusters.unanswered.clear()

    @rule(data=st.data())
    def close_the_objects_of_a_run(self, data: st.DataObject) -> None:
        if runs := self.runs_at_work():
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

    @rule(seconds=st.sampled_from([1, 15, LEASE_SECONDS + 1, 900, 3 * 3600]))
    def wait(self, seconds: float) -> None:
        self.world.time += seconds

    @invariant()
    def nothing_is_launched_of_which_something_newer_is_known(self) -> None:
        for request in self.world.clusters.requests[self.launches_seen :]:
            (run,) = [tag["Value"] for tag in request["Tags"] if tag["Key"] == RUN_TAG]
            record = self.world.ledger.records[run]
            newest = self.world.ledger.keys.get(record.manifest_key)
            assert newest is None or newest.sequencer <= record.sequencer
        self.launches_seen = len(self.world.clusters.requests)
