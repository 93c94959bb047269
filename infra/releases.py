"""The EMR releases that are known here, and whether one fits what was locked."""

from __future__ import annotations

import re
from dataclasses import dataclass

from infra.target import PYTHON_VERSION

_LOCKED_SPARK = re.compile(r"^pyspark==(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Release:
    """What its nodes come with."""

    spark: str
    pythons: tuple[str, ...]


RELEASES: dict[str, Release] = {
    "emr-6.15.0": Release("3.4.1", ("3.7",)),
    "emr-7.10.0": Release("3.5.5", ("3.9", "3.11")),
    "emr-7.12.0": Release("3.5.6", ("3.9", "3.11")),
}
"""By label. Source: Amazon EMR Release Guide, "Application versions" of each."""


def locked_spark_version(lock: str) -> str:
    """The pyspark version that the text of a lock file pins.

    Raises:
        ValueError: it pins none.
    """
    if not (match := _LOCKED_SPARK.search(lock)):
        raise ValueError("the lock file pins no pyspark; run `make lock`")
    return match[1]


def release_faults(label: str, locked_spark: str) -> list[str]:
    """Why the steps would not run on a release: another Spark, or no interpreter for the wheels."""
    release = RELEASES.get(label)
    if release is None:
        known = f"is not a release that is known here, and requirements.lock has pyspark {locked_spark}"
        return [f"releaseLabel: {label!r} {known}; {_remedy(locked_spark)}"]
    faults = []
    if release.spark != locked_spark:
        faults.append(
            f"releaseLabel: {label!r} has Spark {release.spark}, and requirements.lock has pyspark "
            f"{locked_spark}; {_remedy(locked_spark)}"
        )
    if PYTHON_VERSION not in release.pythons:
        faults.append(
            f"releaseLabel: {label!r} has Python {' and '.join(release.pythons)}, and the nodes' packages "
            f"are built for {PYTHON_VERSION}; {_remedy(locked_spark)}"
        )
    return faults


def _remedy(locked_spark: str) -> str:
    fitting = [
        label
        for label, release in RELEASES.items()
        if release.spark == locked_spark and PYTHON_VERSION in release.pythons
    ]
    choice = f"choose {' or '.join(fitting)}" if fitting else "lock the Spark of a known release"
    return f"{choice}, or lock the release's version and add the release to infra/releases.py"
