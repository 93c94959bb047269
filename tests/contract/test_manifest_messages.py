"""What people read when a manifest is refused, word for word: problem, remedy and the nearest right word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.contract.manifest.faults import Fault, describe

from .manifest_mistakes import MESSAGES
from .test_manifest import faults_of, only_fault_of


@pytest.mark.parametrize(
    ("changes", "path", "problem", "remedy", "meant"),
    MESSAGES,
    ids=[json.dumps(row[0])[:60].replace("\\", "/") for row in MESSAGES],
)
def test_a_mistake_is_answered_with_these_words(
    changes: dict[str, Any], path: str, problem: str, remedy: str, meant: str | None
) -> None:
    assert only_fault_of(**changes) == Fault(path, problem, remedy, meant)


def test_bad_entries_of_a_list_are_named_and_not_the_list() -> None:
    faults = faults_of(images={"prefixes": ["http://a", 5]})
    assert [(fault.path, fault.problem) for fault in faults] == [
        ("$.images.prefixes[0]", 'is the text "http://a", which does not start with s3://'),
        ("$.images.prefixes[1]", "is 5; it must be a text in double quotes"),
    ]


def test_a_models_folder_whose_files_have_too_long_keys_is_told_with_where_models_are() -> None:
    model = f"s3://bkt/{'k' * 1014}/"
    assert only_fault_of(pca={"model": model}) == Fault(
        "$.pca.model",
        f"is {describe(model)}, a folder whose model.json has a key of more than 1024 bytes, S3's limit",
        "Name the folder below models/pca/ of a completed run.",
    )


def test_a_run_that_may_cost_too_much_is_told_how_with_the_figures() -> None:
    # 3 m5.xlarge for 120 + 6 minutes at 0.95 x (0.230 + 0.048) EUR an hour.
    limits = {"max_cost_eur": 0.05, "max_runtime_minutes": 120}
    assert only_fault_of(limits=limits) == Fault(
        "$.limits.max_cost_eur",
        "is 0.05, but 2 workers and a primary of m5.xlarge for 120 minutes, and 6 to be stopped, may cost "
        "1.66 EUR (an estimate from the dearest region's list prices of 2025-06)",
        "Raise this to 1.67.",
    )
    both = only_fault_of(cluster={"instance_types": ["m5.xlarge", "c5.xlarge"]}, limits=limits)
    assert "2 workers and a primary of m5.xlarge, c5.xlarge for 120 minutes" in both.problem
    # 1.2 EUR are 90 minutes, of which 84 are the run's; or two machines.
    fault = only_fault_of(limits={"max_cost_eur": 1.2, "max_runtime_minutes": 120})
    assert fault.remedy == (
        "Either lower limits.max_runtime_minutes to 84, or lower cluster.workers to 1, or raise this to 1.67."
    )


def test_the_smallest_cluster_and_the_shortest_time_are_still_advised() -> None:
    # Two machines for 126 minutes: 1.1092 EUR. Three for 16: 0.2113 EUR.
    def remedy(eur: float) -> str:
        return only_fault_of(limits={"max_cost_eur": eur, "max_runtime_minutes": 120}).remedy

    assert "lower cluster.workers to 1," in remedy(1.11)
    assert "cluster.workers" not in remedy(1.10)
    assert "lower limits.max_runtime_minutes to 10," in remedy(0.212)
    assert "limits.max_runtime_minutes" not in remedy(0.211)
