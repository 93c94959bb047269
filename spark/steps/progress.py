"""Where a step is: progress object, human lines, phase times, and the watchdog of the run-time limit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from lambdas.contract.plan import Plan
from lambdas.contract.report import Progress
from spark.datasets.object_store import Store, write
from spark.errors import StepFailedError
from spark.steps.shard_stats import ShardStats

TICK_SECONDS = 2.0
"""Between two writes of the progress object; each costs a request."""
LINE_EVERY_TICKS = 5
CANCEL_AGAIN_SECONDS = 0.1
"""A cancellation reaches only the jobs that run at that moment; the step may be about to start one."""

log = logging.getLogger(__name__)


class StepMonitor:
    """Watches a step from a thread of its own, as a context manager.

    Every tick it rewrites the progress object and, once ``plan.max_runtime_minutes`` have passed since
    the step began, calls ``cancel`` until the step gives up; leaving the context then raises a
    :class:`StepFailedError` that says so.
    """

    def __init__(self, store: Store, plan: Plan, step: str, cancel: Callable[[], None]) -> None:
        self._store = store
        self._plan = plan
        self._step = step
        self._cancel = cancel
        self._began = time.monotonic()
        self._phase = "starting"
        self._counting_began = self._began
        self._total = 0
        self._count: Callable[[], ShardStats] = ShardStats
        self._expired = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="step-monitor", daemon=True)
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> StepMonitor:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._publish()
        self.seconds["total"] = round(time.monotonic() - self._began, 3)
        if self._expired and error is not None:
            limit = self._plan.max_runtime_minutes
            raise StepFailedError(
                "user",
                f"{self._step} was stopped after limits.max_runtime_minutes = {limit}",
                "raise that limit, choose a larger cluster, or split the images over several manifests",
            ) from error

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Name what is being done, and measure its wall time in seconds."""
        self._phase = name
        began = time.monotonic()
        log.info("%s: %s", self._step, name)
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - began, 3)

    def track(self, total: int, count: Callable[[], ShardStats]) -> None:
        """Report images from now on: ``count`` tells what is done of ``total`` images."""
        self._total, self._count = total, count
        self._counting_began = time.monotonic()

    def _watch(self) -> None:
        tick = 0
        while not self._stop.is_set():
            if time.monotonic() - self._began > self._plan.max_runtime_minutes * 60:
                self._expired = True
                self._cancel()
                self._stop.wait(CANCEL_AGAIN_SECONDS)
                continue
            self._publish()
            if tick % LINE_EVERY_TICKS == 0:
                self._say()
            tick += 1
            self._stop.wait(TICK_SECONDS)

    def _progress(self) -> Progress:
        so_far = self._count()
        now = time.monotonic()
        return Progress(
            run_id=self._plan.run_id,
            step=self._step,
            phase=self._phase,
            # A task that Spark ran twice is counted twice.
            images_done=min(so_far.images, self._total),
            images_total=self._total,
            images_quarantined=so_far.quarantined,
            images_per_second=round(so_far.computed / max(now - self._counting_began, 1e-3), 1),
            elapsed_seconds=round(now - self._began, 1),
            task_seconds=so_far.rounded_seconds(),
            store_retries=so_far.retries,
            slowest_shards=so_far.slowest,
        )

    def _say(self) -> None:
        at = self._progress()
        if at.images_total:
            log.info(
                "%s: %d of %d images, %.1f images/s, %d quarantined",
                at.step, at.images_done, at.images_total, at.images_per_second, at.images_quarantined,
            )  # fmt: skip

    def _publish(self) -> None:
        try:
            write(self._store, self._plan.layout.progress, self._progress().to_json().encode())
        except StepFailedError as failure:  # progress is for people; the work goes on without it
            log.warning("progress not written: %s", failure)
