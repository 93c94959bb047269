"""Faults planted into a part of a sample, five times each, and how many of them the report's methods find."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lambdas.contract.plan import PcaSpec
from lambdas.report.analysis import NEIGHBOURS
from lambdas.report.labels import Misfits, misfits
from lambdas.report.neighbours import nearest, unit
from lambdas.report.pictures import grey_of
from lambdas.report.same_views import alike_pictures
from spark.components.exact_pca import Moments, fit
from tests.bench.planting import COPIES, KINDS
from tests.bench.sample import Part, Sample

SEEDS = range(5)
COPIED = 50
FOREIGN = 20
OF_A_KIND = 4
FEW_CLASSES, FEW_FOREIGN = 5, 6
SWAPPED = 0.01
COMPONENTS = 50
RUN_LENGTHS = (3, 6, 10)
RUNS = 8
SMALL_CLASSES = (15, 6)


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

    @property
    def recall(self) -> float:
        return self.right / self.planted

    @property
    def precision(self) -> float:
        """1 where nothing is listed."""
        return self.right / self.listed if self.listed else 1.0


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


Measure = Callable[[Sample, Part], Score]


def measures() -> dict[str, Measure]:
    """What can be planted into any part, by what is said of it."""
    return {
        "1 % of labels swapped": label_errors,
        **{
            f"the same, {count} photos a class": partial(label_errors, photos_a_class=count)
            for count in SMALL_CLASSES
        },
        **{f"{RUNS} runs of {length} frames": partial(runs, length=length) for length in RUN_LENGTHS},
        f"{FOREIGN} drawn pictures": drawn_pictures,
        f"{FOREIGN} drawn pictures, {OF_A_KIND} alike in a class": of_a_kind,
        **{f"{COPIED} copies, {name}": partial(copies, change=change) for name, change in COPIES.items()},
    }


def measures_of_halves() -> dict[str, Measure]:
    """What takes photos of kinds that the part lacks."""
    return {
        f"{FOREIGN} fruits of the other half": foreign_fruits,
        f"{FEW_FOREIGN} of them in sets of {FEW_CLASSES} classes": partial(
            foreign_fruits, count=FEW_FOREIGN, classes=FEW_CLASSES
        ),
    }


def swapped(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which one in a hundred is another one, and the rows of these."""
    names = np.unique(labels)
    rows = rng.permutation(len(labels))[: round(SWAPPED * len(labels))]
    wrong = labels.copy()
    for row in rows:
        wrong[row] = rng.choice(names[names != labels[row]])
    return wrong, rows


def label_errors(sample: Sample, part: Part, photos_a_class: int | None = None) -> Score:
    """Swapped labels; of classes cut to so many photos."""
    score = Score()
    rows = part.rows
    if photos_a_class:
        rng = np.random.default_rng(0)
        groups = [rows[sample.labels[rows] == label] for label in np.unique(sample.labels[rows])]
        rows = np.concatenate([rng.permutation(group)[:photos_a_class] for group in groups])
    space = Space(sample.features[rows])
    for seed in SEEDS:
        wrong, planted = swapped(sample.labels[rows], np.random.default_rng(seed))
        score.add(planted.tolist(), space.listed(wrong)["label errors"])
    return score


def runs(sample: Sample, part: Part, length: int) -> Score:
    """Neighbouring frames that were given one wrong label together."""
    score = Score()
    rows = part.rows
    space = Space(sample.features[rows])
    frames = sorted(range(len(rows)), key=lambda place: _frame(sample.files[rows[place]]))
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        wrong, planted = sample.labels[rows].copy(), set[int]()
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


def drawn_pictures(sample: Sample, part: Part) -> Score:
    """Drawn pictures, each in a class by chance."""
    return _foreigners(sample, part.rows, part.drawn, FOREIGN, None)


def foreign_fruits(sample: Sample, part: Part, count: int = FOREIGN, classes: int | None = None) -> Score:
    """Photos of other kinds of things. ``classes``: how many make up the data set; None: all."""
    return _foreigners(sample, part.rows, sample.features[part.others], count, classes)


def _foreigners(sample: Sample, rows: np.ndarray, pool: np.ndarray, count: int, classes: int | None) -> Score:
    score = Score()
    names = np.unique(sample.labels[rows])
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        chosen = rng.choice(names, classes or len(names), replace=False)
        kept = rows[np.isin(sample.labels[rows], chosen)]
        features = np.concatenate([sample.features[kept], pool[rng.permutation(len(pool))[:count]]])
        found = Space(features).listed(np.append(sample.labels[kept], rng.choice(chosen, count)))
        score.add(range(len(kept), len(features)), found["label errors"] | found["outliers"])
    return score


def of_a_kind(sample: Sample, part: Part) -> Score:
    """Drawn pictures of five kinds, those of a kind together in one class; of these, runs are right, too."""
    score = Score()
    rows = part.rows
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        kinds = rng.permutation(KINDS)[: FOREIGN // OF_A_KIND]
        pool = np.arange(len(part.drawn)).reshape(-1, KINDS)
        chosen = np.concatenate([rng.permutation(pool[:, kind])[:OF_A_KIND] for kind in kinds])
        features = np.concatenate([sample.features[rows], part.drawn[chosen]])
        given = rng.choice(np.unique(sample.labels[rows]), len(kinds))
        found = Space(features).listed(np.append(sample.labels[rows], np.repeat(given, OF_A_KIND)))
        score.add(range(len(rows), len(features)), set().union(*found.values()))
    return score


def copies(sample: Sample, part: Part, change: Callable[[bytes], bytes]) -> Score:
    """Changed copies; of the pairs that are listed those count that have one of them in it."""
    score = Score()
    rows = part.rows
    for seed in SEEDS:
        chosen = np.random.default_rng(seed).permutation(len(rows))[:COPIED]
        made = [grey_of(change(sample.files[rows[place]].read_bytes())) for place in chosen]
        greys = np.concatenate([sample.greys[rows], np.stack([grey for grey in made if grey is not None])])
        pairs, _ = alike_pictures(greys, np.arange(len(greys)))
        originals = {len(rows) + number: int(place) for number, place in enumerate(chosen)}
        touching = [(pair.first, pair.second) for pair in pairs if pair.second >= len(rows)]
        score.add([(original, copy) for copy, original in originals.items()], touching)
    return score
