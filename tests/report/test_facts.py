"""What was run, in words."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.report import facts
from lambdas.report.published import Published, read_published
from lambdas.report.sources import FolderFiles

from .run_folder import RUN, write_run


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return read_published(FolderFiles(write_run(tmp_path_factory.mktemp("run")).files), RUN)


def test_phases_are_in_the_order_in_which_they_happen_not_in_that_of_the_alphabet(
    published: Published,
) -> None:
    seconds = {
        "pca": {"fit": 3.0, "later": 1.0, "publish": 0.5, "score": 2.0, "total": 6.5},
        "featurize": {"featurize": 8.0, "list": 0.5, "publish": 0.1, "total": 8.6},
    }
    shown = facts.phases(dataclasses.replace(published, metrics={"seconds": seconds}))
    assert [phase["name"] for phase in shown] == [
        "featurize: list",
        "featurize: featurize",
        "featurize: publish",
        "pca: fit",
        "pca: score",
        "pca: publish",
        "pca: later",  # of another release
    ]
    assert [phase["percent"] for phase in shown][:2] == [6.2, 100]


@pytest.mark.parametrize(
    ("ratio", "says"),
    [
        ([0.5, 0.2, 0.1], "the first alone 50.0%, which is at least half of what all of them hold."),
        (
            [0.3, 0.2, 0.1, 0.1],
            "the first alone 30.0%, and the first 2 at least half of what all of them hold.",
        ),
        ([0.4], "1 component was kept; it holds 40.0% of the variance of the features."),
    ],
)
def test_what_the_components_hold_is_said_in_a_sentence(
    published: Published, ratio: list[float], says: str
) -> None:
    assert says in facts.variance(dataclasses.replace(published, variance_ratio=ratio))
