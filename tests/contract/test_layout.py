"""Where everything is in the data bucket: users, policies and lifecycle rules rely on these very names."""

from __future__ import annotations

import pytest

from lambdas.contract import layout
from lambdas.contract.layout import RunLayout

RUN = RunLayout("fruits", "fruits-0123")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("plan", "runs/fruits-0123/plan.json"),
        ("status", "runs/fruits-0123/status.json"),
        ("progress", "runs/fruits-0123/progress.json"),
        ("metrics", "runs/fruits-0123/metrics.json"),
        ("index", "runs/fruits-0123/index.parquet"),
        ("features", "Results/fruits/fruits-0123/"),
        ("pca", "Results_PCA/fruits/fruits-0123/"),
        ("csv", "Results_CSV/fruits/fruits-0123/"),
        ("quarantine", "quarantine/fruits/fruits-0123/"),
        ("pca_model", "models/pca/fruits/fruits-0123/"),
    ],
)
def test_a_runs_keys_are_the_documented_ones(name: str, key: str) -> None:
    assert getattr(RUN, name) == key


def test_reports_and_shards_have_keys_of_their_own() -> None:
    assert RUN.step_report("pca") == "runs/fruits-0123/steps/pca.json"
    assert RUN.shard_record(42) == "runs/fruits-0123/shards/part-00042.json"
    assert layout.part_name(7, "parquet") == "part-00007.parquet"


def test_a_manifest_may_lie_in_a_folder() -> None:
    assert layout.manifest_name("manifests/team/apples.json") == "team/apples"
    assert layout.rejection_key("manifests/team/apples.json") == "manifests-rejected/team/apples.json"


def test_a_key_that_is_no_manifests_is_told_with_what_would_be_one() -> None:
    with pytest.raises(
        ValueError, match=r"^'images/a.json' is not a manifest key; manifests are manifests/<"
    ):
        layout.manifest_name("images/a.json")
    with pytest.raises(ValueError, match=r"manifests/<name>\.json$"):
        layout.manifest_name("manifests/a.yaml")


def test_the_prefixes_are_those_that_users_see() -> None:
    assert layout.STEP_OUTPUTS == (
        "runs/", "Results/", "Results_PCA/", "Results_CSV/", "quarantine/", "models/pca/",
    )  # fmt: skip
    assert (layout.MANIFESTS, layout.REJECTIONS, layout.IMAGES) == (
        "manifests/", "manifests-rejected/", "images/",
    )  # fmt: skip
    assert (layout.LOGS, layout.ARTIFACTS, layout.CERTIFICATES) == ("logs/", "artifacts/", "certificates/")
    assert (layout.KEPT, layout.LIVE) == ("stack/kept.json", "stack/live.json")
    assert (layout.SUCCESS_MARKER, layout.DATASET_MANIFEST) == ("_SUCCESS", "_manifest.json")
