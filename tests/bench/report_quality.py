"""``make report-quality``: which of the faults that are planted into real photos does the report find?

The classes are halved, so that all varieties of a fruit are in one half. The report's thresholds do well on
one half of the first split, and the other halves of this and of other splits judge them; so does the whole
sample. Each part is a data set of its own, with components and drawn pictures of its own. docs/report.md has
the table. The exit code is 1 where a part that judges misses one of the bars.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from lambdas.contract.model_package import DESCRIPTION, ModelPackage
from lambdas.report.same_views import alike_pictures
from tests.bench.planted_faults import (
    COPIED,
    FOREIGN,
    Measure,
    Score,
    Space,
    measures,
    measures_of_halves,
)
from tests.bench.sample import Part, Sample, read_sample

SPLITS = 5
DRAWN = 4 * FOREIGN
MOST_ACCUSED = 0.01
BARS: dict[str, tuple[float, float]] = {
    "1 % of labels swapped": (0.9, 0.8),
    f"{FOREIGN} drawn pictures": (0.9, 0),
    f"{FOREIGN} fruits of the other half": (0.9, 0),
    **{f"{COPIED} copies, {change}": (0.9, 0.9) for change in ("encoded again", "resized", "mirrored")},
}
"""Recall and precision that are asked for, at least."""


@dataclass(frozen=True)
class Row:
    """Of one kind of fault: the score on the half of the thresholds, on those that judge, on all."""

    name: str
    chosen: Score
    judged: Sequence[Score]
    whole: Score | None

    def __str__(self) -> str:
        recalls, precisions = zip(*((one.recall, one.precision) for one in self.judged), strict=True)
        cells = (
            self.name,
            _pair(self.chosen.recall, self.chosen.precision),
            _pair(min(recalls), min(precisions)),
            _pair(median(recalls), median(precisions)),
            _pair(self.whole.recall, self.whole.precision) if self.whole else "",
        )
        return f"| {' | '.join(cells)} |"

    @property
    def missed(self) -> Iterator[str]:
        """The bars that a part misses."""
        recall, precision = BARS.get(self.name, (0.0, 0.0))
        for number, score in enumerate([*self.judged, *filter(None, [self.whole])]):
            part = f"split {number}" if number < len(self.judged) else "all photos"
            if score.recall < recall or score.precision < precision:
                found = _pair(score.recall, score.precision)
                yield f"{self.name}, {part}: {found}, asked for {_pair(recall, precision)}"


def _pair(recall: float, precision: float) -> str:
    return f"{recall:.3f} / {precision:.3f}"


def rows(sample: Sample) -> Iterator[Row]:
    """The table, a row as soon as it is measured."""
    halves = [sample.halves(split) for split in range(SPLITS)]
    whole = sample.whole()
    kinds: dict[str, Measure] = measures() | measures_of_halves()
    for name, measure in kinds.items():
        yield Row(
            name,
            measure(sample, halves[0][0]),
            [measure(sample, judging) for _, judging in halves],
            None if name in measures_of_halves() else measure(sample, whole),
        )


def accused(sample: Sample, part: Part) -> tuple[float, str]:
    """Share of photos that are listed though nothing was planted, and by which lists."""
    found = Space(sample.features[part.rows]).listed(sample.labels[part.rows])
    pairs, _ = alike_pictures(sample.greys[part.rows], part.rows)
    share = len(set().union(*found.values())) / len(part.rows)
    counts = ", ".join(f"{len(listed)} {name}" for name, listed in found.items())
    same = len({row for pair in pairs for row in (pair.first, pair.second)})
    return share, f"of {len(part.rows)} photos {counts}; {len(pairs)} same views of {same} photos"


def main(arguments: list[str] | None = None) -> int:
    """Print the table, and what misses its bar."""
    parser = argparse.ArgumentParser(prog="make report-quality", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="photos in folders of their labels")
    parser.add_argument("--model", type=Path, default=Path("build/model"), help="a packaged model's folder")
    parser.add_argument("--cache", type=Path, default=Path(".local/report-quality"))
    options = parser.parse_args(arguments)
    model = ModelPackage.from_json((options.model / DESCRIPTION).read_text())
    file = options.model / model.file
    sample = read_sample(options.data, file, options.cache, parts=2 * SPLITS + 1, drawn=DRAWN)
    missed: list[str] = []
    _say(
        "| planted, five times: recall / precision | half of the thresholds | other halves: minimum "
        "| median | all photos |\n|---|---|---|---|---|"
    )
    for row in rows(sample):
        _say(str(row))
        missed += row.missed
    parts = {f"split {split}": sample.halves(split)[1] for split in range(SPLITS)}
    for name, part in {"thresholds": sample.halves(0)[0], **parts, "all photos": sample.whole()}.items():
        share, lists = accused(sample, part)
        _say(f"nothing planted, {name}: {share:.2%} accused; {lists}")
        if share > MOST_ACCUSED and name != "thresholds":
            missed.append(f"nothing planted, {name}: {share:.2%} accused, allowed {MOST_ACCUSED:.0%}")
    for one in missed:
        _say(f"MISSED: {one}")
    return 1 if missed else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
