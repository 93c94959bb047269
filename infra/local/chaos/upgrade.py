"""An upgrade in the middle of the load test: an older release is at work first, then both, then today's."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from infra.local.chaos import traces
from infra.local.chaos.person import cancels
from infra.local.cloud import LocalCloud
from infra.package import LAMBDAS
from lambdas.contract.run import NOT_LAUNCHED, ON_CLUSTER, RunState

PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.2
_Event = TypeVar("_Event")
_OLDER_ALONE = "invocation of the older release"
_OLDER_BESIDE = "invocation of the older release beside the newer"
_UPGRADED = "function upgraded in the middle"
_WAITED = "run of the older release that waited when the upgrade began"
_COMPUTED = "run of the older release that computed when the upgrade began"


@dataclass
class Upgrade:
    """One upgrade of a running local cloud, which has an older release, to what ``build`` holds."""

    cloud: LocalCloud
    build: Path
    seed: int
    log: Callable[[str], None]
    cancelled: set[str] = field(default_factory=set)
    """Runs of the older release that a person cancels while both are at work."""

    def __post_init__(self) -> None:
        order = [*LAMBDAS]
        random.Random(self.seed + 4).shuffle(order)  # noqa: S311  # repeatable on purpose
        self.order = order
        """In which the functions get the newer code. AWS promises none."""
        self._older = set(LAMBDAS)
        self._seen: Counter[str] = Counter()
        self._began_at = self.ended_at = math.inf
        """Unix seconds."""

    @property
    def has_begun(self) -> bool:
        """Whether anything of the newer release is there."""
        return time.time() >= self._began_at

    @property
    def has_ended(self) -> bool:
        """Whether the newer release is at work alone."""
        return time.time() >= self.ended_at

    def amid(self, events: Sequence[_Event]) -> Iterator[Sequence[_Event]]:
        """The events in four parts: of the older release alone, beside one newer function, two, and none.

        All is upgraded when the last part is asked for.
        """
        size = math.ceil(len(events) / (1 + len(self.order)))
        parts = [events[start : start + size] for start in range(0, len(events), size)]
        yield parts.pop(0)
        self.log(f"{size} deliveries made to the older release; upgrading it")
        left = self._at_work()
        self._began_at = time.time()
        self._seen[_WAITED] = sum(state in NOT_LAUNCHED for state in left.values())
        self._seen[_COMPUTED] = sum(state in ON_CLUSTER for state in left.values())
        self._cancel_one_of(sorted(left, key=lambda run_id: left[run_id] in NOT_LAUNCHED))
        updates = self.cloud.upgrade(self.build)
        for function in self.order:
            if function == self.order[-1]:
                self._await_an_end()
            updates[function]()
            self._older.discard(function)
            self.log(f"upgraded: {function}")
            self._seen[_UPGRADED] += 1
            if not self._older:
                self.ended_at = time.time()
            yield parts.pop(0) if parts else ()

    def invoked(self, function: str) -> None:
        """The load test invokes a function."""
        if function in self._older:
            self._seen[_OLDER_ALONE if len(self._older) == len(LAMBDAS) else _OLDER_BESIDE] += 1

    def effects(self) -> dict[str, int]:
        """How often each thing took effect that belongs to the upgrade."""
        seen = (_OLDER_ALONE, _OLDER_BESIDE, _UPGRADED, _WAITED, _COMPUTED)
        return {
            **{what: self._seen[what] for what in seen},
            "cluster that ended during the upgrade": self._ended_amid(),
            "run of the older release cancelled during the upgrade": len(self.cancelled),
        }

    def _ended_amid(self) -> int:
        """Clusters that ended since the upgrade began, and before it was over."""
        ends = [lifetime.ended_at or math.inf for lifetime in self.cloud.recorder.lifetimes]
        return sum(self._began_at < at < self.ended_at for at in ends)

    def _await_an_end(self) -> None:
        """Both releases stay at work until a cluster ended under them, or for a while."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._ended_amid() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _at_work(self) -> dict[str, RunState]:
        """The older release's runs as soon as some wait and some compute, or as they are after a while."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            left = traces.left_by_older(self.cloud)
            states = {*left.values()}
            if (states & NOT_LAUNCHED and states & ON_CLUSTER) or time.monotonic() > deadline:
                return left
            time.sleep(POLL_SECONDS)

    def _cancel_one_of(self, runs: Sequence[str]) -> None:
        """As a person does who has the newer commands already. Some may have ended when they come to it, or
        are being stopped for another reason."""
        for run_id in runs:
            if cancels(self.cloud, run_id):
                self.cancelled.add(run_id)
                return
