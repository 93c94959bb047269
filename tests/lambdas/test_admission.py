"""Admission: the caps hold, slots come back, launches are paced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.settings import Caps
from lambdas.contract.status import timestamp
from lambdas.runs.admission import LAUNCH_BURST, Admissions, Pause, Wait, admit, release

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
