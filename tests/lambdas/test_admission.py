"""Admission: the caps hold, slots come back, launches are paced."""

from __future__ import annotations

import dataclasses
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.settings import Caps
from lambdas.contract.status import timestamp
from lambdas.runs.admission import LAUNCH_BURST, Admissions, Pause, Slot, Wait, admit, release
from lambdas.runs.clocks import CLOCK_SKEW_SECONDS

NOON = 1_767_355_200.0
DAY = 24 * 3600.0
CAPS = Caps(max_clusters=2, max_eur_per_day=10.0, launches_per_second=0.5)


def admitted(admissions: Admissions, run_id: str, eur: float = 1.0, now: float = NOON) -> Admissions:
    after = admit(admissions, run_id, eur, now, CAPS)
    assert isinstance(after, Admissions)
    return after


def test_a_run_above_the_cluster_cap_waits_until_a_slot_is_free() -> None:
    full = admitted(admitted(Admissions(), "a"), "b")
    assert admit(full, "c", 1.0, NOON, CAPS) is Wait.CLUSTERS
    assert "c" in admitted(release(full, "a", 1.0), "c").slots


def test_a_run_above_the_budget_waits_for_the_next_day() -> None:
    spent = admitted(Admissions(), "a", eur=9.5)
    assert admit(spent, "b", 1.0, NOON, CAPS) is Wait.BUDGET
    assert admitted(spent, "b", now=NOON + DAY).committed_eur == 1.0


def test_what_an_ended_run_did_not_spend_is_free_again_on_the_same_day() -> None:
    spent = release(admitted(Admissions(), "a", eur=9.5), "a", spent_eur=0.5)
    assert spent.committed_eur == 0.5
    admitted(spent, "b", eur=9.5)


def test_what_was_reserved_yesterday_does_not_lower_todays_account() -> None:
    tomorrow = admitted(admitted(Admissions(), "a", eur=9.0), "b", eur=9.0, now=NOON + DAY)
    assert release(tomorrow, "a", spent_eur=0.0).committed_eur == 9.0


def test_nothing_is_admitted_while_launching_is_paused() -> None:
    assert admit(Admissions(paused=Pause()), "a", 1.0, NOON, CAPS) is Wait.PAUSED


def test_a_run_with_a_slot_needs_only_a_token() -> None:
    full = admitted(admitted(Admissions(), "a"), "b")
    again = admitted(full, "a")
    assert (again.slots, again.committed_eur) == (full.slots, full.committed_eur)
    assert again.tokens == full.tokens - 1


def test_launches_are_paced_after_a_burst() -> None:
    admissions = Admissions(refilled_at=NOON)
    for _ in range(int(LAUNCH_BURST)):
        admissions = admitted(admissions, "a")
    assert admit(admissions, "a", 1.0, NOON, CAPS) is Wait.PACE
    admitted(admissions, "a", now=NOON + 2)


@pytest.mark.parametrize(
    ("pause", "said"),
    [
        (
            Pause(NOON, "arn:aws:sts::123456789012:assumed-role/Operator/ada", "an upgrade"),
            f"since {timestamp(NOON)}, by assumed-role/Operator/ada: an upgrade",
        ),
        (Pause(NOON, "arn:aws:iam::123456789012:user/ada"), f"since {timestamp(NOON)}, by user/ada"),
        (Pause(), "nobody recorded by whom"),
    ],
)
def test_a_pause_is_described_as_far_as_it_was_recorded(pause: Pause, said: str) -> None:
    assert pause.description == said


def test_a_slot_holds_what_was_set_aside_and_on_which_day() -> None:
    after = admitted(Admissions(), "a", eur=2.5)
    assert after.slots == {"a": Slot(2.5, "2026-01-02")}
    assert (after.day, after.committed_eur, after.tokens, after.refilled_at) == ("2026-01-02", 2.5, 4.0, NOON)


def test_the_caps_themselves_may_be_reached() -> None:
    exactly = admitted(Admissions(), "a", eur=10.0)
    assert exactly.committed_eur == 10.0
    assert admit(exactly, "b", 0.01, NOON, CAPS) is Wait.BUDGET
    assert set(admitted(exactly, "b", eur=0.0).slots) == {"a", "b"}


def test_the_cluster_cap_goes_before_the_budget_and_both_before_the_pace() -> None:
    spent = dataclasses.replace(admitted(admitted(Admissions(), "a", eur=10.0), "b", eur=0.0), tokens=0.0)
    assert admit(spent, "c", 1.0, NOON, CAPS) is Wait.CLUSTERS
    assert admit(release(spent, "b", 0.0), "c", 1.0, NOON, CAPS) is Wait.BUDGET
    assert admit(release(spent, "b", 0.0), "c", 0.0, NOON, CAPS) is Wait.PACE


def test_a_run_that_waits_costs_nothing() -> None:
    no_token = Admissions(tokens=0.5, refilled_at=NOON)
    assert admit(no_token, "a", 1.0, NOON, CAPS) is Wait.PACE
    assert admitted(no_token, "a", now=NOON + 1).tokens == 0.0


def test_an_account_of_another_day_starts_anew_and_a_clock_behind_midnight_does_not() -> None:
    today = admitted(Admissions(), "a", eur=6.0)
    assert admit(today, "b", 6.0, NOON, CAPS) is Wait.BUDGET
    tomorrow = admitted(today, "b", eur=6.0, now=NOON + DAY)
    assert (tomorrow.day, tomorrow.committed_eur) == ("2026-01-03", 6.0)
    late = admitted(release(tomorrow, "a", 6.0), "c", now=NOON)
    assert (late.day, late.committed_eur, late.slots["c"].day) == ("2026-01-03", 7.0, "2026-01-03")


def test_a_clock_that_was_a_year_ahead_stops_nothing() -> None:
    ahead = admitted(Admissions(), "a", eur=6.0, now=NOON + 365 * DAY)
    assert admit(ahead, "b", 6.0, NOON, CAPS) is Wait.BUDGET  # what was set aside may be of today
    today = admitted(dataclasses.replace(ahead, tokens=1.0), "b", eur=1.0, now=NOON)
    assert (today.day, today.committed_eur, today.refilled_at) == ("2026-01-02", 7.0, NOON)
    assert admit(today, "b", 0.0, NOON, CAPS) is Wait.PACE
    assert admitted(today, "b", now=NOON + 2).tokens == 0.0
    tomorrow = admitted(release(today, "a", 0.0), "c", eur=6.0, now=NOON + DAY)
    assert (tomorrow.day, tomorrow.committed_eur) == ("2026-01-03", 6.0)


def test_a_clock_that_is_no_further_ahead_than_two_may_differ_is_believed() -> None:
    ahead = Admissions(tokens=2.0, refilled_at=NOON + CLOCK_SKEW_SECONDS)
    assert admitted(ahead, "a").refilled_at == NOON + CLOCK_SKEW_SECONDS
    assert admitted(ahead, "a", now=NOON - 1).refilled_at == NOON - 1


def test_a_day_is_one_of_utc_wherever_the_program_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "XXX-14")
        time.tzset()
        assert admitted(Admissions(), "a").day == "2026-01-02"
    time.tzset()


def test_time_fills_the_bucket_no_higher_than_the_burst_and_never_empties_it() -> None:
    spent = Admissions(tokens=1.0, refilled_at=NOON)
    assert admitted(spent, "a", now=NOON + 4).tokens == 2.0
    assert admitted(spent, "a", now=NOON + DAY).tokens == LAUNCH_BURST - 1
    behind = admitted(spent, "a", now=NOON - 100)
    assert (behind.tokens, behind.refilled_at) == (0.0, NOON)


def test_release_frees_one_slot_and_leaves_what_was_spent() -> None:
    both = admitted(admitted(Admissions(), "a", eur=3.0), "b", eur=2.0)
    after = release(both, "a", spent_eur=1.0)
    assert (set(after.slots), after.committed_eur) == ({"b"}, 3.0)
    assert release(both, "a", spent_eur=9.0).committed_eur == 5.0
    assert release(both, "unknown", spent_eur=1.0) is both


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "release"]),
        st.sampled_from("abcdef"),
        st.floats(0, 6),
        st.floats(0, DAY / 3),
    ),
    max_size=60,
)


@given(EVENTS)
def test_no_history_exceeds_a_cap(events: list[tuple[str, str, float, float]]) -> None:
    admissions, now = Admissions(), NOON
    launches: list[float] = []
    for what, run_id, eur, pause in events:
        now += pause
        if what == "release":
            admissions = release(admissions, run_id, eur)
            continue
        after = admit(admissions, run_id, eur, now, CAPS)
        if isinstance(after, Wait):
            continue
        launches.append(now)
        admissions = after
        assert len(admissions.slots) <= CAPS.max_clusters
        assert admissions.committed_eur <= CAPS.max_eur_per_day + 1e-9
        today = [slot.eur for slot in admissions.slots.values() if slot.day == admissions.day]
        assert sum(today) <= admissions.committed_eur + 1e-9
    for start, first in enumerate(launches):
        for count, last in enumerate(launches[start:], start=1):
            assert count <= LAUNCH_BURST + (last - first) * CAPS.launches_per_second + 1e-6
