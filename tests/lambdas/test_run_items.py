"""Records as items: of every release, of newer ones, damaged ones; none is lost when they are rewritten."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.ministack import MiniStack
from lambdas.aws.run_items import item_of, record_of, salvaged
from lambdas.contract.documents import UnreadableError
from lambdas.contract.run import Change, ClusterPhases, RunRecord, RunState, Setback, Telling, moved

from .test_ledger import RECORD, dynamo_ledger

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"
SAMPLES = sorted(path.stem for path in GOLDEN.glob("record-*.json"))


def item(name: str) -> dict[str, Any]:
    """The sample as boto3 gives it: every number a decimal."""
    read: dict[str, Any] = json.loads(
        (GOLDEN / f"{name}.json").read_text(), parse_float=Decimal, parse_int=Decimal
    )
    return read


@pytest.mark.parametrize("name", SAMPLES)
def test_records_of_every_release_are_read(name: str) -> None:
    record = record_of(item(name))
    assert (record.run_id, record.cluster_id) == ("fruits-0123456789ab", "j-0000000000000")
    assert (record.accepted_at, record.version) == (1000000.25, 1)


def test_what_older_records_lack_has_defaults() -> None:
    first, queue, listed = (record_of(item(name)) for name in SAMPLES[:3])
    assert (first.state, first.attempt, first.history, first.max_runtime_minutes) == (
        RunState.LAUNCHED, 1, (), 1440,
    )  # fmt: skip
    assert (queue.attempt, queue.instance_hours, queue.history[2]) == (
        2, None, Change(RunState.LAUNCHED, 1000002.5),
    )  # fmt: skip
    assert (listed.instance_hours, listed.actual_eur, listed.untold) == (0.5, 0.1, ())


def test_what_this_release_writes_is_among_the_samples() -> None:
    record = record_of(item(SAMPLES[-1]))
    assert (record.setback, record.untold) == (
        Setback(2, "ClientError: the topic is gone", 1000950.5), (Telling.MESSAGE,),
    )  # fmt: skip
    assert record.phases == ClusterPhases(1000002.5, 1000062.5, 1000102.5, 1000105.0)
    maybe = {"kind", "lease_until", "remedy", "stopping"}  # not written while they are None
    named = {field.name for field in dataclasses.fields(RunRecord)} - maybe - {"unknown"}
    assert set(item(SAMPLES[-1])) == named | {"active", "listed"}


@pytest.mark.parametrize(
    ("field", "value"), [("not_before", "tomorrow"), ("count", "3"), ("count", None), ("reason", Decimal(1))]
)
def test_a_garbled_setback_makes_its_record_unreadable_and_no_other(field: str, value: Any) -> None:
    garbled = item(SAMPLES[-1])
    garbled["setback"] = {**garbled["setback"], field: value}
    with pytest.raises(UnreadableError, match="setback of the run's record"):
        record_of(garbled)
    assert salvaged(garbled).setback is None


@pytest.mark.parametrize("value", [Decimal(-1), Decimal("1e18"), Decimal("-1e18")])
@pytest.mark.parametrize("field", ["accepted_at", "lease_until", "history", "setback", "phases"])
def test_what_is_no_time_of_this_age_makes_its_record_unreadable(field: str, value: Decimal) -> None:
    garbled = item(SAMPLES[-1])
    within = {
        "history": [{"state": "QUEUED", "at": value}],
        "setback": {"count": Decimal(1), "reason": "", "not_before": value},
        "phases": {"asked": value},
    }
    with pytest.raises(UnreadableError, match=f"{field} of the run's record"):
        record_of(garbled | {field: within.get(field, value)})


@pytest.mark.parametrize("name", SAMPLES)
def test_what_a_newer_release_wrote_survives_that_this_one_rewrites_the_record(name: str) -> None:
    newer = item(name) | {"priority": Decimal(7), "labels": {"team": ["a", Decimal("1.5")]}}
    rewritten = item_of(dataclasses.replace(record_of(newer), message="rewritten"))
    assert (rewritten["priority"], rewritten["labels"]) == (newer["priority"], newer["labels"])
    assert rewritten["message"] == "rewritten"
    assert record_of(rewritten) == dataclasses.replace(record_of(newer), message="rewritten")


def test_an_active_run_is_listed_by_its_state_until_its_end_is_told() -> None:
    assert item_of(RECORD)["active"] == "QUEUED"
    closed = dataclasses.replace(RECORD, state=RunState.FAILED, closed=True, untold=(Telling.STATUS,))
    assert item_of(closed)["active"] == "FAILED"
    assert "active" not in item_of(dataclasses.replace(closed, untold=()))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"version": Decimal(2)},
            "the run's record is of version 2, and this release reads up to 1: "
            "a newer release wrote it; deploy that one again",
        ),
        ({"version": "new"}, 'the run\'s record has no version but "new"'),
        ({"state": "ASLEEP"}, "state of the run's record cannot be 'ASLEEP'"),
        ({"accepted_at": "now"}, "accepted_at of the run's record cannot be 'now'"),
        ({"closed": "no"}, "closed of the run's record cannot be 'no'"),
        ({"manifest_key": Decimal(1)}, "manifest_key of the run's record cannot be '1'"),
        ({"history": [{}]}, "history of the run's record cannot be '[{}]'"),
        ({"setback": {"count": Decimal(1)}}, "setback of the run's record cannot be"),
        ({"dataset": None}, "the run's record lacks dataset"),
        *(
            ({"stopping": state}, f"stopping of the run's record cannot be '{state}'")
            for state in ("QUEUED", "CLAIMED", "LAUNCHED", "RUNNING")
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(changes: dict[str, Any], problem: str) -> None:
    damaged = {
        name: value for name, value in (item("record-3-listed") | changes).items() if value is not None
    }
    with pytest.raises(UnreadableError) as caught:
        record_of(damaged)
    assert str(caught.value).startswith(problem)


def test_what_can_be_read_of_a_damaged_record_is_salvaged_and_the_rest_kept() -> None:
    rest = salvaged(item("record-3-listed") | {"state": "ASLEEP", "version": Decimal(2), "new": "x"})
    assert (rest.run_id, rest.dataset, rest.attempt, rest.state) == (
        "fruits-0123456789ab", "fruits", 2, RunState.QUEUED,
    )  # fmt: skip
    assert rest.unknown == {"unreadable_state": "ASLEEP", "new": "x"}
    assert record_of(item_of(rest)) == rest


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers().map(Decimal), st.text(max_size=3), st.just([]), st.just({}),
    st.just([{}]), st.just([Decimal(1)]), st.just({"count": "x"}), st.just(Decimal("1.5")),
)  # fmt: skip


@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_record_is_read_or_refused_and_always_salvaged(name: str, data: st.DataObject) -> None:
    whole = item(name)
    damaged = whole | {data.draw(st.sampled_from(sorted(whole.keys() - {"run_id"}))): data.draw(VALUES)}
    try:
        record_of(damaged)
    except UnreadableError as error:
        assert "record" in str(error)  # noqa: PT017  # either is right
    assert record_of(item_of(salvaged(damaged))).run_id == whole["run_id"]


def test_a_record_that_is_not_understood_is_beside_those_that_are(ministack: MiniStack) -> None:
    ledger, table = dynamo_ledger(ministack)
    ledger.insert(RECORD)
    other = dataclasses.replace(RECORD, run_id="fruits-2")
    ledger.insert(other)
    table.update_item(
        Key={"run_id": "fruits-1"},
        UpdateExpression="SET version = :v, priority = :p",
        ExpressionAttributeValues={":v": 2, ":p": 7},
    )
    assert (ledger.active(), tuple(ledger.queue()), ledger.recent(5)) == ((other,),) * 3
    with pytest.raises(UnreadableError, match="is of version 2"):
        ledger.get("fruits-1")
    (unreadable,) = ledger.unreadable()
    stale = dataclasses.replace(unreadable, seen=99)
    assert not ledger.set_back(stale, Setback(2, "why", 5.0))
    assert ledger.set_back(unreadable, Setback(1, "why", 5.0, lasting=True))
    (unreadable,) = ledger.unreadable()
    assert (unreadable.salvaged.run_id, unreadable.salvaged.setback) == (
        "fruits-1", Setback(1, "why", 5.0, lasting=True),
    )  # fmt: skip
    failed = moved(unreadable.salvaged, RunState.FAILED, 6.0, reason="GIVEN_UP")
    assert not ledger.salvage(stale, failed)
    assert ledger.salvage(unreadable, failed)
    assert ledger.unreadable() == ()
    assert ledger.get("fruits-1") == dataclasses.replace(failed, revision=failed.revision + 1)
    assert failed.unknown["priority"] == 7


def test_the_very_first_records_which_counted_no_revisions_are_replaced_too(ministack: MiniStack) -> None:
    ledger, table = dynamo_ledger(ministack)
    table.put_item(Item=item("record-1-claimed"))
    seen = ledger.get("fruits-0123456789ab")
    assert seen is not None
    written = ledger.swap(seen, dataclasses.replace(seen, message="rewritten"))
    assert written == ledger.get("fruits-0123456789ab")
    assert ledger.swap(seen, seen) is None


def test_slots_are_read_whatever_else_stands_in_their_account(ministack: MiniStack) -> None:
    ledger, table = dynamo_ledger(ministack)
    assert ledger.swap_admissions(ledger.admissions(), ledger.admissions())
    table.update_item(
        Key={"run_id": "#admissions"},
        UpdateExpression="SET slots = :s, queue_depth = :d",
        ExpressionAttributeValues={":s": {"a": {"eur": 2, "day": "d", "new": 1}, "b": "?"}, ":d": 3},
    )
    seen = ledger.admissions()
    assert {run: slot.eur for run, slot in seen.slots.items()} == {"a": 2.0, "b": 0.0}
    assert ledger.swap_admissions(seen, dataclasses.replace(seen, slots={}))
    assert table.get_item(Key={"run_id": "#admissions"})["Item"]["queue_depth"] == 3
