"""Admission: which run may have a cluster now. Pure.

One value says who holds a cluster, what was committed today and how fast launches may follow. It is written
by compare-and-swap, so the caps hold at any moment, however many processes launch at once.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from lambdas.contract.run import is_workbench
from lambdas.contract.settings import Caps
from lambdas.contract.status import timestamp
from lambdas.runs.clocks import CLOCK_SKEW_SECONDS, SECONDS_A_DAY

LAUNCH_BURST = 5.0
"""Launches that may follow each other at once before the pace applies. EMR throttles RunJobFlow by a token
bucket of its own; this one stays well below it, so that people using the console are not throttled either."""


NOT_KNOWN_EUR = math.inf
"""As what was spent: all that was set aside stays committed."""


class Wait(StrEnum):
    """Why a run has to wait, as a sentence for people."""

    PAUSED = "Launching is paused for the whole stack."
    CLUSTERS = "As many clusters are running as the stack allows at once (fruits:maxClusters)."
    BUDGET = "What the stack may spend today is committed (fruits:maxEurPerDay); it goes on tomorrow (UTC)."
    DOOR = "Another workbench is open, and the stack has one door."
    PACE = "Launches are spaced out because EMR limits how fast clusters may be asked for."


FOR_A_PLACE = frozenset({Wait.CLUSTERS, Wait.BUDGET})
"""What a run that holds a slot does not wait for."""


@dataclass(frozen=True)
class Slot:
    """A run's place among the clusters, and the euros set aside for it on ``day`` (ISO 8601, UTC)."""

    eur: float
    day: str


@dataclass(frozen=True)
class Pause:
    """Launching is paused for the whole stack. What was not recorded is None: people may also write the item
    themselves."""

    since: float | None = None
    """Unix seconds."""
    by: str | None = None
    """ARN of whoever paused it."""
    reason: str | None = None

    @property
    def description(self) -> str:
        """``since 2026-01-02T03:04:05+00:00, by user/ada: an upgrade``."""
        since = f"since {timestamp(self.since)}" if self.since is not None else ""
        by = f"by {self.by.rpartition(':')[2]}" if self.by else ""
        known = ", ".join(filter(None, (since, by))) or "nobody recorded by whom"
        return f"{known}: {self.reason}" if self.reason else known


@dataclass(frozen=True)
class Admissions:
    """Who holds a cluster (by run id), and today's account. A slot is held from before the launch until after
    the run's end, across attempts: the cap counts clusters that may exist, not only those that were seen.
    Only a run that is left alone for a while, and has no cluster, gives it away before."""

    slots: Mapping[str, Slot] = field(default_factory=dict)
    day: str = ""
    committed_eur: float = 0.0
    tokens: float = LAUNCH_BURST
    refilled_at: float = 0.0
    paused: Pause | None = None
    """Set and ended by people, never by an admission."""
    revision: int = 0


def admit(admissions: Admissions, run_id: str, eur: float, now: float, caps: Caps) -> Admissions | Wait:
    """Give the run a slot, ``eur`` of today's budget and a launch token; or say why it has to wait.

    A run that holds a slot already only needs a token.
    """
    if admissions.paused is not None:
        return Wait.PAUSED
    admissions = _refilled(_on_day_of(now, admissions), now, caps)
    slots = admissions.slots
    if run_id not in slots:
        if is_workbench(run_id) and any(map(is_workbench, slots)):
            return Wait.DOOR
        if len(slots) >= caps.max_clusters:
            return Wait.CLUSTERS
        if admissions.committed_eur + eur > caps.max_eur_per_day:
            return Wait.BUDGET
    if admissions.tokens < 1:
        return Wait.PACE
    admissions = dataclasses.replace(admissions, tokens=admissions.tokens - 1)
    if run_id in slots:
        return admissions
    return dataclasses.replace(
        admissions,
        slots={**slots, run_id: Slot(eur, admissions.day)},
        committed_eur=admissions.committed_eur + eur,
    )


def release(admissions: Admissions, run_id: str, spent_eur: float) -> Admissions:
    """Free the run's slot; of today's budget only what was spent stays committed."""
    slot = admissions.slots.get(run_id)
    if slot is None:
        return admissions
    unspent = max(0.0, slot.eur - spent_eur) if slot.day == admissions.day else 0.0
    return dataclasses.replace(
        admissions,
        slots={name: kept for name, kept in admissions.slots.items() if name != run_id},
        committed_eur=admissions.committed_eur - unspent,
    )


def _on_day_of(now: float, admissions: Admissions) -> Admissions:
    day, tomorrow = (datetime.fromtimestamp(at, UTC).date().isoformat() for at in (now, now + SECONDS_A_DAY))
    if admissions.day > tomorrow:
        # A clock was far ahead. What was committed by it may be of today.
        return dataclasses.replace(admissions, day=day)
    # Not back again: clocks of two processes may disagree around midnight.
    return (
        admissions if day <= admissions.day else dataclasses.replace(admissions, day=day, committed_eur=0.0)
    )


def _refilled(admissions: Admissions, now: float, caps: Caps) -> Admissions:
    refilled_at = admissions.refilled_at
    if refilled_at > now + CLOCK_SKEW_SECONDS:  # by a clock that was wrong
        refilled_at = now
    elapsed = max(0.0, now - refilled_at)
    tokens = min(LAUNCH_BURST, admissions.tokens + elapsed * caps.launches_per_second)
    return dataclasses.replace(admissions, tokens=tokens, refilled_at=max(now, refilled_at))
