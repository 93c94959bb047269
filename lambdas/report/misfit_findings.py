"""What is said of photos that do not fit their label. Pure. The figures are those of docs/report.md."""

from __future__ import annotations

import numpy as np

from lambdas.report.analysis import Analysis
from lambdas.report.classes import SMALL
from lambdas.report.finding import GROUPS_SHOWN, Finding, Group, Shown, brief, labelled
from lambdas.report.labels import (
    ERROR_RATIO,
    FEW,
    FEW_ERROR_RATIO,
    FEW_LABELS,
    STRANGE,
    VERY_STRANGE,
    LabelError,
    LabelRun,
    Outlier,
)
from lambdas.report.neighbours import of_each
from lambdas.report.published import Photos
from lambdas.report.thumbnails import typical

PHOTOS_OF_A_RUN = 6


def label_errors(errors: list[LabelError], found: Analysis, photos: Photos) -> Finding:
    """Single photos that fit another label."""

    def group(error: LabelError) -> Group:
        example = _nearest_of(found.units, photos.labels, error.row, error.suggested)
        name = brief(photos.names[error.suggested])
        says = f"Looks like {name}: {_times(error.ratio)} as far from its own label's photos as from those."
        doubt = "" if error.is_sure else f" Low confidence: one of the two classes has fewer than {FEW}."
        return Group((labelled(error.row, photos), Shown(example, f"a photo of {name}")), says + doubt)

    return Finding(
        "label-errors",
        "Probable label errors",
        len(errors),
        "photos with a probably wrong label",
        "Each lies among photos of another label and far from its own. Beside it, the most similar photo of "
        "the label that it fits."
        if errors
        else "No photo lies among photos of another label and far from its own.",
        "How: of the components of all photos, by cosine, exact: the second neighbour of the own label is "
        f"more than {ERROR_RATIO} times ({FEW_ERROR_RATIO} times in classes of fewer than {FEW}) as far as "
        "the second of another label, in whose class the photo also lies as its members do. How far to "
        "trust it: measured on 95 kinds of fruit, studio photos, 90 of each. Of labels of which one in a "
        "hundred was swapped for any other, 99 of 100 were found, and 94 of 100 that were listed were "
        "swapped. Nothing swapped, 5 of 8,550 photos are listed, so where few labels are wrong, most of the "
        "list is right as it is. So is a third of it in classes of 15 photos, and up to seven tenths in "
        "classes of 6; alike classes and varied backgrounds lower it further. Look before you relabel.",
        tuple(map(group, errors[:GROUPS_SHOWN])),
        [
            ("path", "path"),
            ("label", "text"),
            ("probably", "text"),
            ("ratio", "number"),
            ("confidence", "text"),
        ],
        [
            [
                error.row,
                photos.name(error.row),
                photos.names[error.suggested],
                round(error.ratio, 2),
                "normal" if error.is_sure else "low",
            ]
            for error in errors
        ],
    )


def label_runs(runs: list[LabelRun], found: Analysis, photos: Photos) -> Finding:
    """Several photos that were mislabelled together."""

    def group(run: LabelRun) -> Group:
        other_rows = np.flatnonzero(photos.labels == run.suggested)
        usual = Shown(typical(found.units, other_rows), f"usual for {brief(photos.names[run.suggested])}")
        shown = (*(labelled(row, photos) for row in run.rows[:PHOTOS_OF_A_RUN]), usual)
        own, other = brief(photos.names[run.label]), brief(photos.names[run.suggested])
        return Group(shown, f"{len(run.rows)} photos labelled {own} that look like {other}.")

    return Finding(
        "label-runs",
        "Runs of wrong labels",
        len(runs),
        "groups of photos that may carry one wrong label together",
        "Photos that were mislabelled together keep each other company, so that their neighbours do not give "
        "them away; the centres of the classes do. After them, the photo in the middle of the other label."
        if runs
        else "No three photos of a label lie nearer to the centre of one other label than to their own.",
        "How: at least three photos of a label are nearer to the centre of one other label than to their "
        "own, by more than 0.2 of cosine distance. How far to trust it: measured on studio photos of "
        "fruits, where eight times six neighbouring frames were given a wrong label. 83 to 96 of 100 were "
        "found, and 58 to 100 of 100 that were listed were such; of runs of three, as few as 38. With "
        "nothing mislabelled 31 of 8,550 photos are listed, which lie between alike kinds: where no run is "
        f"wrong, all of the list is right as it is. Classes with fewer than {SMALL} photos are left out.",
        tuple(map(group, runs[:GROUPS_SHOWN])),
        [("path", "path"), ("label", "text"), ("perhaps", "text"), ("group", "number")],
        [
            [row, photos.names[run.label], photos.names[run.suggested], number]
            for number, run in enumerate(runs, start=1)
            for row in run.rows
        ],
    )


def outliers(found_outliers: list[Outlier], found: Analysis, photos: Photos) -> Finding:
    """Photos that fit nowhere."""
    usual = {int(photos.labels[rows[0]]): typical(found.units, rows) for rows in of_each(photos.labels)}

    def group(outlier: Outlier) -> Group:
        label = int(photos.labels[outlier.row])
        shown = (
            labelled(outlier.row, photos),
            Shown(usual[label], f"usual for {brief(photos.names[label])}"),
        )
        return Group(shown, f"{_times(outlier.times)} as far from its label's photos as is usual.")

    return Finding(
        "outliers",
        "Foreign pictures and outliers",
        len(found_outliers),
        "photos out of place",
        "Far from the photos of their own label, and at home among no others: something else is on them, or "
        "the same thing as nobody else took it. Beside each, the photo in the middle of its label."
        if found_outliers
        else "No photo is unusually far from all photos of its label.",
        "How: the distance to the fifth neighbour of the own label (cosine, components, exact) is more "
        f"than {STRANGE:.0f} times the label's median, and another label is about as near as its own "
        f"(with fewer than {FEW_LABELS} labels that is not asked), or it is more than {VERY_STRANGE:.0f} "
        "times. How far to trust it: measured on studio photos of fruits, into which 20 drawn pictures or "
        "photos of other fruits were put, each into a class by chance. 97 to 100 of 100 were found, here or "
        "among the label errors; of all that was in both lists 87 of 100 or more were foreign in sets of "
        "4,200 photos and 77 in one of 8,550: some 6 are listed there with nothing foreign. In sets of five "
        "classes 7 to 9 of 10 were found. Several of one thing in one label hide each other (of four, 7 to 9 "
        "of 10 were found, here or among the runs); classes of varied photos lower it further.",
        tuple(map(group, found_outliers[:GROUPS_SHOWN])),
        [("path", "path"), ("label", "text"), ("times the usual distance", "number")],
        [[one.row, photos.name(one.row), round(one.times, 2)] for one in found_outliers],
    )


def _nearest_of(units: np.ndarray, labels: np.ndarray, row: int, label: int) -> int:
    members = np.flatnonzero(labels == label)
    return int(members[(units[members] @ units[row]).argmax()])


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times" if ratio < 100 else "more than a hundred times"
