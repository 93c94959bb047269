"""Which photos are shown, and which photo stands for one that is not. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lambdas.report.neighbours import of_each

MOST = 400
"""Thumbnails of a page: about 2 kB each."""
MOST_BYTES = 1_500_000
"""Of all of them; pictures of noise have 8 kB each."""
_TURNS = 8
"""Photos that a label is given at most, beside those that are wanted."""


def chosen(wanted: Iterable[int], units: np.ndarray, labels: np.ndarray, most: int = MOST) -> list[int]:
    """Rows of the photos that are shown, at most ``most``, the most wanted first.

    First those that are ``wanted``, in their order. What room is left goes to the labels in turns, to photos
    that are far from all that the label shows already, so that few show much of it.
    """
    rows = dict.fromkeys(wanted)
    if len(units) <= most:
        return list(rows | dict.fromkeys(range(len(units))))
    if len(rows) >= most:
        return list(rows)[:most]
    of_label = [_spread(units, members, rows) for members in of_each(labels)]
    turn = 0
    while len(rows) < most and any(turn < len(members) for members in of_label):
        for members in of_label:
            if turn < len(members) and len(rows) < most:
                rows[members[turn]] = None
        turn += 1
    return list(rows)


def within(pictures: Iterable[tuple[str, bytes]], most: int = MOST_BYTES) -> dict[str, bytes]:
    """Those pictures, by name, that have at most ``most`` bytes together, the first ones first."""
    kept: dict[str, bytes] = {}
    left = most
    for name, picture in pictures:
        if len(picture) <= left:
            kept[name] = picture
            left -= len(picture)
    return kept


def _spread(units: np.ndarray, members: np.ndarray, shown: Iterable[int]) -> list[int]:
    """Some of ``members``, each the one furthest from those that are shown and those before it."""
    own = units[members]
    similar = np.full(len(members), -2.0, np.float32)
    for row in set(shown) & set(members.tolist()):
        similar = np.maximum(similar, own @ units[row])
    found = []
    for _ in range(min(_TURNS, len(members))):
        row = int(similar.argmin())
        found.append(int(members[row]))
        similar = np.maximum(similar, own @ own[row])
    return found


def typical(units: np.ndarray, members: np.ndarray) -> int:
    """The row of ``members`` that is nearest to their mean."""
    own = units[members]
    return int(members[(own @ own.mean(axis=0)).argmax()])


def stand_ins(units: np.ndarray, labels: np.ndarray, shown: list[int]) -> list[int]:
    """For each photo the place in ``shown`` of the most similar one of its label; -1 where none is shown."""
    places = np.full(len(labels), -1, np.int64)
    rows = np.array(shown, np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        candidates = np.flatnonzero(labels[rows] == label)
        if len(candidates):
            places[members] = candidates[(units[members] @ units[rows[candidates]].T).argmax(axis=1)]
    result: list[int] = places.tolist()
    return result
