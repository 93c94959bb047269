"""The ledger's contract: the fake and DynamoDB (on MiniStack) behave alike."""

from __future__ import annotations

import dataclasses
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from infra.local.ministack import MiniStack
from lambdas.aws.ledger import DynamoLedger
from lambdas.contract.cost.measured import NOTHING_MEASURED, Measured, MeasuredRate, MeasuredStart
from lambdas.contract.run import Change, RunRecord, RunState, moved
from lambdas.runs.admission import Admissions, Pause, Slot
from lambdas.runs.ports import Ledger, Newest

from .fakes import FakeLedger
from .world import LEDGER_INDEX

RECORD = RunRecord(
    run_id="fruits-1",
    dataset="fruits",
    state=RunState.QUEUED,
    manifest_bucket="data-bucket",
    manifest_key="manifests/ä b.json",
    manifest_version_id="v1",
    sequencer="0055AED6DCD90281E500000000000000",
    accepted_at=1_700_000_000.123456,
    max_runtime_minutes=120,
    worst_case_eur=1.25,
    stop_when_deleted=False,
    history=(
        Change(RunState.QUEUED, 1_700_000_000.123456),
        Change(RunState.LAUNCHED, 1_700_000_001.5, "j-1"),
    ),
)


PAUSE = Pause(1_700_000_000.25, "arn:aws:sts::123456789012:assumed-role/Operator/ada", "an upgrade")


def dynamo_ledger(ministack: MiniStack) -> tuple[DynamoLedger, Any]:
    """The ledger in a new table, and the table."""
    environment = ministack.environment
    dynamodb = boto3.resource(
        "dynamodb",
        endpoint_url=ministack.url,
        region_name="eu-west-1",
        verify=environment["AWS_CA_BUNDLE"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    table = dynamodb.create_table(
        TableName=f"runs-{uuid.uuid4().hex[:12]}",
        KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        **LEDGER_INDEX,
    )
    return DynamoLedger(table), table


@pytest.fixture(params=["fake", "aws"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    if request.param == "fake":
        return FakeLedger()
    return dynamo_ledger(request.getfixturevalue("ministack"))[0]


class TestLedger:
    def test_a_run_can_be_read_back_exactly(self, ledger: Ledger) -> None:
        assert ledger.get("fruits-1") is None
        assert ledger.insert(RECORD)
        assert ledger.get("fruits-1") == RECORD

    def test_a_record_with_everything_known_can_be_read_back_exactly(self, ledger: Ledger) -> None:
        ledger.insert(RECORD)
        full = dataclasses.replace(
            moved(moved(RECORD, RunState.CLAIMED, 1.5, lease_until=9.25), RunState.LAUNCHED, 2.5),
            cluster_id="j-1",
            attempt=2,
            earlier_seconds=12.5,
            instance_hours=1.5,
            actual_eur=0.3764,
            stopping=RunState.FAILED,
            reason="MAX_RUNTIME",
            message="ü",
        )
        assert ledger.swap(RECORD, full) == dataclasses.replace(full, revision=1)
        assert ledger.get("fruits-1") == dataclasses.replace(full, revision=1)

    def test_a_second_insert_changes_nothing(self, ledger: Ledger) -> None:
        assert ledger.insert(RECORD)
        assert not ledger.insert(dataclasses.replace(RECORD, dataset="other"))
        assert ledger.get("fruits-1") == RECORD

    def test_of_many_inserts_at_once_one_wins(self, ledger: Ledger) -> None:
        with ThreadPoolExecutor(8) as pool:
            copies = [dataclasses.replace(RECORD) for _ in range(8)]
            assert sum(pool.map(ledger.insert, copies)) == 1

    def test_of_many_who_saw_the_same_one_swaps(self, ledger: Ledger) -> None:
        ledger.insert(RECORD)
        after = [moved(RECORD, RunState.CLAIMED, float(number)) for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            written = [*filter(None, pool.map(lambda record: ledger.swap(RECORD, record), after))]
        assert written == [ledger.get("fruits-1")]

    def test_a_run_that_nobody_inserted_is_not_swapped_in(self, ledger: Ledger) -> None:
        assert ledger.swap(RECORD, RECORD) is None
        assert ledger.get("fruits-1") is None

    def test_runs_are_active_in_order_until_they_are_closed(self, ledger: Ledger) -> None:
        later = dataclasses.replace(RECORD, run_id="fruits-0", accepted_at=RECORD.accepted_at + 1)
        ledger.insert(later)
        ledger.insert(RECORD)
        assert ledger.active() == (RECORD, later)
        closed = ledger.swap(RECORD, dataclasses.replace(RECORD, closed=True))
        assert ledger.active() == (later,)
        assert ledger.get("fruits-1") == closed

    def test_the_queue_holds_what_is_queued_in_order(self, ledger: Ledger) -> None:
        queued = [
            dataclasses.replace(RECORD, run_id=f"fruits-{20 - n}", accepted_at=RECORD.accepted_at + n)
            for n in range(15)
        ]
        for record in reversed(queued):
            ledger.insert(record)
        assert list(ledger.queue()) == queued
        ledger.swap(queued[0], moved(queued[0], RunState.CLAIMED, 1.0))
        assert list(ledger.queue()) == queued[1:]

    def test_more_active_runs_than_fit_a_page_are_all_listed(self, ledger: Ledger) -> None:
        wide = "x" * 100_000  # DynamoDB's pages hold 1 MB
        for number in range(15):
            ledger.insert(dataclasses.replace(RECORD, run_id=f"fruits-{number}", message=wide))
        assert len(ledger.active()) == 15

    def test_admissions_are_swapped_by_who_saw_them_only(self, ledger: Ledger) -> None:
        empty = ledger.admissions()
        first = dataclasses.replace(
            empty, slots={"fruits-1": Slot(1.25, "2026-01-02")}, day="2026-01-02", committed_eur=1.25
        )
        assert ledger.swap_admissions(empty, first)
        assert not ledger.swap_admissions(empty, empty)
        seen = ledger.admissions()
        assert seen == dataclasses.replace(first, revision=seen.revision)
        assert ledger.swap_admissions(seen, dataclasses.replace(seen, slots={}))
        assert ledger.admissions().slots == {}

    def test_a_pause_is_kept_with_all_that_was_recorded_until_it_is_ended(self, ledger: Ledger) -> None:
        assert ledger.admissions().paused is None
        assert ledger.pause(PAUSE)
        assert ledger.admissions().paused == PAUSE
        assert ledger.resume() == PAUSE
        assert ledger.admissions().paused is None
        assert ledger.resume() is None

    def test_a_second_pause_leaves_the_first_as_it_is(self, ledger: Ledger) -> None:
        assert ledger.pause(Pause(1.5, "arn:aws:iam::1:user/ada"))
        assert not ledger.pause(PAUSE)
        assert ledger.admissions().paused == Pause(1.5, "arn:aws:iam::1:user/ada")

    def test_who_looked_before_a_pause_admits_nothing_after_it(self, ledger: Ledger) -> None:
        before = ledger.admissions()
        ledger.pause(PAUSE)
        assert not ledger.swap_admissions(before, dataclasses.replace(before, committed_eur=1.0))
        assert ledger.admissions() == Admissions(paused=PAUSE)

    def test_a_pause_outlasts_what_is_released_meanwhile(self, ledger: Ledger) -> None:
        first = ledger.admissions()
        assert ledger.swap_admissions(first, dataclasses.replace(first, committed_eur=1.0))
        ledger.pause(PAUSE)
        seen = ledger.admissions()
        assert ledger.swap_admissions(seen, dataclasses.replace(seen, paused=None, committed_eur=0.5))
        assert ledger.admissions().paused == PAUSE
        assert ledger.admissions().committed_eur == 0.5

    def test_a_resumed_ledger_admits_on(self, ledger: Ledger) -> None:
        ledger.pause(PAUSE)
        ledger.resume()
        seen = ledger.admissions()
        assert ledger.swap_admissions(seen, dataclasses.replace(seen, committed_eur=1.0))
        assert ledger.admissions().committed_eur == 1.0

    def test_of_many_who_pause_at_once_one_is_recorded(self, ledger: Ledger) -> None:
        pauses = [Pause(float(number), "arn:aws:iam::1:user/ada") for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(ledger.pause, pauses))
        assert told.count(True) == 1
        assert ledger.admissions().paused == pauses[told.index(True)]

    def test_what_runs_measured_is_swapped_by_who_saw_it_only(self, ledger: Ledger) -> None:
        nothing = ledger.measured()
        assert nothing == NOTHING_MEASURED
        first = nothing.with_run(
            MeasuredStart("r1", 6.5, 1.25), MeasuredRate("r1", "fast", "m5.xlarge", 40.0)
        )
        assert ledger.swap_measured(nothing, first)
        assert not ledger.swap_measured(nothing, first)
        seen = ledger.measured()
        assert seen == dataclasses.replace(first, revision=seen.revision)
        assert ledger.swap_measured(seen, seen.with_run(MeasuredStart("r2", 5.0, 1.0), None))
        assert [start.run_id for start in ledger.measured().starts] == ["r2", "r1"]

    def test_of_a_manifest_only_what_is_later_is_noted(self, ledger: Ledger) -> None:
        assert ledger.newest("manifests/a.json") is None
        assert ledger.note("manifests/a.json", Newest("2", deleted=False))
        assert ledger.note("manifests/a.json", Newest("2", deleted=False))
        assert not ledger.note("manifests/a.json", Newest("1", deleted=True))
        assert ledger.note("manifests/a.json", Newest("3", deleted=True))
        assert ledger.newest("manifests/a.json") == Newest("3", deleted=True)
        assert ledger.newest("manifests/b.json") is None


def test_measurements_that_cannot_be_read_are_left_aside(ministack: MiniStack) -> None:
    ledger, table = dynamo_ledger(ministack)
    good = {"run_id": "r1", "engine": "fast", "instance_type": "m5.xlarge"}
    spoiled: list[Any] = ["many", 0, -40, None, [40]]
    rates = [7, *({**good, "images_per_second_per_vcpu": rate} for rate in (*spoiled, 40))]
    starts = [{"run_id": "r1", "startup_minutes": -1, "steps_minutes": 2}]
    table.put_item(Item={"run_id": "#measured", "revision": 3, "rates": rates, "starts": starts})
    known = ledger.measured()
    assert known == Measured((MeasuredRate("r1", "fast", "m5.xlarge", 40.0),), (), 3)
    assert ledger.swap_measured(known, known)
    table.put_item(Item={"run_id": "#measured", "revision": "three", "starts": "none"})
    assert ledger.measured() == NOTHING_MEASURED


def test_a_pause_that_was_written_without_the_command_holds_too(ministack: MiniStack) -> None:
    ledger, table = dynamo_ledger(ministack)

    def write(paused: bool) -> None:
        item = {"Key": {"run_id": "#admissions"}, "UpdateExpression": "SET paused = :paused"}
        table.update_item(**item, ExpressionAttributeValues={":paused": paused})

    write(paused=True)
    seen = ledger.admissions()
    assert seen.paused == Pause()
    assert not ledger.pause(PAUSE)
    assert ledger.swap_admissions(seen, dataclasses.replace(seen, committed_eur=1.0))
    assert ledger.admissions().paused == Pause()
    write(paused=False)
    seen = ledger.admissions()
    assert seen.paused is None
    assert ledger.swap_admissions(seen, dataclasses.replace(seen, committed_eur=2.0))
    assert ledger.pause(PAUSE)


@pytest.mark.parametrize("paused", [{}, {"since": "yesterday"}, {"since": 10**30}, {"until": ""}], ids=str)
def test_a_pause_of_which_nothing_is_understood_holds_too(
    ministack: MiniStack, paused: dict[str, object]
) -> None:
    ledger, table = dynamo_ledger(ministack)
    item = {"Key": {"run_id": "#admissions"}, "UpdateExpression": "SET paused = :paused"}
    table.update_item(**item, ExpressionAttributeValues={":paused": paused})
    assert ledger.admissions().paused == Pause()


@pytest.mark.parametrize("paused", [None, False, 0, "", []], ids=repr)
def test_a_pause_that_was_ended_by_hand_in_whatever_way_is_over(ministack: MiniStack, paused: object) -> None:
    ledger, table = dynamo_ledger(ministack)
    table.put_item(Item={"run_id": "#admissions", "paused": paused})
    seen = ledger.admissions()
    assert seen.paused is None
    assert ledger.swap_admissions(seen, dataclasses.replace(seen, committed_eur=1.0))
    assert ledger.pause(PAUSE)
    assert ledger.admissions().paused == PAUSE


@pytest.mark.parametrize("eur", [None, "1,5", []], ids=str)
def test_a_slot_of_which_the_euros_are_not_understood_is_one(ministack: MiniStack, eur: object) -> None:
    ledger, table = dynamo_ledger(ministack)
    assert ledger.swap_admissions(ledger.admissions(), Admissions(slots={"r": Slot(1.5, "2026-01-01")}))
    item = {"Key": {"run_id": "#admissions"}, "UpdateExpression": "SET slots.r.eur = :eur"}
    table.update_item(**item, ExpressionAttributeValues={":eur": eur})
    assert ledger.admissions().slots == {"r": Slot(0.0, "2026-01-01")}
