"""What people are told of a workbench, in full: why there is none, and why one ended."""

from __future__ import annotations

import pytest

from lambdas.contract.cost.prices import PRICES_AS_OF, eur_per_hour, worst_case_eur
from lambdas.contract.manifest.workbench import Workbench
from lambdas.contract.run import FailureKind, RunState
from lambdas.contract.workbench import SETUP_STEP, certificate_sha256, login_json
from lambdas.runs.cluster_port import ClusterSnapshot, ClusterState, StepSnapshot, StepState
from lambdas.runs.endings import over_budget
from lambdas.runs.outcome import decide_workbench
from lambdas.runs.workbench_examination import BASIS, price

from .runs import completed_run
from .workbenches import RUN, SET_UP, active, asked, ended, faults, opened
from .world import BUCKET, World

DIGEST = "Bf+uvMpBdwr0JdS6m057zf9TIjfcqTHBkqNtlNtzB9TC35XmBlFLQRPMs608GffKZI43OhEqa4KQ86aYGKqbfg=="
"""By Python's ``hashlib.scrypt`` with n 16384, r 8, p 1."""
AGAIN = "Upload the manifest again for another one: it finds the notebooks again."
FINGERPRINT = ":".join(["A0"] * 32)


def ending(world: World) -> tuple[RunState, str | None, str | None, FailureKind | None]:
    record = world.record()
    return record.state, record.message, record.remedy, record.kind


def test_where_there_is_no_door_it_is_told_how_to_have_one(world: World) -> None:
    world.configure(workbench_address="")
    world.objects.closed = "notebooks/"  # where the launcher of such a stack may not write
    asked(world)
    assert faults(world) == [
        {
            "path": "$.workbench",
            "problem": "asks for a workbench, and this stack has no door to one: fruits:workbenchCidrs is "
            "empty",
            "remedy": "Name the networks that may come in, such as `pulumi config set --path "
            "'fruits:workbenchCidrs[0]' 203.0.113.0/24`, and `pulumi up`; then upload the manifest again.",
            "nearest": None,
        }
    ]


def test_where_the_door_is_taken_it_is_told_by_which(world: World) -> None:
    opened(world)
    asked(world, key="manifests/second.json", name="another")
    assert world.rejection("second")["faults"] == [
        {
            "path": "$.workbench",
            "problem": f"asks for a workbench, but explore is open or waits (run {RUN}), and the stack has "
            "one door",
            "remedy": f"Use that one, cancel it (`fruits cancel {RUN}`), or wait until it ends; then upload "
            "the manifest again.",
            "nearest": None,
        }
    ]


def test_of_a_run_that_it_cannot_open_it_is_told_why(world: World) -> None:
    cluster_id = completed_run(world)
    run = world.record().run_id
    asked(world, run=run)
    waits = {
        "path": "$.workbench.run",
        "problem": f"is {run}, which is LAUNCHED",
        "remedy": "Wait until it is COMPLETED, or name another one.",
        "nearest": None,
    }
    assert faults(world) == [waits]
    world.tracker.track(cluster_id)
    asked(world, "v2", run=run, dataset="apples")
    other = {
        "path": "$.workbench.run",
        "problem": f"is {run}, a run of fruits and not of apples",
        "remedy": "Leave workbench.dataset out, or correct one of them.",
        "nearest": "fruits",
    }
    assert faults(world) == [other]
    asked(world, "v3", run="fruits-2")
    none = {
        "path": "$.workbench.run",
        "problem": "is fruits-2, and there is no such run",
        "remedy": "`fruits runs` lists them.",
        "nearest": None,
    }
    assert faults(world) == [none]


def test_of_a_data_set_without_results_the_nearest_is_told(world: World) -> None:
    world.buckets.keys[BUCKET] += ["Results/fruits/fruits-1/_SUCCESS"]
    asked(world, dataset="fruit")
    assert faults(world) == [
        {
            "path": "$.workbench.dataset",
            "problem": "is fruit, of which no run has published anything",
            "remedy": "Correct it, or leave it out.",
            "nearest": "fruits",
        }
    ]


@pytest.mark.parametrize(
    ("stack", "offered", "path", "problem", "remedy", "nearest"),
    [
        (
            {"max_eur_per_day": "1"},
            {"m5.xlarge"},
            "$.workbench.hours",
            # Three machines in Ireland for four hours and six minutes.
            "lets the workbench cost up to 3.09 EUR (4 hours), and this stack may spend 1.00 EUR a day, so "
            "its turn would never come",
            "Lower it, workbench.workers or the instance size, or raise fruits:maxEurPerDay of the stack.",
            None,
        ),
        (
            {},
            {"m6a.xlarge", "m6i.xlarge", "m6g.xlarge"},
            "$.workbench.instance_type",
            "is m5.xlarge, and EMR offers none of that in eu-west-1 with emr-7.12.0",
            "Name some of these: m6i.xlarge, m6a.xlarge.",
            "m6i.xlarge",  # at the same price
        ),
    ],
    ids=["budget", "not_offered"],
)
def test_of_what_the_stack_cannot_have_it_is_told_what_it_can(
    world: World,
    stack: dict[str, str],
    offered: set[str],
    path: str,
    problem: str,
    remedy: str,
    nearest: str | None,
) -> None:
    world.configure(**stack)
    world.emr_offers(*offered)
    asked(world)
    assert faults(world) == [{"path": path, "problem": problem, "remedy": remedy, "nearest": nearest}]


@pytest.mark.parametrize(("hours", "said"), [(1, "1 hour"), (3, "3 hours")])
def test_after_its_hours_it_is_told_how_many_there_were(world: World, hours: int, said: str) -> None:
    opened(world, hours=hours)
    world.time += hours * 3600 + 1
    active(world, 0)
    world.reconcile()
    ended(world)
    assert ending(world) == (
        RunState.COMPLETED,
        f"The workbench was ended after its time, {said}, was over.",
        AGAIN,
        None,
    )


def test_after_idle_kernels_it_is_told_for_how_long(world: World) -> None:
    opened(world, idle_minutes=30)
    world.time += 30 * 60 + 1
    world.reconcile()
    ended(world)
    message = "The workbench was ended because no kernel was busy for 30 minutes."
    assert ending(world) == (RunState.COMPLETED, message, AGAIN, None)


@pytest.mark.parametrize(
    ("code", "steps", "state", "message", "remedy", "kind"),
    [
        (
            "STEP_FAILURE",
            {SETUP_STEP: StepState.FAILED},
            RunState.FAILED,
            "The cluster could not be made a workbench: the reason",
            f"Read the stderr of step {SETUP_STEP} in the logs: its last line says what it could not do.",
            FailureKind.OURS,
        ),
        (
            # EMR's list of steps lags behind.
            "STEP_FAILURE",
            {},
            RunState.FAILED,
            "The cluster could not be made a workbench.",
            f"Read the stderr of step {SETUP_STEP} in the logs: its last line says what it could not do.",
            FailureKind.OURS,
        ),
        (
            "USER_REQUEST",
            SET_UP,
            RunState.CANCELLED,
            "The cluster was terminated by request.",
            "Upload the manifest again for a new run; finished parts are not lost.",
            FailureKind.USER,
        ),
        (
            "BOOTSTRAP_FAILURE",
            {},
            RunState.FAILED,
            "A node could not install the job's packages: the reason",
            "Read the bootstrap action's stderr in the logs, then build and deploy the stack again.",
            FailureKind.OURS,
        ),
        (
            "ALL_STEPS_COMPLETED",
            SET_UP,
            RunState.FAILED,
            "The cluster ended before it was stopped: the reason",
            "Upload the manifest again for a new run; finished parts are not lost.",
            FailureKind.AWS,
        ),
    ],
)
def test_of_a_cluster_that_ended_by_itself_it_is_told_why(
    code: str,
    steps: dict[str, StepState],
    state: RunState,
    message: str,
    remedy: str,
    kind: FailureKind,
) -> None:
    taken = tuple(
        StepSnapshot(name, step, "the reason" if step is StepState.FAILED else "")
        for name, step in steps.items()
    )
    cluster = ClusterSnapshot(
        "j-1", "fruits-1", ClusterState.TERMINATED_WITH_ERRORS, 0, 60, code, "the reason", {}, taken
    )
    found = decide_workbench(cluster)
    assert found.ending is not None
    assert (found.state, found.ending.message, found.ending.remedy, found.ending.kind) == (
        state,
        message,
        remedy,
        kind,
    )


@pytest.mark.parametrize("region", ["eu-north-1", "eu-central-1"])
def test_its_price_is_that_of_its_machines_for_its_hours(region: str) -> None:
    found = price(Workbench(name="explore", hours=3, workers=4), region)
    an_hour = eur_per_hour(("m5.xlarge",), 4, region)
    assert (found.minutes, found.eur) == (180, round(3 * an_hour, 2))
    assert found.worst_case_eur == round(worst_case_eur(("m5.xlarge",), 4, 180, region), 2)
    assert (found.region, found.basis, found.prices_as_of) == (region, BASIS, PRICES_AS_OF)


def test_an_answer_of_the_days_budget_says_both_sums() -> None:
    found = over_budget(12.345, 10)
    assert found.message == "The run may cost 12.35 EUR, and the stack spends at most 10.00 EUR a day by now."
    assert found.remedy == (
        "Upload the manifest with fewer cluster.workers or less limits.max_runtime_minutes; or deploy the "
        "stack with a higher fruits:maxEurPerDay first."
    )
    assert (found.reason, found.kind) == ("OVER_BUDGET", FailureKind.CONFIG)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (f'{{"certificate_sha256": "{FINGERPRINT}"}}', FINGERPRINT),
        (f'{{"certificate_sha256": "{FINGERPRINT.lower()}"}}', None),
        (f'{{"certificate_sha256": "{FINGERPRINT}:A0"}}', None),
        ('{"certificate_sha256": 7}', None),
        ("{}", None),
    ],
)
def test_a_fingerprint_is_told_only_if_it_is_one(written: str, told: str | None) -> None:
    assert certificate_sha256(written.encode()) == told


def test_a_password_is_kept_as_a_digest_with_its_salt_and_cost() -> None:
    assert login_json("secret", b"salt") == (
        '{"digest": "@", "n": 16384, "p": 1, "r": 8, "salt": "c2FsdA==", "user": "analyst"}\n'.replace(
            "@", DIGEST
        )
    )
