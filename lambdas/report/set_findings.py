"""What is said of the whole set: same views, leakage, classes. Pure. Figures are those of docs/report.md."""

from __future__ import annotations

from collections import Counter

import numpy as np

from lambdas.report.analysis import Analysis
from lambdas.report.classes import SMALL, Alike
from lambdas.report.finding import GROUPS_SHOWN, Finding, Group, Shown, brief, labelled
from lambdas.report.neighbours import of_each
from lambdas.report.published import Photos
from lambdas.report.same_views import Kind, Pair
from lambdas.report.thumbnails import typical


def same_views(found: Analysis, photos: Photos) -> Finding:
    """Copies, and photos that can hardly be told apart."""
    pairs = _worst_and_varied(found.same, photos)
    kinds = Counter(pair.kind for pair in pairs)
    conflicts = sum(_differs(pair, photos) for pair in pairs)
    involved = {row for pair in pairs for row in (pair.first, pair.second)}
    counted = ", ".join(f"{kinds[kind]:,} {kind}" for kind in Kind if kinds[kind])
    says = (
        f"{len(involved):,} photos are in such pairs ({counted}): copies, also smaller, encoded again or "
        "mirrored, or frames of a series that hardly differ. They count twice in training."
        if pairs
        else "No two photos are the same file or show the same view."
    )
    if conflicts:
        says += f" {conflicts:,} pairs carry two labels, of which one must be wrong: they come first."
    if found.compared == 0:
        says += " Pixels were not compared, only whole files."
    if not found.is_complete:
        says += " There are more: the search was ended when it had so many."
    return Finding(
        "same-views",
        "Same views",
        len(pairs),
        "pairs of photos that show the same view",
        says,
        "How: equal files by SHA-256, exact. Pictures by a perceptual hash of 256 bits, also of the mirror "
        "image (all pairs, at most 8 bits differ), whose fine structure at 64 x 64 pixels must then "
        "correlate by 0.98. How far to trust it: measured on studio photos of fruits, of which 50 were "
        "copied. Of copies encoded again 93 to 99 of 100 were found, of smaller and mirrored ones all; of "
        "100 pairs with a copy in them 92 or more were that copy and its original. How many are no copies "
        "but frames that hardly differ depends on the photos: of these, all 219 pairs of 8,550. Coarser "
        "changes and plain pictures lower it; of cut-outs none was found.",
        tuple(_pair(pair, photos) for pair in pairs[:GROUPS_SHOWN]),
        [
            ("path", "path"),
            ("label", "text"),
            ("other path", "path"),
            ("other label", "text"),
            ("kind", "text"),
            ("correlation", "number"),
        ],
        [
            [
                pair.first,
                photos.name(pair.first),
                pair.second,
                photos.name(pair.second),
                pair.kind,
                round(pair.correlation, 4),
            ]
            for pair in pairs
        ],
        is_complete=found.is_complete,
    )


def leaks(found: Analysis, photos: Photos) -> Finding:
    """Same views on both sides of a split."""
    pairs = _worst_and_varied(found.leaks, photos)
    names = sorted({name for name in found.parts if name})
    if len(names) < 2:
        says = "The folders do not look like a split into training and test, so nothing can leak."
    elif pairs:
        counts = Counter(found.parts)
        counted = " and ".join(f"{name} ({counts[name]:,} photos)" for name in names)
        says = (
            f"The folders {counted} look like a split, and these views are on both sides of it: what is "
            "measured on them is memory, and better than what photos will give that nobody has seen."
        )
        if not found.is_complete:
            says += " There are more: the search for same views was ended, as said above."
    else:
        says = f"The folders {', '.join(names)} look like a split, and no view is on both sides of it."
    return Finding(
        "leakage",
        "Leakage between training and test",
        len(pairs),
        "views on both sides of a split",
        says,
        "How: same views, as above, of which the photos are in differently named parts (train, test, val "
        "and the like, as names of folders). How far to trust it: as the list above; frames of one turning "
        "object leak, too, where they are not alike enough to be listed.",
        tuple(_pair(pair, photos) for pair in pairs[:GROUPS_SHOWN]),
        [("path", "path"), ("other path", "path"), ("kind", "text"), ("correlation", "number")],
        [[pair.first, pair.second, pair.kind, round(pair.correlation, 4)] for pair in pairs],
        is_complete=found.is_complete or not pairs,
    )


def alike_classes(pairs: list[Alike], found: Analysis, photos: Photos) -> Finding:
    """Labels that a classifier will mix up."""
    members = {int(photos.labels[rows[0]]): rows for rows in of_each(photos.labels)}

    def group(pair: Alike) -> Group:
        shown = tuple(
            Shown(typical(found.units, members[label]), brief(photos.names[label]))
            for label in (pair.first, pair.second)
        )
        return Group(shown, f"{pair.share:.0%} of the neighbours of one are of the other.")

    return Finding(
        "alike-classes",
        "Classes that are alike",
        len(pairs),
        "pairs of classes that are hard to tell apart",
        "Their photos lie among each other: expect them to be mixed up, or ask whether they are two."
        if pairs
        else "No two classes lie among each other.",
        "How: of the nearest 30 photos of each photo (as many as its class has others; cosine, components, "
        "exact), the share that belongs to the other class, if it is at least 10 %. How far to trust it: "
        "it says what this network finds alike; one that is trained for it may tell them apart.",
        tuple(map(group, pairs[:GROUPS_SHOWN])),
        [("label", "text"), ("other label", "text"), ("share", "number")],
        [[photos.names[one.first], photos.names[one.second], round(one.share, 3)] for one in pairs],
    )


def small_classes(small: list[tuple[int, int]], photos: Photos) -> Finding:
    """Labels with too few photos."""
    counts = np.bincount(photos.labels[photos.labels >= 0], minlength=1)
    least, most, half = counts.min(), counts.max(), int(np.median(counts))
    spread = (
        f" Each has {least:,}."
        if least == most
        else f" Classes have {least:,} to {most:,}, half of them {half:,} or more."
    )
    rows = [[photos.names[label], count] for label, count in small]
    named = ", ".join(f"{brief(photos.names[label])} ({count})" for label, count in small[:20])
    return Finding(
        "small-classes",
        "Classes too small to train on",
        len(small),
        f"classes of fewer than {SMALL} photos",
        (
            f"Fewer than {SMALL} photos: {named}{f' and {len(rows) - 20:,} more' if len(rows) > 20 else ''}."
            if small
            else f"Every class has {SMALL} photos or more."
        )
        + (spread if photos.names else " There are no labels."),
        f"How: counted. Below {SMALL} photos, runs of wrong labels cannot be told either.",
        (),
        [("label", "text"), ("photos", "number")],
        rows,
    )


def _pair(pair: Pair, photos: Photos) -> Group:
    what = pair.kind if pair.kind is Kind.FILE else f"{pair.kind}, correlation {pair.correlation:.3f}"
    labels = " Two labels: one of them is wrong." if _differs(pair, photos) else ""
    return Group(
        (labelled(pair.first, photos), labelled(pair.second, photos)),
        f"{what[0].upper()}{what[1:]}.{labels}",
    )


def _worst_and_varied(pairs: list[Pair], photos: Photos) -> list[Pair]:
    """First pairs of two labels, then equal files, then the others; within these the labels take turns."""
    turns: Counter[tuple[bool, bool, int]] = Counter()

    def place(pair: Pair) -> tuple[bool, bool, int]:
        which = (not _differs(pair, photos), pair.kind is not Kind.FILE)
        turn = (*which, int(photos.labels[pair.first]))
        turns[turn] += 1
        return (*which, turns[turn])

    return sorted(pairs, key=place)


def _differs(pair: Pair, photos: Photos) -> bool:
    one, other = photos.labels[pair.first], photos.labels[pair.second]
    return bool(one != other and one >= 0 and other >= 0)
