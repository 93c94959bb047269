from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from infra.local.emr import lifecycle
from infra.local.emr.lifecycle import (
    Action,
    ActionOnFailure,
    Cluster,
    ClusterState,
    IllegalTransition,
    Reason,
    ReasonCode,
    Step,
    StepFailure,
    StepState,
)

FAILURE = StepFailure("Unknown Error.")
USER_REQUEST = Reason(ReasonCode.USER_REQUEST, "Terminated by user request")


def new_cluster(*actions: ActionOnFailure, keep_alive: bool = False, protected: bool = False) -> Cluster:
    steps = tuple(Step(f"s-{n}", f"step {n}", action, created_at=0) for n, action in enumerate(actions))
    return Cluster(
        "j-1", "test", created_at=0, steps=steps, keep_alive=keep_alive, termination_protected=protected
    )


def running(*actions: ActionOnFailure, keep_alive: bool = False, protected: bool = False) -> Cluster:
    cluster = new_cluster(*actions, keep_alive=keep_alive, protected=protected)
    return lifecycle.bootstrapped(lifecycle.provisioned(cluster, now=1), now=1)


def run_step(cluster: Cluster, failure: StepFailure | None = None) -> Cluster:
    return lifecycle.step_ended(lifecycle.step_started(cluster, now=2), failure, now=3)


def step_states(cluster: Cluster) -> list[StepState]:
    return [step.state for step in cluster.steps]


def test_a_transient_cluster_ends_with_its_last_step() -> None:
    cluster = run_step(run_step(running(ActionOnFailure.TERMINATE_CLUSTER, ActionOnFailure.CONTINUE)))

    assert cluster.state is ClusterState.TERMINATING
    assert cluster.reason == Reason(ReasonCode.ALL_STEPS_COMPLETED, "Steps completed")
    assert lifecycle.released(cluster, now=4).state is ClusterState.TERMINATED


def test_a_cluster_kept_alive_waits_after_its_last_step() -> None:
    cluster = run_step(running(ActionOnFailure.TERMINATE_CLUSTER, keep_alive=True))

    assert cluster.state is ClusterState.WAITING
    assert lifecycle.next_action(cluster) is Action.WAIT


def test_a_transient_cluster_without_steps_ends_when_it_is_ready() -> None:
    assert running().reason == Reason(ReasonCode.ALL_STEPS_COMPLETED, "Steps completed")


@pytest.mark.parametrize("action", [ActionOnFailure.TERMINATE_CLUSTER, ActionOnFailure.TERMINATE_JOB_FLOW])
def test_a_failed_step_that_says_so_ends_the_cluster_with_errors(action: ActionOnFailure) -> None:
    cluster = run_step(running(action, action), FAILURE)

    assert step_states(cluster) == [StepState.FAILED, StepState.CANCELLED]
    assert cluster.reason == Reason(ReasonCode.STEP_FAILURE, "Shut down as step failed")
    assert lifecycle.released(cluster, now=4).state is ClusterState.TERMINATED_WITH_ERRORS


def test_a_cluster_can_end_terminated_with_a_failed_step() -> None:
    cluster = run_step(running(ActionOnFailure.CONTINUE, ActionOnFailure.CONTINUE), FAILURE)
    ended = lifecycle.released(run_step(cluster), now=4)

    assert step_states(ended) == [StepState.FAILED, StepState.COMPLETED]
    assert ended.state is ClusterState.TERMINATED
    assert ended.reason == Reason(ReasonCode.ALL_STEPS_COMPLETED, "Steps completed with errors")


def test_cancel_and_wait_cancels_the_rest_and_waits() -> None:
    actions = (ActionOnFailure.CANCEL_AND_WAIT, ActionOnFailure.CONTINUE)
    cluster = run_step(running(*actions, keep_alive=True), FAILURE)

    assert step_states(cluster) == [StepState.FAILED, StepState.CANCELLED]
    assert cluster.state is ClusterState.WAITING


def test_cancel_and_wait_cannot_wait_in_a_transient_cluster() -> None:
    cluster = run_step(running(ActionOnFailure.CANCEL_AND_WAIT, ActionOnFailure.CONTINUE), FAILURE)

    assert cluster.reason is not None
    assert cluster.reason.code is ReasonCode.STEP_FAILURE


def test_termination_protection_holds_when_a_step_fails_but_not_when_all_succeed() -> None:
    failed = run_step(running(ActionOnFailure.TERMINATE_CLUSTER, protected=True), FAILURE)
    succeeded = run_step(running(ActionOnFailure.TERMINATE_CLUSTER, protected=True))

    assert failed.state is ClusterState.WAITING
    assert succeeded.state is ClusterState.TERMINATING


def test_shutting_down_interrupts_the_running_step_and_cancels_the_others() -> None:
    cluster = lifecycle.step_started(running(ActionOnFailure.CONTINUE, ActionOnFailure.CONTINUE), now=2)
    cluster = lifecycle.shut_down(cluster, USER_REQUEST, now=3)

    assert step_states(cluster) == [StepState.INTERRUPTED, StepState.CANCELLED]
    assert lifecycle.released(cluster, now=4).state is ClusterState.TERMINATED


@pytest.mark.parametrize(
    "code",
    sorted(set(ReasonCode) - {ReasonCode.ALL_STEPS_COMPLETED, ReasonCode.USER_REQUEST}),
)
def test_every_other_reason_ends_with_errors(code: ReasonCode) -> None:
    cluster = lifecycle.shut_down(new_cluster(), Reason(code, "why"), now=1)

    assert lifecycle.released(cluster, now=2).state is ClusterState.TERMINATED_WITH_ERRORS


def test_a_second_step_cannot_start_beside_a_running_one() -> None:
    cluster = lifecycle.step_started(running(ActionOnFailure.CONTINUE, ActionOnFailure.CONTINUE), now=2)

    with pytest.raises(IllegalTransition, match="no step can start in cluster j-1"):
        lifecycle.step_started(cluster, now=3)


class AnyCluster(RuleBasedStateMachine):
    """Whatever happens to a cluster, in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.cluster = new_cluster()
        self.reasons: set[Reason] = set()
        self.closed: dict[str, Step] = {}

    @precondition(lambda self: self.cluster.state is ClusterState.STARTING and not self.cluster.steps)
    @rule(
        actions=st.lists(st.sampled_from(ActionOnFailure), min_size=1, max_size=4),
        keep_alive=st.booleans(),
        protected=st.booleans(),
    )
    def launch(self, actions: list[ActionOnFailure], keep_alive: bool, protected: bool) -> None:
        self.cluster = new_cluster(*actions, keep_alive=keep_alive, protected=protected)

    @precondition(lambda self: lifecycle.next_action(self.cluster) not in {None, Action.WAIT})
    @rule(failure=st.sampled_from([None, None, FAILURE]))
    def carry_on(self, failure: StepFailure | None) -> None:
        self.now += 1
        if any(step.state is StepState.RUNNING for step in self.cluster.steps):
            self.cluster = lifecycle.step_ended(self.cluster, failure, self.now)
            return
        match lifecycle.next_action(self.cluster):
            case Action.PROVISION:
                self.cluster = lifecycle.provisioned(self.cluster, now=0)
            case Action.BOOTSTRAP:
                self.cluster = lifecycle.bootstrapped(self.cluster, self.now)
            case Action.RUN_STEP:
                self.cluster = lifecycle.step_started(self.cluster, self.now)
            case Action.RELEASE:
                self.cluster = lifecycle.released(self.cluster, self.now)

    @rule(code=st.sampled_from(ReasonCode))
    def shut_down(self, code: ReasonCode) -> None:
        self.now += 1
        if self.cluster.is_ending:
            with pytest.raises(IllegalTransition):
                lifecycle.shut_down(self.cluster, Reason(code, "again"), self.now)
        else:
            self.cluster = lifecycle.shut_down(self.cluster, Reason(code, "why"), self.now)

    @invariant()
    def a_reason_is_given_once_and_only_to_ending_clusters(self) -> None:
        ending = {ClusterState.TERMINATING, ClusterState.TERMINATED, ClusterState.TERMINATED_WITH_ERRORS}
        assert (self.cluster.state in ending) == (self.cluster.reason is not None)
        if self.cluster.reason is not None:
            self.reasons.add(self.cluster.reason)
        assert len(self.reasons) <= 1

    @invariant()
    def steps_run_one_at_a_time_and_in_order(self) -> None:
        states = step_states(self.cluster)
        assert states.count(StepState.RUNNING) <= 1
        started = [step.started_at is not None for step in self.cluster.steps]
        assert started == sorted(started, reverse=True)

    @invariant()
    def a_closed_step_never_changes(self) -> None:
        for step in self.cluster.steps:
            if step.state not in {StepState.PENDING, StepState.RUNNING}:
                assert self.closed.setdefault(step.id, step) == step
                assert step.ended_at is not None

    @invariant()
    def an_ending_cluster_has_no_open_step(self) -> None:
        if self.cluster.is_ending:
            assert not {StepState.PENDING, StepState.RUNNING} & set(step_states(self.cluster))

    @invariant()
    def a_terminal_cluster_has_nothing_left_to_do(self) -> None:
        if self.cluster.is_terminal:
            assert lifecycle.next_action(self.cluster) is None
            for state in ClusterState:
                assert state not in lifecycle.TRANSITIONS[self.cluster.state]
            assert replace(self.cluster).ended_at is not None


TestAnyCluster = AnyCluster.TestCase
