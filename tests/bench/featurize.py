"""The featurize step by itself: how its time grows, what is lost to waiting, what a killed run costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from lambdas.contract.plan import ModelArtifact, Plan, Source
from tests.bench.bucket import BUCKET, serving
from tests.bench.figures import ROUNDS, Figure, in_turns, spread
from tests.bench.machine import Machine
from tests.bench.raw import raw_images_per_second
from tests.bench.steps import SLOTS, BenchError, Measured, local_source, make_plan, run_step, shards_done

SCALES = (2_000, 10_000, 38_000)
LATENCY_IMAGES = 8_550
LATENCY_MS = 30
TINY_IMAGES = SLOTS
RAW_SECONDS = 10.0
WHOLE_OF_RAW = {"AVX-512": 0.93, "AVX2": 0.91}
"""Bars of a whole step over the bare network. The faster that is, the more weighs what is beside it; but on
AVX2 what is beside it is slower, too."""


@dataclass(frozen=True)
class Round:
    """Runs of few, many and most images, and the rate of the ceiling meanwhile."""

    runs: tuple[Measured, ...]
    ceiling: float

    @property
    def marginal(self) -> float:
        """The rate of the images that the second run has more than the first, over the ceiling."""
        few, many, _ = self.runs
        return (many.images - few.images) / (many.step_seconds - few.step_seconds) / self.ceiling

    @property
    def growth(self) -> float:
        """Seconds an image of the last run, over those of the one before."""
        _, many, most = self.runs
        return most.step_seconds / most.images / (many.step_seconds / many.images)

    @property
    def whole(self) -> float:
        """The rate of the last run, from session to published, over the ceiling."""
        return self.runs[-1].images / self.runs[-1].step_seconds / self.ceiling

    @property
    def whole_process(self) -> float:
        """The same with the start of Python and JVM."""
        return self.runs[-1].images / self.runs[-1].wall_seconds / self.ceiling


class Bench:
    """The pictures, the model and a folder for the runs; every method measures something."""

    def __init__(self, pictures: Path, paths: list[Path], model: ModelArtifact, scratch: Path) -> None:
        self.paths = paths
        self.model = model
        self.scratch = scratch
        self._pictures = pictures
        self._runs = 0

    def plan(self, images: int, engine: str = "fast", source: Source | None = None) -> Plan:
        """A new run of the first ``images`` pictures."""
        self._runs += 1
        chosen = source or local_source(self._pictures, self.paths[:images])
        return make_plan(self.scratch / str(self._runs), self.model, chosen, images, engine)

    def featurize(self, images: int, engine: str = "fast") -> Measured:
        """A run from start to end."""
        return finished(run_step(self.plan(images, engine)))

    def raw(self) -> float:
        """Images a second of bare LiteRT on all slots."""
        return raw_images_per_second(Path(self.model.uri.removeprefix("file://")), RAW_SECONDS, SLOTS)

    def fixed(self) -> list[Figure]:
        """What a run of two images takes."""
        seconds = [self.featurize(TINY_IMAGES).step_seconds for _ in range(ROUNDS)]
        return spread("featurize.fixed_seconds", seconds, 2, at_least=False)

    def scaling(self) -> list[Figure]:
        """Rates at growing scales, and as a share of the ceiling."""
        scales = sorted({min(scale, len(self.paths)) for scale in SCALES})
        if len(scales) < len(SCALES):
            raise BenchError(f"for this row there must be more than {SCALES[1]:,} pictures")
        rounds = [self._round(scales) for _ in range(ROUNDS)]
        by_scale = dict(zip(scales, zip(*(each.runs for each in rounds), strict=True), strict=True))
        per_image = {
            scale: median(run.step_seconds / scale for run in runs) for scale, runs in by_scale.items()
        }
        return [
            Figure("featurize.images_per_second", 1 / per_image[scales[2]]),
            Figure("raw.images_per_second", median(each.ceiling for each in rounds)),
            Figure("worker.peak_rss_mb", max(run.peak_worker_mb for each in rounds for run in each.runs)),
            *spread("featurize.fraction_of_raw", [each.marginal for each in rounds], 0.90),
            *spread("featurize.whole_fraction_of_raw", [each.whole for each in rounds], _whole_bar()),
            *spread("featurize.process_fraction_of_raw", [each.whole_process for each in rounds]),
            *(Figure(f"scaling.seconds_per_image.{images}", each) for images, each in per_image.items()),
            *spread("scaling.largest_over_middle", [each.growth for each in rounds], 1.02, at_least=False),
        ]

    def _round(self, scales: list[int]) -> Round:
        """Runs between measurements of the ceiling: machines have moods."""
        ceilings, runs = [self.raw()], []
        for scale in scales:
            runs.append(self.featurize(scale))
            ceilings.append(self.raw())
        return Round(tuple(runs), mean(ceilings))

    def latency_fraction(self) -> list[Figure]:
        """Throughput over the same endpoint with a delay, over without."""
        images = min(LATENCY_IMAGES, len(self.paths))
        keys = tuple(path.relative_to(self._pictures).as_posix() for path in self.paths[:images])
        source = Source(f"s3://{BUCKET}/", keys)

        def seconds(delay_ms: int) -> float:
            with serving(self._pictures, delay_ms) as environment:
                return finished(run_step(self.plan(images, source=source), environment)).step_seconds

        turns = in_turns(lambda: seconds(LATENCY_MS), lambda: seconds(0))
        return turns.figures("featurize.latency_fraction", 0.98)

    def recomputed_fraction(self) -> list[Figure]:
        """Kill a run when half of its shards are done, run it again, and see what was computed again."""
        images = min(SCALES[0], len(self.paths))
        plan = self.plan(images)
        shards = -(-images // plan.shard_images)
        if run_step(plan, kill_when=lambda: shards_done(plan) >= shards // 2) is not None:
            raise BenchError("the run ended before half of its shards were seen done")
        metrics = finished(run_step(plan)).report.featurize
        if metrics is None:
            raise BenchError("the step reported no metrics")
        bar = 0.5 + SLOTS / shards
        return [Figure("resume.recomputed_fraction", metrics.images_computed / images, bar, at_least=False)]


def finished(measured: Measured | None) -> Measured:
    """What was measured, of a run that nobody killed."""
    if measured is None:
        raise BenchError("the run was killed")
    return measured


def _whole_bar() -> float | None:
    return WHOLE_OF_RAW.get(Machine.here().vectors)
