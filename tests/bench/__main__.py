"""Measure, print a table, write ``build/bench.json``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from lambdas.contract.plan import ModelArtifact, Plan, Source
from tests.bench import control, index
from tests.bench.bucket import BUCKET, serving
from tests.bench.pca import compare
from tests.bench.pictures import find_pictures, write_pictures
from tests.bench.projection import Projection, assumptions, project
from tests.bench.raw import raw_images_per_second
from tests.bench.steps import (
    SLOTS,
    BenchError,
    Measured,
    local_source,
    make_plan,
    packaged_model,
    run_step,
    shards_done,
)

PICTURES = Path("build/bench-pictures")
RESULT = Path("build/bench.json")
SCALES = (2_000, 10_000, 38_000)
ROUNDS = 3
REFERENCE_IMAGES = 5_000
LATENCY_IMAGES = 2_000
LATENCY_MS = 30
TINY_IMAGES = SLOTS
RAW_SECONDS = 10.0
INDEX_ENTRIES = (10_000, 1_000_000)
PROJECTED_IMAGES = (90_483, 10_000_000)


@dataclass(frozen=True)
class Figure:
    """One line of the table; ``bar`` is what was aimed at, ``at_least`` says in which direction."""

    name: str
    value: float
    bar: float | None = None
    at_least: bool = True

    @property
    def verdict(self) -> str:
        if self.bar is None:
            return ""
        met = self.value >= self.bar if self.at_least else self.value <= self.bar
        return "met" if met else "MISSED"


@dataclass(frozen=True)
class Round:
    """A run of few images and one of many, and the rate of the ceiling meanwhile."""

    few: Measured
    many: Measured
    ceiling: float

    @property
    def fraction(self) -> float:
        """The rate of the images that one run has more than the other, over the ceiling."""
        images = self.many.images - self.few.images
        return images / (self.many.step_seconds - self.few.step_seconds) / self.ceiling


class Bench:
    """The pictures, the model and a folder for the runs; every method measures something."""

    def __init__(self, pictures: Path, paths: list[Path], model: ModelArtifact, scratch: Path) -> None:
        self._pictures = pictures
        self._paths = paths
        self._model = model
        self._scratch = scratch
        self._runs = 0

    def plan(self, images: int, engine: str = "fast", source: Source | None = None) -> Plan:
        """A new run of the first ``images`` pictures."""
        self._runs += 1
        chosen = source or local_source(self._pictures, self._paths[:images])
        return make_plan(self._scratch / str(self._runs), self._model, chosen, images, engine)

    def featurize(self, images: int, engine: str = "fast") -> Measured:
        return finished(run_step(self.plan(images, engine)))

    def raw(self) -> float:
        """Images a second of bare LiteRT on all slots."""
        return raw_images_per_second(Path(self._model.uri.removeprefix("file://")), RAW_SECONDS, SLOTS)

    def scaling(self) -> list[Figure]:
        """Rates at growing scales, and the marginal one as a share of the ceiling."""
        fixed = self.featurize(TINY_IMAGES)
        few, many, most = (min(scale, len(self._paths)) for scale in SCALES)
        rounds = [self._round(few, many) for _ in range(ROUNDS)]
        largest = self.featurize(most)
        per_image = {
            few: median(each.few.step_seconds for each in rounds) / few,
            many: median(each.many.step_seconds for each in rounds) / many,
            most: largest.step_seconds / most,
        }
        peaks = [measured.peak_worker_mb for each in rounds for measured in (each.few, each.many)]
        figures = [
            Figure("featurize.images_per_second", 1 / per_image[most]),
            Figure("raw.images_per_second", median(each.ceiling for each in rounds)),
            Figure("featurize.fixed_seconds", fixed.step_seconds, 6, at_least=False),
            Figure("worker.peak_rss_mb", max(*peaks, largest.peak_worker_mb)),
        ]
        if few < many:
            fractions = sorted(each.fraction for each in rounds)
            figures += [
                Figure("featurize.fraction_of_raw", median(fractions), 0.90),
                Figure("featurize.fraction_of_raw.lowest", fractions[0]),
                Figure("featurize.fraction_of_raw.highest", fractions[-1]),
            ]
        figures += [Figure(f"scaling.seconds_per_image.{images}", each) for images, each in per_image.items()]
        if many < most:
            growth = per_image[most] / per_image[many]
            figures.append(Figure("scaling.largest_over_middle", growth, 1.05, at_least=False))
        return figures

    def _round(self, few: int, many: int) -> Round:
        """Two runs between three measurements of the ceiling, a minute in all: machines have moods."""
        before = self.raw()
        short = self.featurize(few)
        between = self.raw()
        long = self.featurize(many)
        return Round(short, long, mean([before, between, self.raw()]))

    def ratio_vs_reference(self) -> list[Figure]:
        """Fast, reference, fast on the same images: both sides of the reference count."""
        images = min(REFERENCE_IMAGES, len(self._paths))
        before = self.featurize(images)
        reference = self.featurize(images, "reference")
        fast = mean([before.step_seconds, self.featurize(images).step_seconds])
        return [Figure("featurize.ratio_vs_reference", reference.step_seconds / fast, 6)]

    def latency_fraction(self) -> list[Figure]:
        """Throughput over the same endpoint with a delay, over without; alternated."""
        images = min(LATENCY_IMAGES, len(self._paths))
        keys = tuple(path.relative_to(self._pictures).as_posix() for path in self._paths[:images])
        source = Source(f"s3://{BUCKET}/", keys)
        seconds: dict[int, list[float]] = {0: [], LATENCY_MS: []}
        for delay in (0, LATENCY_MS, LATENCY_MS, 0):
            with serving(self._pictures, delay) as environment:
                run = finished(run_step(self.plan(images, source=source), environment))
            seconds[delay].append(run.step_seconds)
        return [Figure("featurize.latency_fraction", mean(seconds[0]) / mean(seconds[LATENCY_MS]), 0.95)]

    def recomputed_fraction(self) -> list[Figure]:
        """Kill a run when half of its shards are done, run it again, and see what was computed again."""
        images = min(SCALES[0], len(self._paths))
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


def pca_figures() -> list[Figure]:
    """Our PCA against MLlib's."""
    figures = compare()
    return [
        Figure("pca.ratio_vs_mllib", figures.mllib_seconds / figures.ours_seconds, 4),
        Figure("pca.seconds", figures.ours_seconds),
        Figure("pca.max_variance_error", figures.max_variance_error, 1e-9, at_least=False),
    ]


def control_figures() -> list[Figure]:
    """How soon a cluster is asked for."""
    seconds = control.upload_to_launch()
    return [
        Figure("control.upload_to_launch_p50_seconds", control.percentile(seconds, 50)),
        Figure("control.upload_to_launch_p95_seconds", control.percentile(seconds, 95), 2, at_least=False),
    ]


def index_figures() -> list[Figure]:
    """Driver memory over two orders of magnitude."""
    return [Figure(f"index.driver_mb.{entries}", index.peak_mb(entries)) for entries in INDEX_ENTRIES]


def show(console: Console, figures: list[Figure], projections: list[Projection]) -> None:
    """Print everything."""
    table = Table("figure", "value", "bar", "")
    for figure in figures:
        sign = "" if figure.bar is None else f"{'>=' if figure.at_least else '<='} {figure.bar:.3g}"
        table.add_row(figure.name, f"{figure.value:.4g}", sign, figure.verdict)
    console.print(table)
    for projection in projections:
        console.print(
            f"{projection.images:,} images on the default cluster: {projection.hours:.1f} h, "
            f"{projection.euros:.2f} EUR"
        )
    console.print("assuming: " + "; ".join(assumptions()))


def main() -> int:
    """Measure everything; the exit code says whether it could be measured, not whether bars were met."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of JPEGs; generated ones otherwise")
    parser.add_argument("--images", type=int, default=SCALES[-1], help="generate and use at most this many")
    options = parser.parse_args()
    folder = (options.data or PICTURES).resolve()
    found = find_pictures(folder) if options.data else write_pictures(folder, options.images)
    console = Console(width=100)
    with TemporaryDirectory(prefix="fruits-bench-") as scratch:
        bench = Bench(folder, found[: options.images], packaged_model(Path("build/model")), Path(scratch))
        figures: list[Figure] = []
        for measure in (
            control_figures,
            index_figures,
            pca_figures,
            bench.recomputed_fraction,
            bench.latency_fraction,
            bench.ratio_vs_reference,
            bench.scaling,
        ):
            for figure in measure():
                figures.append(figure)
                console.print(f"{figure.name} {figure.value:.4g}", style="dim")
    rate = {figure.name: figure.value for figure in figures}["featurize.images_per_second"] / SLOTS
    projections = [project(images, rate) for images in PROJECTED_IMAGES]
    show(console, figures, projections)
    result = {
        "cores": os.cpu_count(),
        "images": len(found[: options.images]),
        "figures": {figure.name: figure.value for figure in figures},
        "bars": {figure.name: figure.bar for figure in figures if figure.bar is not None},
        "projections": [dataclasses.asdict(projection) for projection in projections],
        "assumptions": assumptions(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    console.print(f"written to {RESULT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
