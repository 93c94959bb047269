"""``make report-quality``: which of the faults that are planted into real photos does the report find?

The classes are split into two halves by turns. The report's thresholds do well on the first; the second
judges them. Each half is a data set of its own, with components of its own. docs/report.md has the table.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lambdas.contract.model_package import DESCRIPTION, ModelPackage
from lambdas.contract.plan import PcaSpec
from lambdas.report.analysis import NEIGHBOURS
from lambdas.report.labels import Misfits, misfits
from lambdas.report.neighbours import nearest, unit
from lambdas.report.pictures import grey_of
from lambdas.report.same_views import alike_pictures
from spark.components.exact_pca import Moments, fit
from spark.features.model import FeatureExtractor
from spark.images.decoding import Pixels, decode
from spark.images.resize import compiled_bicubic
from tests.bench.pictures import find_pictures
from tests.bench.planting import COPIES, KINDS, foreign_pictures

SEEDS = range(5)
COPIED = 50
FOREIGN = 20
OF_A_KIND = 4
FEW_CLASSES, FEW_FOREIGN = 5, 6
SWAPPED = 0.01
IMAGE_SIZE = 224
COMPONENTS = 50
RUN_LENGTHS = (3, 6, 10)
RUNS = 8
SMALL_CLASSES = (15, 6)


@dataclass(frozen=True)
class Sample:
    """Real photos: files, features float32 [n, 1280], small grey pictures, labels int [n]; and drawn ones."""

    files: list[Path]
    features: np.ndarray
    greys: np.ndarray
    labels: np.ndarray
    drawn: np.ndarray

    def half(self, number: int) -> np.ndarray:
        """Rows of every other class."""
        return np.flatnonzero(self.labels % 2 == number)


@dataclass
class Score:
    """Of several data sets: what was planted, what was listed, and how much of that was planted."""

    planted: int = 0
    listed: int = 0
    right: int = 0

    def add(self, planted: Iterable[object], listed: Iterable[object]) -> None:
        wanted, found = set(planted), set(listed)
        self.planted, self.listed = self.planted + len(wanted), self.listed + len(found)
        self.right += len(wanted & found)

    def __str__(self) -> str:
        precision = f"{self.right / self.listed:.3f}" if self.listed else "-"
        return f"{self.right / self.planted:.3f} / {precision}"


class Space:
    """Photos by their components, as the report has them."""

    def __init__(self, features: np.ndarray) -> None:
        model = fit(Moments.of(features), PcaSpec(COMPONENTS, None, standardize=False))
        self._units = unit(model.transform(features))
        self._neighbours = nearest(self._units, NEIGHBOURS)

    def listed(self, labels: np.ndarray) -> dict[str, set[int]]:
        """Rows by list, of the photos with these labels."""
        _, dense = np.unique(labels, return_inverse=True)
        return rows_of(misfits(self._units, dense, self._neighbours))


def rows_of(found: Misfits) -> dict[str, set[int]]:
    """Rows by list."""
    return {
        "label errors": {one.row for one in found.errors},
        "runs": {row for run in found.runs for row in run.rows},
        "outliers": {one.row for one in found.outliers},
    }


def swapped(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which one in a hundred is another one, and the rows of these."""
    names = np.unique(labels)
    rows = rng.permutation(len(labels))[: round(SWAPPED * len(labels))]
    wrong = labels.copy()
    for row in rows:
        wrong[row] = rng.choice(names[names != labels[row]])
    return wrong, rows


def label_errors(sample: Sample, half: int, photos_a_class: int | None) -> Score:
    """Swapped labels; of classes cut to so many photos."""
    score = Score()
    rows = sample.half(half)
    if photos_a_class:
        rng = np.random.default_rng(0)
        groups = [rows[sample.labels[rows] == label] for label in np.unique(sample.labels[rows])]
        rows = np.concatenate([rng.permutation(group)[:photos_a_class] for group in groups])
    space = Space(sample.features[rows])
    for seed in SEEDS:
        wrong, planted = swapped(sample.labels[rows], np.random.default_rng(seed))
        score.add(planted.tolist(), space.listed(wrong)["label errors"])
    return score


def runs(sample: Sample, half: int, length: int) -> Score:
    """Neighbouring frames that were given one wrong label together."""
    score = Score()
    rows = sample.half(half)
    space = Space(sample.features[rows])
    frames = sorted(range(len(rows)), key=lambda place: _frame(sample.files[rows[place]]))
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        wrong, planted = sample.labels[rows].copy(), set()
        while len(planted) < RUNS * length:
            begin = rng.integers(0, len(frames) - length)
            run = frames[begin : begin + length]
            series = {_frame(sample.files[rows[place]])[0] for place in run}
            if len(series) == 1 and not planted & set(run):
                own = sample.labels[rows[run[0]]]
                wrong[run] = rng.choice([label for label in np.unique(wrong) if label != own])
                planted |= set(run)
        score.add(planted, space.listed(wrong)["runs"])
    return score


def _frame(file: Path) -> tuple[str, int]:
    """The series that a frame of a turning fruit belongs to, and its number: of ``r_12_100.jpg``, 12."""
    numbers = re.search(r"(\d+)_100$", file.stem)
    series = file.stem[: numbers.start()] if numbers else file.stem
    return f"{file.parent}/{series}", int(numbers[1]) if numbers else 0


def foreigners(sample: Sample, half: int, count: int, *, drawn: bool, classes: int | None = None) -> Score:
    """Pictures of something else, each in a class by chance: drawn ones, or fruits of the other half.

    ``classes``: how many of the half make up the data set; None: all.
    """
    score = Score()
    rows, others = sample.half(half), sample.half(1 - half)
    names = np.unique(sample.labels[rows])
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        chosen = rng.choice(names, classes or len(names), replace=False)
        kept = rows[np.isin(sample.labels[rows], chosen)]
        pool = sample.drawn if drawn else sample.features[others]
        features = np.concatenate([sample.features[kept], pool[rng.permutation(len(pool))[:count]]])
        found = Space(features).listed(np.append(sample.labels[kept], rng.choice(chosen, count)))
        score.add(range(len(kept), len(features)), found["label errors"] | found["outliers"])
    return score


def of_a_kind(sample: Sample, half: int) -> Score:
    """Drawn pictures of five kinds, those of a kind together in one class; of these, runs are right, too."""
    score = Score()
    rows = sample.half(half)
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        kinds = rng.permutation(KINDS)[: FOREIGN // OF_A_KIND]
        pool = np.arange(len(sample.drawn)).reshape(-1, KINDS)
        chosen = np.concatenate([rng.permutation(pool[:, kind])[:OF_A_KIND] for kind in kinds])
        features = np.concatenate([sample.features[rows], sample.drawn[chosen]])
        given = rng.choice(np.unique(sample.labels[rows]), len(kinds))
        found = Space(features).listed(np.append(sample.labels[rows], np.repeat(given, OF_A_KIND)))
        score.add(range(len(rows), len(features)), set().union(*found.values()))
    return score


def copies(sample: Sample, half: int, change: Callable[[bytes], bytes]) -> Score:
    """Changed copies; of the pairs that are listed those count that have one of them in it."""
    score = Score()
    rows = sample.half(half)
    for seed in SEEDS:
        chosen = np.random.default_rng(seed).permutation(len(rows))[:COPIED]
        made = [grey_of(change(sample.files[rows[place]].read_bytes())) for place in chosen]
        greys = np.concatenate([sample.greys[rows], np.stack([grey for grey in made if grey is not None])])
        pairs, _ = alike_pictures(greys, np.arange(len(greys)))
        originals = {len(rows) + number: int(place) for number, place in enumerate(chosen)}
        touching = [(pair.first, pair.second) for pair in pairs if pair.second >= len(rows)]
        score.add([(original, copy) for copy, original in originals.items()], touching)
    return score


def read_sample(folder: Path, model: Path, cache: Path) -> Sample:
    """The photos below ``folder``, each in a folder of its label; their features are kept in ``cache``."""
    files = find_pictures(folder)
    _, labels = np.unique([file.parent.name for file in files], return_inverse=True)
    key = hashlib.sha256("\n".join([model.name, *map(str, files)]).encode()).hexdigest()[:12]
    kept = cache / f"features-{key}.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        extract = FeatureExtractor(model.read_bytes(), IMAGE_SIZE)
        data = [file.read_bytes() for file in files]
        np.savez(
            kept,
            features=np.stack([_features(extract, one) for one in data]),
            drawn=np.stack([_features(extract, one) for one in foreign_pictures(4 * FOREIGN, seed=0)]),
        )
    greys = np.stack([grey_of(file.read_bytes()) for file in files])
    with np.load(kept) as arrays:
        return Sample(files, arrays["features"], greys, labels, arrays["drawn"])


def _features(extract: FeatureExtractor, data: bytes) -> np.ndarray:
    pixels = decode(data, IMAGE_SIZE, compiled_bicubic)
    if not isinstance(pixels, Pixels):
        raise TypeError(f"a photo of the sample cannot be decoded: {pixels.detail}")
    return extract(pixels.values)


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="make report-quality", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="photos in folders of their labels")
    parser.add_argument("--model", type=Path, default=Path("build/model"), help="a packaged model's folder")
    parser.add_argument("--cache", type=Path, default=Path(".local/report-quality"))
    options = parser.parse_args(arguments)
    model = ModelPackage.from_json((options.model / DESCRIPTION).read_text())
    sample = read_sample(options.data, options.model / model.file, options.cache)
    rows: dict[str, Callable[[int], Score]] = {
        "1 % of labels swapped": lambda half: label_errors(sample, half, None),
        **{
            f"the same, {count} photos a class": lambda half, count=count: label_errors(sample, half, count)
            for count in SMALL_CLASSES
        },
        **{f"{RUNS} runs of {n} frames": lambda half, n=n: runs(sample, half, n) for n in RUN_LENGTHS},
        f"{FOREIGN} drawn pictures": lambda half: foreigners(sample, half, FOREIGN, drawn=True),
        f"{FOREIGN} drawn pictures, {OF_A_KIND} alike in a class": lambda half: of_a_kind(sample, half),
        f"{FOREIGN} fruits of other classes": lambda half: foreigners(sample, half, FOREIGN, drawn=False),
        f"{FEW_FOREIGN} of them in sets of {FEW_CLASSES} classes": lambda half: foreigners(
            sample, half, FEW_FOREIGN, drawn=False, classes=FEW_CLASSES
        ),
        **{
            f"{COPIED} copies, {name}": lambda half, change=change: copies(sample, half, change)
            for name, change in COPIES.items()
        },
    }
    out = sys.stdout.write
    out("| planted, five times | thresholds chosen here: recall / precision | judged here |\n|---|---|---|\n")
    for name, measure in rows.items():
        out(f"| {name} | {measure(0)} | {measure(1)} |\n")
        sys.stdout.flush()
    for half in (0, 1):
        chosen = sample.half(half)
        found = Space(sample.features[chosen]).listed(sample.labels[chosen])
        pairs, _ = alike_pictures(sample.greys[chosen], chosen)
        accused = set().union(*found.values())
        counts = ", ".join(f"{len(listed_rows)} {name}" for name, listed_rows in found.items())
        same = len({row for pair in pairs for row in (pair.first, pair.second)})
        out(
            f"nothing planted, {'chosen' if half == 0 else 'judged'}: of {len(chosen)} photos {counts}; "
            f"{len(accused) / len(chosen):.2%} accused; {len(pairs)} same views of {same} photos\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
